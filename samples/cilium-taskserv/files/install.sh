#!/bin/sh
# Install or upgrade the Cilium Helm release.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$dir/versions.env"
: "${CILIUM_CHART:=oci://registry.example.com/charts/cilium}"

helm upgrade cilium "$CILIUM_CHART" --install \
    --version "$CILIUM_VERSION" \
    --namespace kube-system \
    --values "$dir/rendered/values.yaml" \
    --wait --timeout 10m
