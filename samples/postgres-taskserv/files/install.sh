#!/bin/sh
# Install PostgreSQL and apply the rendered configuration.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$dir/versions.env"
: "${POSTGRES_PORT:=5432}"

if [ "$(id -u)" -ne 0 ]; then
    echo "postgres: run install.sh as root" >&2
    exit 1
fi

# The packages would start a second cluster next to one of another major version.
other=$(pg_lsclusters --no-header 2>/dev/null | awk -v major="$POSTGRES_MAJOR" '$1 != major')
if [ -n "$other" ]; then
    echo "postgres: move this cluster to version $POSTGRES_MAJOR first: $other" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy ssl-cert "postgresql-$POSTGRES_MAJOR" "postgresql-client-$POSTGRES_MAJOR"

conf=/etc/postgresql/$POSTGRES_MAJOR/main
install -d -o postgres -g postgres "$conf/conf.d"
install -o postgres -g postgres -m 0644 "$dir/rendered/postgresql.conf" \
    "$conf/conf.d/90-provisioning.conf"
install -o postgres -g postgres -m 0640 "$dir/rendered/pg_hba.conf" "$conf/pg_hba.conf"

systemctl enable "postgresql@$POSTGRES_MAJOR-main"
systemctl restart "postgresql@$POSTGRES_MAJOR-main"
runuser -u postgres -- pg_isready --port "$POSTGRES_PORT" --timeout 30
