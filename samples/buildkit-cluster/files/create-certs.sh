#!/bin/sh
# Create a CA, a server certificate and a client certificate for mutual TLS.
# Usage: create-certs.sh DIRECTORY DNS_NAME...
set -eu

if [ "$#" -lt 2 ]; then
    echo "usage: create-certs.sh DIRECTORY DNS_NAME..." >&2
    exit 2
fi
out=$1
name=$2
shift
names=
for dns in "$@"; do
    names="${names:+$names,}DNS:$dns"
done

umask 077
mkdir -p "$out"
cd "$out"
if [ -e ca-key.pem ]; then
    echo "buildkit: $out has a CA already" >&2
    exit 1
fi

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 \
    -subj "/CN=BuildKit CA" -keyout ca-key.pem -out ca.pem

# Usage: issue FILE COMMON_NAME KEY_USAGE [SUBJECT_ALT_NAMES]
issue() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
        -subj "/CN=$2" -keyout "$1-key.pem" -out "$1.csr"
    {
        echo "extendedKeyUsage = $3"
        if [ -n "${4:-}" ]; then
            echo "subjectAltName = $4"
        fi
    } >"$1.ext"
    openssl x509 -req -days 365 -in "$1.csr" -CA ca.pem -CAkey ca-key.pem \
        -extfile "$1.ext" -out "$1.pem"
    rm -f "$1.csr" "$1.ext"
}

issue server "$name" serverAuth "$names"
issue client buildkit-client clientAuth
