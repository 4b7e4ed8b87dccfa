#!/bin/sh
# Apply the rendered manifests and wait for the rollout.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
: "${WEB_NAMESPACE:=web}"

if ! kubectl get namespace "$WEB_NAMESPACE" >/dev/null 2>&1; then
    kubectl create namespace "$WEB_NAMESPACE"
fi
kubectl --namespace "$WEB_NAMESPACE" apply -f "$dir/rendered/app.yaml" \
    -f "$dir/rendered/ingress.yaml"
kubectl --namespace "$WEB_NAMESPACE" rollout status deployment/web --timeout=5m
