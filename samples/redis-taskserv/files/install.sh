#!/bin/sh
# Install Redis and include the rendered configuration.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
main=/etc/redis/redis.conf
extra=/etc/redis/provisioning.conf

if [ "$(id -u)" -ne 0 ]; then
    echo "redis: run install.sh as root" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -qy redis-server redis-tools

# Replicas and snapshots fork; without overcommit a fork can fail on a full node.
echo 'vm.overcommit_memory = 1' >/etc/sysctl.d/90-redis.conf
sysctl --quiet --load /etc/sysctl.d/90-redis.conf

install -o redis -g redis -m 0640 "$dir/rendered/redis.conf" "$extra"
# Later lines win, so the include has to be the last one.
if ! grep -qxF "include $extra" "$main"; then
    echo "include $extra" >>"$main"
fi

systemctl enable redis-server
systemctl restart redis-server
