#!/bin/sh
# Start or update the CI server or agent on this machine.
set -eu

dir=$(cd "$(dirname "$0")" && pwd)
: "${CI_ROLE:=agent}"
target=/opt/ci

case $CI_ROLE in
    server | agent) ;;
    *)
        echo "ci: unknown role: $CI_ROLE" >&2
        exit 2
        ;;
esac
if ! docker compose version >/dev/null; then
    echo "ci: Docker Compose is missing" >&2
    exit 1
fi

install -d -m 0700 "$target"
install -m 0600 "$dir/rendered/$CI_ROLE.yaml" "$target/compose.yaml"
docker compose --file "$target/compose.yaml" pull --quiet
docker compose --file "$target/compose.yaml" up --detach --remove-orphans --wait
