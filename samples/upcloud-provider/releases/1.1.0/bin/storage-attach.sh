#!/bin/sh
# Create a block storage and attach it to a server; print the storage UUID.
# Usage: storage-attach.sh SERVER TITLE SIZE_GIB
set -eu

server=${1:?usage: storage-attach.sh SERVER TITLE SIZE_GIB}
title=${2:?usage: storage-attach.sh SERVER TITLE SIZE_GIB}
size=${3:?usage: storage-attach.sh SERVER TITLE SIZE_GIB}
: "${UPCLOUD_ZONE:=fi-hel1}" "${UPCLOUD_STORAGE_TIER:=maxiops}"

created=$(upctl storage create -o json --title "$title" --size "$size" \
    --zone "$UPCLOUD_ZONE" --tier "$UPCLOUD_STORAGE_TIER")
storage=$(printf '%s\n' "$created" | jq -er .uuid)

# The storage is in maintenance state until it has been prepared.
tries=30
until upctl storage show "$storage" -o json | jq -e '.state == "online"' >/dev/null; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then
        echo "upcloud: storage $storage did not come online" >&2
        exit 1
    fi
    sleep 2
done

upctl server storage attach "$server" --storage "$storage" >/dev/null
echo "$storage"
