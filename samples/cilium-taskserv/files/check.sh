#!/bin/sh
# Check that the agents and the operator are rolled out and that nodes are ready.
set -eu

kubectl --namespace kube-system rollout status daemonset/cilium --timeout=120s
kubectl --namespace kube-system rollout status deployment/cilium-operator --timeout=120s
kubectl wait node --all --for=condition=Ready --timeout=120s
kubectl --namespace kube-system exec daemonset/cilium -c cilium-agent -- cilium-dbg status --brief
