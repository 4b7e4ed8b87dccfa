#!/bin/sh
# Create the VPC network and the firewall of a workspace; print the VPC ID.
# Usage: network-create.sh WORKSPACE
set -eu

workspace=${1:?usage: network-create.sh WORKSPACE}
: "${DO_REGION:=ams3}" "${DO_VPC_CIDR:=10.50.0.0/20}" "${DO_ADMIN_CIDR:?}"
everyone=address:0.0.0.0/0,address:::/0

vpc=$(doctl vpcs create --name "$workspace" --region "$DO_REGION" \
    --ip-range "$DO_VPC_CIDR" --format ID --no-header)

doctl compute tag create "$workspace" >/dev/null
doctl compute firewall create --name "$workspace" --tag-names "$workspace" \
    --inbound-rules "protocol:tcp,ports:22,address:$DO_ADMIN_CIDR protocol:tcp,ports:80,$everyone protocol:tcp,ports:443,$everyone protocol:tcp,ports:all,address:$DO_VPC_CIDR protocol:udp,ports:all,address:$DO_VPC_CIDR" \
    --outbound-rules "protocol:icmp,$everyone protocol:tcp,ports:all,$everyone protocol:udp,ports:all,$everyone" \
    >/dev/null

echo "$vpc"
