# shellcheck shell=bash
# Programs written in Go, each in one version, built once into $tools/bin as NAME-VERSION. scripts/test and the
# scripts that check the OCI pull API read this file. They set $tools and define `missing`.
# shellcheck disable=SC2034,SC2154 # they use what is set here, and set what is used

readonly actionlint_version=1.7.12
readonly conformance_version=0.0.0-20260831232431-97274622c111 # of the distribution specification; it has no releases
readonly crane_version=0.22.1
readonly distribution_version=3.1.2 # a second real OCI registry; Debian has version 2
readonly oras_version=1.3.6 # also publishes as docs/publish.md says; Debian has none
readonly regctl_version=0.11.7
readonly versity_version=1.8.0 # a real S3 server

# install_go_program NAME VERSION PACKAGE
install_go_program() {
  local name=$1 version=$2 package=$3 program=$tools/bin/$1-$2
  if [[ -x $program ]]; then
    echo "there already: $program"
    return
  fi
  command -v go >/dev/null || {
    missing "Go is missing; $name $version could not be built"
    return
  }
  echo "building $name $version into $tools, once"
  if GOFLAGS='' GOBIN=$tools/bin go install "$package@v$version"; then
    mv "$tools/bin/$name" "$program"
  else
    missing "$name $version could not be built"
  fi
}

# The tests run it from there: tests/publish.rs.
install_oras() {
  install_go_program oras "$oras_version" oras.land/oras/cmd/oras
}

# The tests run it from there: tests/testing/src/docker_registry.rs.
install_distribution() {
  install_go_program registry "$distribution_version" github.com/distribution/distribution/v3/cmd/registry
}

install_actionlint() {
  install_go_program actionlint "$actionlint_version" github.com/rhysd/actionlint/cmd/actionlint
}

install_crane() {
  install_go_program crane "$crane_version" github.com/google/go-containerregistry/cmd/crane
}

install_regctl() {
  install_go_program regctl "$regctl_version" github.com/regclient/regclient/cmd/regctl
}

install_conformance() {
  install_go_program conformance "$conformance_version" github.com/opencontainers/distribution-spec/conformance
}

# The tests run it from there: tests/testing/src/versity.rs.
install_versity() {
  install_go_program versitygw "$versity_version" github.com/versity/versitygw/cmd/versitygw
}
