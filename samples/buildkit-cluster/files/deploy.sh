#!/bin/sh
# Deploy BuildKit with the certificates in a directory.
# Usage: deploy.sh CERT_DIRECTORY
set -eu

certs=${1:?usage: deploy.sh CERT_DIRECTORY}
dir=$(cd "$(dirname "$0")" && pwd)
: "${BUILDKIT_NAMESPACE:=build}"

apply() {
    kubectl --namespace "$BUILDKIT_NAMESPACE" apply -f "$@"
}

if ! kubectl get namespace "$BUILDKIT_NAMESPACE" >/dev/null 2>&1; then
    kubectl create namespace "$BUILDKIT_NAMESPACE"
fi

kubectl --namespace "$BUILDKIT_NAMESPACE" create secret generic buildkitd-certs \
    --from-file="ca.pem=$certs/ca.pem" \
    --from-file="cert.pem=$certs/server.pem" \
    --from-file="key.pem=$certs/server-key.pem" \
    --dry-run=client --output yaml | apply -
kubectl --namespace "$BUILDKIT_NAMESPACE" create configmap buildkitd-config \
    --from-file="buildkitd.toml=$dir/rendered/buildkitd.toml" \
    --dry-run=client --output yaml | apply -
apply "$dir/rendered/buildkitd.yaml"
kubectl --namespace "$BUILDKIT_NAMESPACE" rollout status statefulset/buildkitd --timeout=5m
