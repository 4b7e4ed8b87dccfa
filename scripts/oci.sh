# shellcheck shell=bash
# The service over each kind of backend, and a home for OCI clients. scripts/oci-clients, scripts/oci-conformance
# and scripts/oci-mirror read this file after scripts/processes.sh; they set $target and $work.
# shellcheck disable=SC2034,SC2154 # they use what is set here, and set what is used

readonly service=$target/debug/extension-registry
readonly backends_program=$target/debug/examples/backends
readonly client_token=oci-clients
# The service and its backends are on this machine.
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1

# Ends with its standard input, which a process in the background has not.
serve_backends() { exec "$backends_program" <"$work/standard-input"; }

# start_backends: a Gitea, a registry and image layouts; $gitea, $organization, $registry, $namespace and
# $layouts are where.
start_backends() {
  local places
  mkfifo "$work/standard-input"
  exec 8<>"$work/standard-input"
  start "$work/backends.log" serve_backends
  places=$(told "$work/backends.log" '/^{/p')
  gitea=$(jq -r .gitea <<<"$places")
  organization=$(jq -r .organization <<<"$places")
  registry=$(jq -r .registry <<<"$places")
  namespace=$(jq -r .namespace <<<"$places")
  layouts=$(jq -r .layouts <<<"$places")
}

# backend_section KIND: the section of a configuration for gitea, registry or local.
backend_section() {
  case $1 in
    gitea) printf '[gitea]\nurl = "%s"\norganization = "%s"\n' "${gitea%/}" "$organization" ;;
    registry) printf '[oci]\nregistry = "%s"\nnamespace = "%s"\n' "${registry%/}" "$namespace" ;;
    local) printf '[local]\npath = "%s"\n' "$layouts" ;;
  esac
}

# start_service NAME [AUTH]: reads the sections of its backends from the standard input. With AUTH every request
# needs $client_token. $address is where it listens.
start_service() {
  local directory=$work/$1
  mkdir -p "$directory"
  {
    printf '[server]\nhost = "127.0.0.1"\n[cache]\nstate_dir = "%s/state"\n' "$directory"
    if [[ -n ${2:-} ]]; then
      (umask 077 && printf 'clients %s\n' "$(printf %s "$client_token" | sha256sum | cut -d' ' -f1)" >"$directory/tokens")
      printf '[auth]\ntokens_path = "%s/tokens"\n' "$directory"
    fi
    cat
  } >"$directory/config.toml"
  start_program "$directory/log" "$service" --config "$directory/config.toml"
  # Until the first cycle over its backend has ended, lists are a 503 or marked.
  until [[ $(asked extensions --dump-header "$work/head") == 200 ]] \
    && ! grep --quiet --ignore-case '^extension-registry-degraded:' "$work/head"; do
    kill -0 "${processes[-1]}" || return
    sleep 0.1
  done
}

# asked PATH [ARGUMENT...]: the status of the API's answer; the body is in $work/answer.
asked() {
  local path=$1
  shift
  curl --silent --output "$work/answer" --write-out '%{http_code}' --user "any:$client_token" "$@" \
    "http://$address/api/v1/$path"
}

# home_for_clients DIRECTORY: becomes $HOME, with the tools on the path.
home_for_clients() {
  export HOME=$1
  mkdir -p "$HOME/.docker" "$HOME/.config/containers"
  echo '{}' >"$HOME/.docker/config.json"
  echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$HOME/.config/containers/policy.json"
  printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$address" >"$HOME/.config/containers/registries.conf"
}
