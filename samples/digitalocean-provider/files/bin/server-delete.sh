#!/bin/sh
# Delete a Droplet by ID.
# Usage: server-delete.sh DROPLET_ID
set -eu

droplet=${1:?usage: server-delete.sh DROPLET_ID}

doctl compute droplet delete "$droplet" --force
