#!/bin/sh
# Create the network and the firewall of a workspace.
# Usage: network-create.sh WORKSPACE
set -eu

workspace=${1:?usage: network-create.sh WORKSPACE}
dir=$(cd "$(dirname "$0")/.." && pwd)
: "${HETZNER_NETWORK_ZONE:=eu-central}"
: "${HETZNER_NETWORK_CIDR:=10.40.0.0/16}" "${HETZNER_SUBNET_CIDR:=10.40.1.0/24}"

if ! hcloud network describe "$workspace" >/dev/null 2>&1; then
    hcloud network create --name "$workspace" --ip-range "$HETZNER_NETWORK_CIDR" \
        --label "workspace=$workspace"
    hcloud network add-subnet "$workspace" --type cloud \
        --network-zone "$HETZNER_NETWORK_ZONE" --ip-range "$HETZNER_SUBNET_CIDR"
fi

if hcloud firewall describe "$workspace" >/dev/null 2>&1; then
    hcloud firewall replace-rules "$workspace" --rules-file "$dir/rendered/firewall.json"
else
    hcloud firewall create --name "$workspace" --rules-file "$dir/rendered/firewall.json" \
        --label "workspace=$workspace"
fi
