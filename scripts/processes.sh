# shellcheck shell=bash
# Starts what a check needs beside it, on free ports, and ends it by its id. scripts/contract,
# scripts/check-deploy and scripts/check-image read this file.
# shellcheck disable=SC2034 # they use what is set here

processes=()

# start LOG COMMAND...: in the background, its output in LOG.
start() {
  local log=$1
  shift
  # The log is there before anything looks into it.
  : >"$log"
  "$@" >"$log" 2>&1 &
  processes+=($!)
}

# told LOG SCRIPT: the first line that sed's SCRIPT prints of LOG, as soon as there is one. Fails if the
# process that was started last ends before.
told() {
  local log=$1 script=$2 found
  until found=$(sed -n "$script" "$log") && [[ -n $found ]]; do
    kill -0 "${processes[-1]}" 2>/dev/null || {
      echo "error: a process ended before it was ready; its log:" >&2
      cat "$log" >&2
      return 1
    }
    sleep 0.05
  done
  printf '%s\n' "${found%%$'\n'*}"
}

# stop: the process that was started last; its end is the exit code.
stop() {
  local id=${processes[-1]}
  unset 'processes[-1]'
  kill "$id" && wait "$id"
}

stop_all() {
  local id
  for id in ${processes[@]+"${processes[@]}"}; do
    kill "$id" 2>/dev/null || true
    wait "$id" 2>/dev/null || true
  done
}

# start_program LOG PROGRAM ARGUMENT...: the service, on a port of its own; $address is where it listens.
start_program() {
  local log=$1
  shift
  start "$log" "$@" --port 0 --json-log
  address=$(told "$log" 's/.*"address":"\([^"]*\)".*/\1/p')
}

# start_registry DIRECTORY: Debian's registry, with its files in DIRECTORY; $registry is where it listens.
start_registry() {
  local directory=$1
  mkdir -p "$directory"
  printf 'version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: 127.0.0.1:0\n' "$directory/files" \
    >"$directory/registry.yml"
  start "$directory/registry.out" docker-registry serve "$directory/registry.yml"
  registry=$(told "$directory/registry.out" 's/.*listening on \(127[^ ",]*\).*/\1/p')
}
