#!/bin/sh
# Upgrade a node from Kubernetes 1.31 to the version of this release.
# Usage: upgrade.sh first|other
#   first: the first control plane node; other: every node after it, drained
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$dir/versions.env"
mode=${1:?usage: upgrade.sh first|other}
: "${KUBERNETES_REPO_URL:=https://packages.example.com/kubernetes}"

keyring=/etc/apt/keyrings/kubernetes.gpg
pin=$KUBERNETES_VERSION-$KUBERNETES_DEB_REVISION
export DEBIAN_FRONTEND=noninteractive

echo "deb [signed-by=$keyring] $KUBERNETES_REPO_URL/v${KUBERNETES_VERSION%.*}/deb/ /" \
    >/etc/apt/sources.list.d/kubernetes.list
apt-get update -q
apt-get install -qy --allow-change-held-packages "kubeadm=$pin"

case $mode in
    first) kubeadm upgrade apply --yes "v$KUBERNETES_VERSION" ;;
    other) kubeadm upgrade node ;;
    *)
        echo "usage: upgrade.sh first|other" >&2
        exit 2
        ;;
esac

apt-get install -qy --allow-change-held-packages "kubelet=$pin" "kubectl=$pin"
apt-mark hold kubelet kubeadm kubectl >/dev/null
systemctl daemon-reload
systemctl restart kubelet
