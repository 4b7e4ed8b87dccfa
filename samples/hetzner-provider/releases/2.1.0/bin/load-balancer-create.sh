#!/bin/sh
# Create a TCP load balancer for all servers with a label.
# Usage: load-balancer-create.sh WORKSPACE NAME PORT LABEL=VALUE
set -eu

if [ "$#" -ne 4 ]; then
    echo "usage: load-balancer-create.sh WORKSPACE NAME PORT LABEL=VALUE" >&2
    exit 2
fi
workspace=$1 name=$2 port=$3 selector=$4
: "${HETZNER_LOCATION:=fsn1}" "${HETZNER_LOAD_BALANCER_TYPE:=lb11}"

if hcloud load-balancer describe "$name" >/dev/null 2>&1; then
    echo "hetzner: load balancer $name exists" >&2
    exit 0
fi

hcloud load-balancer create --name "$name" --type "$HETZNER_LOAD_BALANCER_TYPE" \
    --location "$HETZNER_LOCATION" --label "workspace=$workspace"
hcloud load-balancer attach-to-network "$name" --network "$workspace"
hcloud load-balancer add-target "$name" --label-selector "$selector" --use-private-ip
hcloud load-balancer add-service "$name" --protocol tcp \
    --listen-port "$port" --destination-port "$port"
