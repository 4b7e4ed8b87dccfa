#!/bin/sh
# Reset the node and remove the Kubernetes packages.
set -eu

if command -v kubeadm >/dev/null 2>&1; then
    kubeadm reset --force
fi
apt-mark unhold kubelet kubeadm kubectl
apt-get purge -qy kubelet kubeadm kubectl
rm -rf /etc/cni/net.d /var/lib/etcd
rm -f /etc/apt/sources.list.d/kubernetes.list /etc/apt/keyrings/kubernetes.gpg
rm -f /etc/modules-load.d/kubernetes.conf /etc/sysctl.d/90-kubernetes.conf
