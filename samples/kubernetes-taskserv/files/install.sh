#!/bin/sh
# Install the node packages and run kubeadm init or kubeadm join.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$dir/versions.env"
: "${KUBERNETES_ROLE:=join}"
: "${KUBERNETES_REPO_URL:=https://packages.example.com/kubernetes}"

if [ "$(id -u)" -ne 0 ]; then
    echo "kubernetes: run install.sh as root" >&2
    exit 1
fi
if [ -n "$(swapon --noheadings --show=NAME)" ]; then
    echo "kubernetes: switch swap off first" >&2
    exit 1
fi

# Kernel modules and settings
cat >/etc/modules-load.d/kubernetes.conf <<'CONF'
overlay
br_netfilter
CONF
modprobe overlay
modprobe br_netfilter
cat >/etc/sysctl.d/90-kubernetes.conf <<'CONF'
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
CONF
sysctl --quiet --system

# Packages
minor=${KUBERNETES_VERSION%.*}
repo=$KUBERNETES_REPO_URL/v$minor/deb
keyring=/etc/apt/keyrings/kubernetes.gpg
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy ca-certificates conntrack curl gnupg
key=$(mktemp)
trap 'rm -f "$key"' EXIT
curl -fsSL -o "$key" "$repo/Release.key"
install -d -m 0755 /etc/apt/keyrings
gpg --batch --yes --dearmor -o "$keyring" "$key"
chmod 0644 "$keyring"
echo "deb [signed-by=$keyring] $repo/ /" >/etc/apt/sources.list.d/kubernetes.list
apt-get update -q
pin=$KUBERNETES_VERSION-$KUBERNETES_DEB_REVISION
apt-get install -qy --allow-change-held-packages \
    "kubelet=$pin" "kubeadm=$pin" "kubectl=$pin"
apt-mark hold kubelet kubeadm kubectl >/dev/null
systemctl enable --now kubelet

# Cluster
if [ -e /etc/kubernetes/kubelet.conf ]; then
    echo "kubernetes: node is part of a cluster already"
    exit 0
fi
case $KUBERNETES_ROLE in
    init) kubeadm init --config "$dir/rendered/kubeadm-init.yaml" ;;
    join) kubeadm join --config "$dir/rendered/kubeadm-join.yaml" ;;
    *)
        echo "kubernetes: unknown role: $KUBERNETES_ROLE" >&2
        exit 2
        ;;
esac
