#!/bin/sh
# Create an ext4 volume and attach it to a Droplet; print the volume ID.
# Usage: volume-attach.sh NAME DROPLET_ID
set -eu

name=${1:?usage: volume-attach.sh NAME DROPLET_ID}
droplet=${2:?usage: volume-attach.sh NAME DROPLET_ID}
: "${DO_REGION:=ams3}" "${DO_VOLUME_GIB:=50}"

volume=$(doctl compute volume create "$name" --region "$DO_REGION" \
    --size "${DO_VOLUME_GIB}GiB" --fs-type ext4 --format ID --no-header)
doctl compute volume-action attach "$volume" "$droplet" --wait >/dev/null
echo "$volume"
