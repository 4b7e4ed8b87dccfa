#!/bin/sh
# Fills a registry with the sample extensions, by its API alone. Compose runs it in the service's own
# image: curl and what every Debian has are enough. Run again, it changes nothing.
#
#   seed.sh SAMPLES REGISTRY NAMESPACE     seed.sh samples http://127.0.0.1:5000 provisioning
set -eu

samples=$1 registry=$2 namespace=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "error: $1" >&2
  exit 1
}

# ask STATUS ARGUMENT...: fails unless the registry answers with STATUS; the head is in $work/head.
ask() {
  expected=$1
  shift
  status=$(curl --silent --show-error --output "$work/body" --dump-header "$work/head" --write-out '%{http_code}' "$@")
  [ "$status" = "$expected" ] || fail "$registry answered $status instead of $expected: $(cat "$work/body")"
}

digest() { echo "sha256:$(sha256sum "$1" | cut -d ' ' -f 1)"; }

# push_blob REPOSITORY FILE: unless the registry has it.
push_blob() {
  blob=$(digest "$2")
  if curl --silent --fail --head --output /dev/null "$registry/v2/$1/blobs/$blob"; then return; fi
  ask 202 --request POST "$registry/v2/$1/blobs/uploads/"
  location=$(sed -n 's/^[Ll]ocation: //p' "$work/head" | tr -d '\r')
  case $location in
    /*) location=$registry$location ;;
  esac
  case $location in
    *\?*) location="$location&digest=$blob" ;;
    *) location="$location?digest=$blob" ;;
  esac
  ask 201 --request PUT --header 'Content-Type: application/octet-stream' --data-binary "@$2" "$location"
}

# layer TYPE TITLE FILE: its descriptor.
layer() {
  printf '{"mediaType":"%s","digest":"%s","size":%s,"annotations":{"org.opencontainers.image.title":"%s"}}' \
    "$1" "$(digest "$3")" "$(wc -c <"$3")" "$2"
}

# value KEY SHEET: of a line such as `license = "MIT"`, the text in its quotes, which JSON writes likewise.
value() { sed -n "s/^$1 = //p" "$2" | head -n 1; }

# push_release FOLDER REPOSITORY VERSION
push_release() {
  sheet=$1/extension.toml name=${1##*/} content=$work/content
  rm -rf "$content"
  mkdir "$content"
  cp -R "$1/files/." "$1/releases/$3/." "$content"
  # The same files make the same bytes, and so the same digest, on every run.
  (cd "$content" && tar --create --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' -- *) \
    | gzip --no-name >"$work/archive"
  # The lines of this release alone.
  sed -n "/^version = \"$3\"\$/,/^\[\[release\]\]\$/p" "$sheet" >"$work/release"
  printf '{}' >"$work/config"
  cat >"$work/manifest" <<JSON
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"artifactType":"application/vnd.provisioning.extension.v1",
"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"$(digest "$work/config")","size":2},
"layers":[$(layer application/vnd.oci.image.layer.v1.tar+gzip "${name%-*}-$3.tar.gz" "$work/archive"),
$(layer text/markdown README.md "$content/README.md")],
"annotations":{"org.opencontainers.image.description":$(value description "$sheet"),
"org.opencontainers.image.authors":$(value authors "$sheet"),
"org.opencontainers.image.source":$(value source "$sheet"),
"org.opencontainers.image.licenses":$(value license "$sheet"),
"org.opencontainers.image.version":"$3",
"org.opencontainers.image.created":$(value created "$work/release"),
"io.artifacthub.package.keywords":"$(value keywords "$sheet" | tr -d '][" ')",
"io.artifacthub.package.changes":$(value notes "$work/release")}}
JSON
  push_blob "$2" "$work/config"
  push_blob "$2" "$work/archive"
  push_blob "$2" "$content/README.md"
  # A tag has no `+`.
  tag=$(echo "$3" | tr + _)
  ask 201 --request PUT --header 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
    --data-binary "@$work/manifest" "$registry/v2/$2/manifests/$tag"
}

# The registry may be starting.
curl --silent --show-error --fail --output /dev/null --retry 30 --retry-delay 1 --retry-all-errors "$registry/v2/" \
  || fail "$registry does not answer"

for folder in "$samples"/*-*/; do
  folder=${folder%/}
  repository=$namespace/${folder##*/}
  for release in "$folder"/releases/*/; do
    release=${release%/}
    push_release "$folder" "$repository" "${release##*/}"
    echo "$repository:${release##*/}"
  done
done
