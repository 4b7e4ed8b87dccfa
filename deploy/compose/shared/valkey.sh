#!/bin/sh
# Starts Valkey with the one user that the replicas need. It stores nothing on disk, and refuses writes when
# its memory is full. Nothing secret is an argument, which every user of the machine could read.
#
#   valkey.sh SECRETS PORT     valkey.sh /run/secrets 6379
set -eu

secrets=$1 port=$2
password=$(tr -d '\r\n' <"$secrets/valkey-password" | sha256sum | cut -d ' ' -f 1)

exec valkey-server - <<CONFIGURATION
port $port
dir /tmp
save ""
maxmemory 256mb
maxmemory-policy noeviction
user default off
user extension-registry on #$password resetkeys ~er:{default}:* resetchannels -@all +auth +del +evalsha +get +hget +hkeys +hset +info +pexpire +ping +pttl +script|load +select +set +time +xadd +xdel +xrange +xread +xrevrange +xtrim +zadd +zremrangebyscore +zrevrange
CONFIGURATION
