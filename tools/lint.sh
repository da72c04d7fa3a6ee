#!/usr/bin/env bash
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All gates, or those named: tools/lint.sh [GATE…], `tools/lint.sh --list` names them. Two run at a time, each in its own
# environment and on its own copy; all of them run even when one fails, so that one run shows all that is wrong.
# Where a share is asked for (SLIPWAY_SHARE, as CI does), SEED draws which of the runs of ansible-test there are.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# Quick ones first; then the long ones, so that the last to end is a short one.
gates=(ruff ruff-format yamllint shellcheck changelog generated sanity-2.19 sanity-2.16 sanity-newest mypy ansible-lint
  galaxy-importer docs units-2.16 units-2.19 units-newest)

# Of ansible-test's runs one of these where a share is asked for: sanity by the newest core always runs, and `make unit` has run
# the units by 2.19.
draws=(sanity-2.19 sanity-2.16 "units-2.16 units-newest")

main() {
  local wanted=("$@") gate
  [ "${1:-}" != --list ] || { printf '%s\n' "${gates[@]}" && exit 0; }
  if [ ${#wanted[@]} -eq 0 ]; then
    wanted=("${gates[@]}")
    if [ "${SLIPWAY_SHARE:-100}" -lt 100 ]; then leave_a_draw; fi
  fi
  for gate in "${wanted[@]}"; do
    [[ " ${gates[*]} " == *" $gate "* ]] || { echo "There is no gate $gate; there are: ${gates[*]}" >&2 && exit 2; }
  done
  tools/bootstrap.sh venv lint requirements/lint.txt || exit 1
  export PATH=$PWD/.venv-lint/bin:$PATH
  export ANSIBLE_COLLECTIONS_PATH=$PWD/.cache/collections MYPYPATH=$PWD/.cache/collections
  exec 8>.cache/lint.lock
  flock -n 8 || { echo "Another lint runs here; waiting for it." && flock 8; }
  logs=$PWD/.cache/lint
  rm -rf "$logs" && mkdir -p "$logs"
  run_all "${wanted[@]}"
}

leave_a_draw() {
  local number=${SEED:-} gate chosen=() left=()
  [[ $number =~ ^[0-9]+$ ]] || number=$(date +%j)
  local drawn="sanity-newest ${draws[$((10#$number % ${#draws[@]}))]}"
  for gate in "${wanted[@]}"; do
    if [[ $gate =~ ^(sanity|units)- ]] && [[ " $drawn " != *" $gate "* ]]; then left+=("$gate"); else chosen+=("$gate"); fi
  done
  wanted=("${chosen[@]}")
  printf 'not drawn this time: %s\n' "${left[*]}"
}

# --- the gates -----------------------------------------------------------------------------------------------------

ruff_gate() { ruff check .; }
ruff-format_gate() { ruff format --check .; }
changelog_gate() { antsibull-changelog lint; }
generated_gate() { python tools/generate_docs.py --check; }
docs_gate() { antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self --skip-rstcheck .; }

# What git knows, and what is new: neither caches nor what a run has left behind.
files() { git ls-files -z --cached --others --exclude-standard --deduplicate -- "$@"; }

yamllint_gate() { files '*.yml' '*.yaml' .yamllint .ansible-lint | xargs -0 yamllint --strict; }

shellcheck_gate() {
  files '*.sh' .ci/run roles/vm_provision/files/slipway-docker-ports ':!tests/lab/recipe' | xargs -0 shellcheck &&
    # The lab feeds these to a shell, with PACKAGES in front of them, to be split into words.
    files 'tests/lab/recipe/*.sh' | xargs -0 shellcheck --shell=sh --exclude=SC2086
}

# The collection by its own name, as its imports say it; then what stands around it.
mypy_gate() {
  local status=0
  mypy -p ansible_collections.slipway.deploy.plugins || status=1
  mypy tools tests/lab tests/shop tests/demo || status=1
  return $status
}

# In a directory that bears the collection's name, where its roles and modules are found.
ansible-lint_gate() {
  local path=$PWD/.cache/ansible-lint
  tools/copy.sh "$path/ansible_collections/slipway/deploy" &&
    cd "$path/ansible_collections/slipway/deploy" &&
    ANSIBLE_COLLECTIONS_PATH=$path ansible-lint --offline --profile production --nocolor
}

# It ends with 0 whatever it finds: its warnings are the verdict.
galaxy-importer_gate() {
  local tarball bin=$PWD/.venv-importer/bin log=$logs/galaxy-importer.said
  tools/bootstrap.sh venv importer requirements/importer.txt || return 1
  tarball=$(tools/build.sh "$bin/ansible-galaxy" dist) || return 1
  # It leaves a file where it runs.
  env -C "$logs" PATH="$bin:$PATH" GALAXY_IMPORTER_CONFIG="$PWD/tools/galaxy-importer.cfg" \
    "$bin/python" -m galaxy_importer.main "$tarball" >"$log" 2>&1 || { cat "$log" && return 1; }
  ! grep -E '^(WARNING|ERROR|CRITICAL)' "$log"
}

sanity-2.16_gate() { ansible_test 216 3.11 sanity; }
sanity-2.19_gate() { ansible_test 219 3.11 sanity; }
sanity-newest_gate() { newest sanity; }
units-2.16_gate() { ansible_test 216 3.11 units; }
units-2.19_gate() { ansible_test 219 3.11 units; }
units-newest_gate() { newest units; }

newest() {
  local version
  for version in 3.13 3.12; do
    if tools/bootstrap.sh python $version >/dev/null; then
      ansible_test 221 $version "$1"
      return
    fi
  done
  echo "NOTE: ansible-core 2.21 needs Python 3.12 or 3.13, which are not here; the newest for 3.11 is 2.19, tried above."
}

# ansible_test CORE PYTHON COMMAND: with that ansible-core, on a copy in a directory that bears the collection's name.
ansible_test() (
  local core=$1 python=$2 command=$3 home=$PWD/.cache/ansible-test/$1 environment=$PWD/.venv-core$1 name
  SLIPWAY_PYTHON=$(tools/bootstrap.sh python "$python") || { echo "Python $python is not here." && return 1; }
  export SLIPWAY_PYTHON
  tools/bootstrap.sh venv "core$core" "requirements/core$core.txt" || return 1
  # A home of its own: its environments go with .cache, and the stand-in for get-pip is for these runs only.
  mkdir -p "$home/.ansible/test/cache"
  for name in .config .pip; do
    [ ! -e "$HOME/$name" ] || ln -sfn "$HOME/$name" "$home/$name"
  done
  for name in 23_1_2 24_0 24_2 25_0 25_2 25_3; do
    cp tools/get_pip_shim.py "$home/.ansible/test/cache/get_pip_$name.py"
  done
  tools/copy.sh "$home/$command/ansible_collections/slipway/deploy" || return 1
  cd "$home/$command/ansible_collections/slipway/deploy" || return 1
  export HOME=$home
  # The lint environment stays behind it on PATH: without a shellcheck, the sanity test of that name only warns.
  export PATH=$environment/bin:$PATH
  if [ "$command" = sanity ]; then # most of what it says is what pip installs
    ansible-test sanity --local --python "$python" --color no 2>&1 | grep -E '^(ERROR|FATAL|WARNING|See |Running)'
    return "${PIPESTATUS[0]}"
  fi
  ansible-test units --local --python "$python" --color no
)

# --- running them --------------------------------------------------------------------------------------------------

run_all() {
  local gate failed=() started=$SECONDS ended status
  declare -A running=() since=()
  for gate in "$@" ''; do
    # The empty name waits for all that still run.
    while [ ${#running[@]} -ge 2 ] || { [ -z "$gate" ] && [ ${#running[@]} -gt 0 ]; }; do
      wait -n -p ended
      status=$?
      [ -n "${ended:-}" ] || continue
      report "${running[$ended]}" $status $((SECONDS - since[$ended])) || failed+=("${running[$ended]}")
      unset "running[$ended]"
    done
    [ -n "$gate" ] || break
    "${gate}_gate" >"$logs/$gate.log" 2>&1 </dev/null &
    running[$!]=$gate
    since[$!]=$SECONDS
  done
  printf '%d gates in %d s, ' $# $((SECONDS - started))
  if [ ${#failed[@]} -gt 0 ]; then
    printf '%d failed: %s\n' ${#failed[@]} "${failed[*]}"
    exit 1
  fi
  printf 'all passed\n'
}

report() {
  local gate=$1 status=$2 seconds=$3
  if [ "$status" = 0 ]; then
    printf '  %-18s ok     %4d s\n' "$gate" "$seconds"
    grep -E '^NOTE: ' "$logs/$gate.log"
    return 0
  fi
  printf '  %-18s FAILED %4d s\n' "$gate" "$seconds"
  sed 's/^/    /' "$logs/$gate.log" | tail -n 300
  return 1
}

main "$@"
