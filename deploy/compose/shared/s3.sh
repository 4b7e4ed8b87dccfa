#!/bin/sh
# Starts an S3 server with the one key of the replicas and with their bucket, which is a directory.
#
#   s3.sh SECRETS DATA ADDRESS     s3.sh /run/secrets /data :7070
set -eu

secrets=$1 data=$2 address=$3
{
  read -r ROOT_ACCESS_KEY_ID
  read -r ROOT_SECRET_ACCESS_KEY
} <"$secrets/s3-credentials"
export ROOT_ACCESS_KEY_ID ROOT_SECRET_ACCESS_KEY

mkdir -p "$data/extension-registry"
exec versitygw --port "$address" --region us-east-1 --quiet posix "$data"
