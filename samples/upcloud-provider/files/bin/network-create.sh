#!/bin/sh
# Create the private network of a workspace; print its UUID.
# Usage: network-create.sh WORKSPACE
set -eu

workspace=${1:?usage: network-create.sh WORKSPACE}
: "${UPCLOUD_ZONE:=fi-hel1}" "${UPCLOUD_NETWORK_CIDR:=10.30.0.0/24}"

network=$(upctl network create -o json \
    --name "$workspace" \
    --zone "$UPCLOUD_ZONE" \
    --ip-network "address=$UPCLOUD_NETWORK_CIDR,dhcp=true")
printf '%s\n' "$network" | jq -er .uuid
