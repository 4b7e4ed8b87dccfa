#!/bin/sh
# Create and start one virtual machine.
# Usage: server-create.sh NAME USER_DATA_FILE
set -eu

name=${1:?usage: server-create.sh NAME USER_DATA_FILE}
user_data=${2:?usage: server-create.sh NAME USER_DATA_FILE}
: "${LOCAL_NETWORK:=provisioning}" "${LOCAL_IMAGE_DIR:=/var/lib/libvirt/images}"
: "${LOCAL_OS_VARIANT:=debian12}" "${LOCAL_MEMORY_MB:=2048}" "${LOCAL_VCPUS:=2}"
: "${LOCAL_DISK_GB:=20}"
: "${LOCAL_BASE_IMAGE:?set the path of a qcow2 cloud image in the setting base_image}"

disk=$LOCAL_IMAGE_DIR/$name.qcow2
if [ -e "$disk" ]; then
    echo "local: $disk exists already" >&2
    exit 1
fi
qemu-img create -q -f qcow2 -F qcow2 -b "$LOCAL_BASE_IMAGE" "$disk" "${LOCAL_DISK_GB}G"

virt-install --connect qemu:///system --name "$name" \
    --memory "$LOCAL_MEMORY_MB" --vcpus "$LOCAL_VCPUS" \
    --osinfo "$LOCAL_OS_VARIANT" \
    --disk "path=$disk,bus=virtio" --import \
    --network "network=$LOCAL_NETWORK,model=virtio" \
    --cloud-init "user-data=$user_data" \
    --graphics none --noautoconsole
