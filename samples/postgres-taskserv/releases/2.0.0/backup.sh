#!/bin/sh
# Dump all databases and the global objects, then delete old dumps.
set -eu

: "${POSTGRES_PORT:=5432}" "${POSTGRES_BACKUP_DIR:=/var/backups/postgresql}"
: "${POSTGRES_BACKUP_KEEP_DAYS:=14}"

as_postgres() {
    runuser -u postgres -- "$@"
}

stamp=$(date -u +%Y%m%dT%H%M%SZ)
umask 077
install -d -o postgres -g postgres -m 0700 "$POSTGRES_BACKUP_DIR"

as_postgres pg_dumpall --port "$POSTGRES_PORT" --globals-only \
    --file "$POSTGRES_BACKUP_DIR/globals-$stamp.sql"

databases=$(as_postgres psql --no-psqlrc --port "$POSTGRES_PORT" --tuples-only --no-align \
    --command 'SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate')
printf '%s\n' "$databases" | while IFS= read -r database; do
    target=$POSTGRES_BACKUP_DIR/$database-$stamp.dump
    as_postgres pg_dump --port "$POSTGRES_PORT" --format custom \
        --file "$target.part" "$database" </dev/null
    mv "$target.part" "$target"
done

find "$POSTGRES_BACKUP_DIR" -type f \( -name '*.dump' -o -name 'globals-*.sql' \) \
    -mtime "+$POSTGRES_BACKUP_KEEP_DAYS" -delete
