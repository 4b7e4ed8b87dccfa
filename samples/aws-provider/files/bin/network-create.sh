#!/bin/sh
# Create the VPC of a workspace with one public subnet; print the subnet ID.
# Usage: network-create.sh WORKSPACE
set -eu

workspace=${1:?usage: network-create.sh WORKSPACE}
: "${AWS_REGION:=eu-west-1}" "${AWS_VPC_CIDR:=10.20.0.0/16}"
: "${AWS_SUBNET_CIDR:=10.20.1.0/24}" "${AWS_SSH_CIDR:=}"
export AWS_REGION

ec2() {
    aws ec2 "$@" --output text
}

tags() {
    printf 'ResourceType=%s,Tags=[{Key=Name,Value=%s},{Key=workspace,Value=%s}]' \
        "$1" "$workspace" "$workspace"
}

subnet=$(ec2 describe-subnets --filters "Name=tag:workspace,Values=$workspace" \
    --query 'Subnets[0].SubnetId')
if [ "$subnet" != None ]; then
    echo "$subnet"
    exit 0
fi

vpc=$(ec2 create-vpc --cidr-block "$AWS_VPC_CIDR" \
    --tag-specifications "$(tags vpc)" --query Vpc.VpcId)
aws ec2 wait vpc-available --vpc-ids "$vpc"
aws ec2 modify-vpc-attribute --vpc-id "$vpc" --enable-dns-hostnames '{"Value":true}'

gateway=$(ec2 create-internet-gateway --tag-specifications "$(tags internet-gateway)" \
    --query InternetGateway.InternetGatewayId)
aws ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc"
table=$(ec2 describe-route-tables --query 'RouteTables[0].RouteTableId' \
    --filters "Name=vpc-id,Values=$vpc" Name=association.main,Values=true)
ec2 create-route --route-table-id "$table" --destination-cidr-block 0.0.0.0/0 \
    --gateway-id "$gateway" >/dev/null

if [ -n "$AWS_SSH_CIDR" ]; then
    group=$(ec2 describe-security-groups --query 'SecurityGroups[0].GroupId' \
        --filters "Name=vpc-id,Values=$vpc" Name=group-name,Values=default)
    ec2 authorize-security-group-ingress --group-id "$group" \
        --protocol tcp --port 22 --cidr "$AWS_SSH_CIDR" >/dev/null
fi

# The subnet comes last: its tag marks a finished network.
ec2 create-subnet --vpc-id "$vpc" --cidr-block "$AWS_SUBNET_CIDR" \
    --tag-specifications "$(tags subnet)" --query Subnet.SubnetId
