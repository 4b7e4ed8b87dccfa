#!/bin/sh
# Stop a server and delete it with its storages.
# Usage: server-delete.sh NAME
set -eu

name=${1:?usage: server-delete.sh NAME}

details=$(upctl server show "$name" -o json)
state=$(printf '%s\n' "$details" | jq -er .state)
if [ "$state" != stopped ]; then
    upctl server stop "$name" --type hard --wait
fi
upctl server delete "$name" --delete-storages
