#!/bin/sh
# Install Prometheus and start it with the rendered configuration.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$dir/versions.env"
: "${PROMETHEUS_MIRROR_URL:=https://downloads.example.com}"
: "${PROMETHEUS_DATA_DIR:=/var/lib/prometheus}"

case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *)
        echo "prometheus: unsupported machine: $(uname -m)" >&2
        exit 1
        ;;
esac
name=prometheus-$PROMETHEUS_VERSION.linux-$arch
archive=$name.tar.gz

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
url=$PROMETHEUS_MIRROR_URL/prometheus/v$PROMETHEUS_VERSION
curl -fsSL -o SHA256SUMS "$url/SHA256SUMS"
curl -fsSL -o "$archive" "$url/$archive"
awk -v file="$archive" '$2 == file' SHA256SUMS | sha256sum --check --quiet -
tar -xzf "$archive"

if ! id prometheus >/dev/null 2>&1; then
    useradd --system --home-dir "$PROMETHEUS_DATA_DIR" --shell /usr/sbin/nologin prometheus
fi
install -d -o prometheus -g prometheus -m 0750 "$PROMETHEUS_DATA_DIR"
install -d -m 0755 /etc/prometheus/rules
install -m 0644 "$dir/rules/node.yml" /etc/prometheus/rules/node.yml
"$name/promtool" check config --syntax-only "$dir/rendered/prometheus.yml"
install -m 0644 "$dir/rendered/prometheus.yml" /etc/prometheus/prometheus.yml
install -m 0755 "$name/prometheus" "$name/promtool" /usr/local/bin/
install -m 0644 "$dir/rendered/prometheus.service" /etc/systemd/system/prometheus.service

systemctl daemon-reload
systemctl enable prometheus
systemctl restart prometheus
