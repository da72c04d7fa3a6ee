#!/usr/bin/env bash
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes what a make target needs, and only what is missing:
#   tools/bootstrap.sh venv NAME FILE…      .venv-NAME from pinned requirements, and the collection's path
#   tools/bootstrap.sh packages NAME…       distribution packages; none of their services is started
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m[slipway]\033[0m %s\n' "$*"; }

# Prints a line every two seconds while a command runs; its output is shown only when it fails.
quietly() {
  local title=$1 log started pid
  shift
  log=$(mktemp)
  started=$SECONDS
  "$@" >"$log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ $(((SECONDS - started) % 2)) -eq 0 ] && [ "$SECONDS" != "${last:-$started}" ]; then
      last=$SECONDS
      say "$title … $((SECONDS - started)) s"
    fi
  done
  if ! wait "$pid"; then
    say "$title failed:"
    tail -n 40 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  say "$title: done in $((SECONDS - started)) s"
}

missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f '${Status}\n' "$name" 2>/dev/null | grep -q 'ok installed' || printf '%s\n' "$name"
  done
}

install_packages() {
  local missing policy=/usr/sbin/policy-rc.d made=
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "These packages are missing: ${missing[*]}. Install them as root, or run this as root."
    return 1
  fi
  if [ ! -e $policy ]; then # the tools are wanted here, not their services
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    made=1
  fi
  local status=0
  quietly "Refreshing the package lists" apt-get update -q || status=$?
  [ $status -ne 0 ] || quietly "Installing ${missing[*]}" \
    env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" || status=$?
  [ -z "$made" ] || rm -f $policy
  return $status
}

find_python() {
  local name
  for name in ${SLIPWAY_PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  say "No Python 3.11 or newer was found. Install python3.11, or name one in SLIPWAY_PYTHON." >&2
  return 1
}

make_venv() {
  local name=$1 directory=.venv-$1 python stamp files=() file
  shift
  for file in "$@"; do files+=(-r "$file"); done
  python=$(find_python)
  stamp=$(cat "$@" <("$python" -VV) | sha256sum | cut -c1-16)
  if [ "$(cat "$directory/.stamp" 2>/dev/null)" != "$stamp" ]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
      install_packages "$(basename "$(readlink -f "$python")")-venv" || install_packages python3-venv
    fi
    rm -rf "$directory"
    quietly "Making $directory" "$python" -m venv "$directory"
    quietly "Installing $(basename -a "$@" | paste -sd' ') into $directory" \
      "$directory/bin/pip" install --quiet --disable-pip-version-check "${files[@]}"
    printf '%s' "$stamp" >"$directory/.stamp"
  fi
  mkdir -p .cache/collections/ansible_collections/slipway
  ln -sfn ../../../.. .cache/collections/ansible_collections/slipway/deploy
}

case ${1:-} in
  venv) shift && make_venv "$@" ;;
  packages) shift && install_packages "$@" ;;
  *) sed -n '6,8p' "$0" && exit 2 ;;
esac
