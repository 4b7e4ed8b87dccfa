#!/bin/sh
# Check that hcloud is installed and that the token can read the project.
set -eu

: "${HETZNER_LOCATION:=fsn1}"

if ! command -v hcloud >/dev/null 2>&1; then
    echo "hetzner: command not found: hcloud" >&2
    exit 1
fi

hcloud server list -o noheader >/dev/null
hcloud location describe "$HETZNER_LOCATION" >/dev/null
echo "hetzner: ready, location $HETZNER_LOCATION"
