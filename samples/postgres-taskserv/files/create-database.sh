#!/bin/sh
# Create a login role and a database that it owns. Safe to run again.
# Usage: DB_PASSWORD=... create-database.sh DATABASE OWNER
set -eu

database=${1:?usage: create-database.sh DATABASE OWNER}
owner=${2:?usage: create-database.sh DATABASE OWNER}
: "${DB_PASSWORD:?set the password of the owner in DB_PASSWORD}"
: "${POSTGRES_PORT:=5432}"

# psql reads the password from the environment, so that it is in no process list.
export DB_PASSWORD
runuser -u postgres -- psql --no-psqlrc --quiet --port "$POSTGRES_PORT" \
    --set ON_ERROR_STOP=1 --set db="$database" --set owner="$owner" <<'SQL'
\getenv password DB_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
ALTER ROLE :"owner" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'db', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'db') \gexec
REVOKE CONNECT ON DATABASE :"db" FROM PUBLIC;
SQL
