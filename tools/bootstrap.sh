#!/usr/bin/env bash
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes what a make target needs, and only what is missing:
#   tools/bootstrap.sh venv NAME FILE…      .venv-NAME from pinned requirements, and the collection's path
#   tools/bootstrap.sh packages NAME…       distribution packages; none of their services is started
#   tools/bootstrap.sh npm PACKAGE@VERSION… all tools of Node.js, in .cache/tools/node_modules
#   tools/bootstrap.sh npm-files PACKAGE@VERSION…  the files of packages and nothing that these need, in .cache/tools/packages
#   tools/bootstrap.sh go PACKAGE@VERSION   a tool written in Go, in .cache/tools/bin
#   tools/bootstrap.sh go-module DIRECTORY PACKAGE VARIABLE  a tool that DIRECTORY/go.mod pins, with its version in VARIABLE
#   tools/bootstrap.sh maven NAME           the jars that requirements/NAME.txt pins, in .cache/tools/NAME
#   tools/bootstrap.sh python VERSION…      prints the first of these Pythons that is here, or fails
# SLIPWAY_PYTHON names the interpreter for venv; without it the first of 3.11, 3.12, 3.13 that is here.
set -euo pipefail
cd "$(dirname "$0")/.."
# apt and dpkg need sbin, which an ordinary user's PATH often lacks.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '\033[1m[slipway]\033[0m %s\n' "$*" >&2; }

# Says after two seconds, then every five, that a command is still running; its output is shown only when it fails.
quietly() {
  local title=$1 log started=$SECONDS next=2 pid
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ $((SECONDS - started)) -ge $next ]; then
      next=$((next + 5))
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
  local missing policy=/usr/sbin/policy-rc.d made='' status=0
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
  quietly "Refreshing the package lists" apt-get update -q || status=$?
  [ $status -ne 0 ] || quietly "Installing ${missing[*]}" \
    env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" || status=$?
  [ -z "$made" ] || rm -f $policy
  return $status
}

# A version of Python may be on PATH, or only in pyenv's own directory, where its shim does not lead.
find_python() {
  local version candidate
  for version in "$@"; do
    for candidate in "python$version" "${PYENV_ROOT:-${HOME:-/root}/.pyenv}"/versions/"$version".*/bin/"python$version"; do
      if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys' 2>/dev/null; then
        command -v "$candidate"
        return
      fi
    done
  done
  return 1
}

any_python() {
  local python=${SLIPWAY_PYTHON:-}
  if [ -n "$python" ]; then
    command -v "$python" && return
    say "SLIPWAY_PYTHON names $python, which is not here."
    return 1
  fi
  find_python 3.11 3.12 3.13 && return
  say "No Python 3.11, 3.12 or 3.13 was found. Install python3.11, or name one in SLIPWAY_PYTHON."
  return 1
}

make_venv() {
  local name=$1 directory=.venv-$1 python stamp files=() file
  shift
  for file in "$@"; do files+=(-r "$file"); done
  python=$(any_python)
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then # Debian ships it apart, and may renew Python with it
    install_packages "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  fi
  stamp=$(cat "$@" requirements/constraints.txt <("$python" -VV) | sha256sum | cut -c1-16)
  mkdir -p .cache
  exec 9>".cache/venv-$name.lock"
  flock 9
  if [ "$(cat "$directory/.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$directory"
    quietly "Making $directory" "$python" -m venv "$directory"
    quietly "Installing $(basename -a "$@" | paste -sd' ') into $directory" \
      "$directory/bin/pip" install --quiet --disable-pip-version-check "${files[@]}"
    printf '%s' "$stamp" >"$directory/.stamp"
  fi
  exec 9>&-
  mkdir -p .cache/collections/ansible_collections/slipway
  ln -sfn ../../../.. .cache/collections/ansible_collections/slipway/deploy
}

# Both keep a note of what they have installed, and do nothing when it says the same.
have_tool() { [ "$(cat ".cache/tools/$1.stamp" 2>/dev/null)" = "$2" ]; }
note_tool() { printf '%s' "$2" >".cache/tools/$1.stamp"; }

# All in one call: npm takes away what an earlier one has installed.
make_npm() {
  have_tool npm "$*" && return
  install_commands node nodejs npm npm
  mkdir -p .cache/tools
  quietly "Installing $*" npm install --prefix .cache/tools --no-save --no-fund --no-audit "$@"
  note_tool npm "$*"
}

# For packages whose files are wanted, not the program: it would bring hundreds of others.
make_npm_files() {
  local directory=.cache/tools/packages package
  have_tool packages "$*" && return
  install_commands node nodejs npm npm
  rm -rf "$directory"
  for package in "$@"; do
    mkdir -p "$directory/${package%@*}"
    quietly "Fetching the files of $package" npm pack --pack-destination "$directory" "$package"
    tar -xzf "$directory"/*.tgz -C "$directory/${package%@*}" --strip-components=1
    rm "$directory"/*.tgz
  done
  note_tool packages "$*"
}

make_go() {
  local name
  name=$(basename "${1%@*}")
  have_tool "$name" "$1" && return
  mkdir -p .cache/tools/bin
  quietly "Building $1" env CGO_ENABLED=0 GOBIN="$PWD/.cache/tools/bin" go install "$1"
  note_tool "$name" "$1"
}

# For modules that replace others, which the one above refuses. What go.sum does not have fails.
make_go_module() {
  local directory=$1 package=$2 variable=$3 name stamp version
  name=$(basename "$package")
  stamp=$(cat "$directory"/go.{mod,sum} <(printf '%s\n' "$package" "$variable") | sha256sum)
  have_tool "$name" "$stamp" && return
  version=$(sed -n 's/^require [^ ]* v//p' "$directory/go.mod")
  mkdir -p .cache/tools/bin
  quietly "Building $package $version" env CGO_ENABLED=0 go build -C "$directory" -mod=readonly -trimpath \
    -ldflags "-s -w -X $variable=$version" -o "$PWD/.cache/tools/bin/$name" "$package"
  note_tool "$name" "$stamp"
}

# One project of no code, so that all jars come in one run; what they depend on comes only if it is pinned too.
make_maven() {
  local name=$1 list=requirements/$1.txt directory=.cache/tools/$1 stamp project artifact sum group version
  local alone='<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>'
  stamp=$(sha256sum "$list")
  have_tool "$name" "$stamp" && return
  install_commands java default-jre-headless mvn maven
  rm -rf "$directory"
  mkdir -p "$directory"
  project='<project><modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>x</artifactId><version>1</version><dependencies>'
  while read -r artifact sum; do
    IFS=: read -r group artifact version <<<"$artifact"
    project+="<dependency><groupId>$group</groupId><artifactId>$artifact</artifactId><version>$version</version>$alone</dependency>"
    printf '%s  %s\n' "$sum" "$directory/$artifact-$version.jar" >>"$directory/sums"
  done < <(grep -v '^#' "$list")
  printf '%s</dependencies></project>' "$project" >"$directory/pom.xml"
  quietly "Installing $name" mvn -q -B -f "$directory/pom.xml" dependency:copy-dependencies -DexcludeTransitive=true -DoutputDirectory="$PWD/$directory"
  sha256sum --quiet -c "$directory/sums"
  note_tool "$name" "$stamp"
}

# Pairs of a command and the package that has it: a machine may have the command from elsewhere.
install_commands() {
  while [ $# -gt 1 ]; do
    command -v "$1" >/dev/null || install_packages "$2"
    shift 2
  done
}

case ${1:-} in
  npm) shift && make_npm "$@" ;;
  npm-files) shift && make_npm_files "$@" ;;
  go) shift && make_go "$@" ;;
  go-module) shift && make_go_module "$@" ;;
  maven) shift && make_maven "$@" ;;
  venv) shift && make_venv "$@" ;;
  packages) shift && install_packages "$@" ;;
  python) shift && find_python "$@" ;;
  *) sed -n '6,15s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
