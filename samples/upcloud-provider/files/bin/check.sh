#!/bin/sh
# Check that upctl is installed and can sign in.
set -eu

for tool in upctl jq; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "upcloud: command not found: $tool" >&2
        exit 1
    fi
done

user=$(upctl account show -o json | jq -r .username)
echo "upcloud: signed in as $user"
