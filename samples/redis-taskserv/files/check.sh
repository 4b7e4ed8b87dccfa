#!/bin/sh
# Check that Redis answers and that a replica is connected.
# Reads the password from REDISCLI_AUTH.
set -eu

: "${REDIS_PORT:=6379}" "${REDIS_REPLICA_OF:=}"

answer=$(redis-cli -p "$REDIS_PORT" ping)
if [ "$answer" != PONG ]; then
    echo "redis: unexpected answer: $answer" >&2
    exit 1
fi

if [ -n "$REDIS_REPLICA_OF" ]; then
    info=$(redis-cli -p "$REDIS_PORT" info replication)
    case $info in
        *master_link_status:up*) ;;
        *)
            echo "redis: replica is not connected to $REDIS_REPLICA_OF" >&2
            exit 1
            ;;
    esac
fi

echo "redis: ok"
