#!/bin/sh
# Check KVM, the tools and the connection to libvirt.
set -eu

for tool in virsh virt-install qemu-img; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "local: command not found: $tool" >&2
        exit 1
    fi
done

if [ ! -e /dev/kvm ]; then
    echo "local: /dev/kvm is missing; is virtualisation enabled?" >&2
    exit 1
fi

virsh --connect qemu:///system version
