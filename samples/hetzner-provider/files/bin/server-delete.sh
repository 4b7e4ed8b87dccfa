#!/bin/sh
# Delete a server if it exists.
# Usage: server-delete.sh NAME
set -eu

name=${1:?usage: server-delete.sh NAME}

if hcloud server describe "$name" >/dev/null 2>&1; then
    hcloud server delete "$name"
fi
