#!/bin/sh
# Create one Droplet; print its ID and public IPv4 address.
# Usage: server-create.sh WORKSPACE NAME VPC_ID USER_DATA_FILE
set -eu

if [ "$#" -ne 4 ]; then
    echo "usage: server-create.sh WORKSPACE NAME VPC_ID USER_DATA_FILE" >&2
    exit 2
fi
: "${DO_REGION:=ams3}" "${DO_SIZE:=s-2vcpu-4gb}" "${DO_IMAGE:=debian-12-x64}"
: "${DO_SSH_KEY:?set the key fingerprint in the setting ssh_key}"

doctl compute droplet create "$2" \
    --region "$DO_REGION" --size "$DO_SIZE" --image "$DO_IMAGE" \
    --ssh-keys "$DO_SSH_KEY" \
    --vpc-uuid "$3" \
    --tag-names "$1" \
    --user-data-file "$4" \
    --wait --format ID,PublicIPv4 --no-header
