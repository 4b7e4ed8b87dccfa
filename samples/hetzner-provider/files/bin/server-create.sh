#!/bin/sh
# Create one server in a workspace; print its public IPv4 address.
# Usage: server-create.sh WORKSPACE NAME USER_DATA_FILE
set -eu

workspace=${1:?usage: server-create.sh WORKSPACE NAME USER_DATA_FILE}
name=${2:?usage: server-create.sh WORKSPACE NAME USER_DATA_FILE}
user_data=${3:?usage: server-create.sh WORKSPACE NAME USER_DATA_FILE}
: "${HETZNER_LOCATION:=fsn1}" "${HETZNER_IMAGE:=debian-12}"
: "${HETZNER_SERVER_TYPE:?}" "${HETZNER_SSH_KEY:?}"

if ! hcloud server describe "$name" >/dev/null 2>&1; then
    hcloud server create --name "$name" \
        --type "$HETZNER_SERVER_TYPE" \
        --image "$HETZNER_IMAGE" \
        --location "$HETZNER_LOCATION" \
        --ssh-key "$HETZNER_SSH_KEY" \
        --network "$workspace" \
        --firewall "$workspace" \
        --label "workspace=$workspace" \
        --user-data-from-file "$user_data" >&2
fi

hcloud server ip "$name"
