#!/bin/sh
# Define and start the NAT network for servers.
set -eu

dir=$(cd "$(dirname "$0")/.." && pwd)
: "${LOCAL_NETWORK:=provisioning}"

virsh() {
    command virsh --connect qemu:///system "$@"
}

if ! virsh net-info "$LOCAL_NETWORK" >/dev/null 2>&1; then
    virsh net-define "$dir/rendered/network.xml"
    virsh net-autostart "$LOCAL_NETWORK"
fi
if ! virsh net-list --name | grep -qxF "$LOCAL_NETWORK"; then
    virsh net-start "$LOCAL_NETWORK"
fi
