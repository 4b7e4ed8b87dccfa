#!/bin/sh
# Check that doctl is installed and that the token is valid.
set -eu

if ! command -v doctl >/dev/null 2>&1; then
    echo "digitalocean: command not found: doctl" >&2
    exit 1
fi

status=$(doctl account get --format Status --no-header)
echo "digitalocean: account is $status"
