#!/bin/sh
# Install OpenObserve and start it with the rendered environment file.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$dir/versions.env"
: "${OPENOBSERVE_MIRROR_URL:=https://downloads.example.com}"
: "${OPENOBSERVE_DATA_DIR:=/var/lib/openobserve}"
: "${OPENOBSERVE_ROOT_PASSWORD:?set the secret root_password}"

case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *)
        echo "openobserve: unsupported machine: $(uname -m)" >&2
        exit 1
        ;;
esac
archive=openobserve-v$OPENOBSERVE_VERSION-linux-$arch.tar.gz

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
url=$OPENOBSERVE_MIRROR_URL/openobserve/v$OPENOBSERVE_VERSION
curl -fsSL -o SHA256SUMS "$url/SHA256SUMS"
curl -fsSL -o "$archive" "$url/$archive"
awk -v file="$archive" '$2 == file' SHA256SUMS | sha256sum --check --quiet -
tar -xzf "$archive"

if ! id openobserve >/dev/null 2>&1; then
    useradd --system --home-dir "$OPENOBSERVE_DATA_DIR" --shell /usr/sbin/nologin openobserve
fi
install -d -o openobserve -g openobserve -m 0750 "$OPENOBSERVE_DATA_DIR"
install -m 0755 openobserve /usr/local/bin/openobserve
install -m 0600 "$dir/rendered/openobserve.env" /etc/openobserve.env
install -m 0644 "$dir/openobserve.service" /etc/systemd/system/openobserve.service

systemctl daemon-reload
systemctl enable openobserve
systemctl restart openobserve
