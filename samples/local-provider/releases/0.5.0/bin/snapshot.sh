#!/bin/sh
# Take, list or restore snapshots of a virtual machine.
# Usage: snapshot.sh take|restore NAME SNAPSHOT
#        snapshot.sh list NAME
set -eu

usage() {
    echo "usage: snapshot.sh take|restore NAME SNAPSHOT | list NAME" >&2
    exit 2
}

virsh() {
    command virsh --connect qemu:///system "$@"
}

[ "$#" -ge 2 ] || usage
case $1:$# in
    take:3) virsh snapshot-create-as "$2" "$3" --atomic ;;
    restore:3) virsh snapshot-revert "$2" "$3" ;;
    list:2) virsh snapshot-list "$2" ;;
    *) usage ;;
esac
