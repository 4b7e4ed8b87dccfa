# shellcheck shell=bash
# Steps of a check and how each ended. scripts/test and scripts/check read this file.
#
# The command of a step ends with 0 (ok), with 77 (left out: a tool or a network is missing, and a line
# that begins with NOTICE says which) or with another number (failed).
#
#   CI=true  a step that was left out counts as failed

readonly left_out=77
steps=()
failures=()
notices=()

in_ci() { [[ ${CI:-} == true ]]; }

if in_ci; then export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0; fi

# step TITLE COMMAND...: the next step runs whatever becomes of this one.
# Inside COMMAND `set -e` is off, so functions pass errors on with `|| return`.
step() {
  local title=$1 start=$SECONDS outcome=ok status=0
  shift
  printf '\n==> %s\n' "$title"
  "$@" || status=$?
  if ((status == left_out)); then
    outcome='left out'
    ! in_ci || failures+=("$title (left out, which CI does not accept)")
  elif ((status != 0)); then
    outcome=FAILED
    failures+=("$title")
  fi
  printf -- '--- %s: %s, %d s\n' "$title" "$outcome" $((SECONDS - start))
  steps+=("$(printf '%5d s  %-8s  %s' $((SECONDS - start)) "$outcome" "$title")")
}

# missing WHAT: the step that ends with this is left out.
missing() {
  notices+=("$1")
  printf 'NOTICE: %s\n' "$1"
  return "$left_out"
}

# relayed LOG COMMAND...: a script whose notices count among ours, and whose end is that of the step.
relayed() {
  local line log=$1 status
  shift
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
  while IFS= read -r line; do notices+=("${line#NOTICE: }"); done < <(grep '^NOTICE: ' "$log")
  return "$status"
}

# Every script of the repository that a shell reads.
check_scripts() {
  local file scripts=()
  command -v shellcheck >/dev/null || {
    missing "shellcheck is missing; the scripts are not checked"
    return
  }
  while IFS= read -r -d '' file; do
    if [[ $file == *.sh || $(head -n 1 "$file" | tr -d '\0') =~ ^#!.*[/\ ](ba|da)?sh ]]; then scripts+=("$file"); fi
  done < <(find scripts .ci deploy -type f -print0)
  shellcheck --external-sources "${scripts[@]}" && echo "checked: ${scripts[*]}"
}

# What both commands begin with.
quick_steps() {
  step "Formatting" cargo fmt --all --check
  step "Lints" cargo clippy --locked --all-targets -- -D warnings
  step "Scripts" check_scripts
}

# The outcomes come last, so that one look at the end tells them.
summary() {
  local line
  printf '\n==> Summary after %d s\n' "$SECONDS"
  printf '%s\n' "${steps[@]}"
  for line in ${notices[@]+"${notices[@]}"}; do printf 'NOTICE: %s\n' "$line"; done
  for line in ${failures[@]+"${failures[@]}"}; do printf 'FAILED: %s\n' "$line"; done
}
