#!/bin/sh
# Install containerd, runc and the CNI plugins, and start the service.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$dir/versions.env"
: "${CONTAINERD_MIRROR_URL:=https://downloads.example.com}"
: "${CONTAINERD_REGISTRY_HOST:=registry.example.com}"

case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *)
        echo "containerd: unsupported machine: $(uname -m)" >&2
        exit 1
        ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Usage: fetch PROJECT VERSION FILE
fetch() {
    curl -fsSL -o SHA256SUMS "$CONTAINERD_MIRROR_URL/$1/v$2/SHA256SUMS"
    curl -fsSL -o "$3" "$CONTAINERD_MIRROR_URL/$1/v$2/$3"
    awk -v file="$3" '$2 == file' SHA256SUMS | sha256sum --check --quiet -
}

fetch containerd "$CONTAINERD_VERSION" "containerd-$CONTAINERD_VERSION-linux-$arch.tar.gz"
fetch runc "$RUNC_VERSION" "runc.$arch"
fetch cni-plugins "$CNI_PLUGINS_VERSION" "cni-plugins-linux-$arch-v$CNI_PLUGINS_VERSION.tgz"

tar -xzf "containerd-$CONTAINERD_VERSION-linux-$arch.tar.gz" -C /usr/local
install -m 0755 "runc.$arch" /usr/local/sbin/runc
install -d -m 0755 /opt/cni/bin
tar -xzf "cni-plugins-linux-$arch-v$CNI_PLUGINS_VERSION.tgz" -C /opt/cni/bin

certs=/etc/containerd/certs.d/$CONTAINERD_REGISTRY_HOST
install -d -m 0755 "$certs"
install -m 0644 "$dir/rendered/config.toml" /etc/containerd/config.toml
install -m 0644 "$dir/rendered/hosts.toml" "$certs/hosts.toml"
install -m 0644 "$dir/containerd.service" /etc/systemd/system/containerd.service

systemctl daemon-reload
systemctl enable containerd
systemctl restart containerd
/usr/local/bin/ctr version
