#!/bin/sh
# Stop a virtual machine and delete it with its disk and snapshots.
# Usage: server-delete.sh NAME
set -eu

name=${1:?usage: server-delete.sh NAME}

virsh() {
    command virsh --connect qemu:///system "$@"
}

if virsh list --name | grep -qxF "$name"; then
    virsh destroy "$name"
fi
virsh undefine "$name" --snapshots-metadata --remove-all-storage
