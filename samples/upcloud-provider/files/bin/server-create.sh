#!/bin/sh
# Create one server in the private network of a workspace; print its UUID.
# Usage: server-create.sh WORKSPACE NAME NETWORK_UUID USER_DATA_FILE
set -eu

if [ "$#" -ne 4 ]; then
    echo "usage: server-create.sh WORKSPACE NAME NETWORK_UUID USER_DATA_FILE" >&2
    exit 2
fi
workspace=$1 name=$2 network=$3 user_data=$(cat "$4")

: "${UPCLOUD_ZONE:=fi-hel1}" "${UPCLOUD_PLAN:=2xCPU-4GB}" "${UPCLOUD_SIMPLE_BACKUP:=}"
: "${UPCLOUD_OS_TEMPLATE:?}" "${UPCLOUD_SSH_KEY_FILE:?}"

set -- -o json --wait \
    --hostname "$name" --title "$name" \
    --zone "$UPCLOUD_ZONE" --plan "$UPCLOUD_PLAN" \
    --os "$UPCLOUD_OS_TEMPLATE" --os-storage-encrypt \
    --ssh-keys "$UPCLOUD_SSH_KEY_FILE" \
    --network type=public,family=IPv4 \
    --network type=utility,family=IPv4 \
    --network "type=private,network=$network" \
    --label "workspace=$workspace" \
    --user-data "$user_data"
if [ -n "$UPCLOUD_SIMPLE_BACKUP" ]; then
    set -- "$@" --simple-backup "$UPCLOUD_SIMPLE_BACKUP"
fi

server=$(upctl server create "$@")
printf '%s\n' "$server" | jq -er .uuid
