#!/usr/bin/env bash
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All static gates. Every one runs even when an earlier one fails, so that one run shows all that is wrong.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
tools/bootstrap.sh venv lint requirements/lint.txt || exit 1
bin=$PWD/.venv-lint/bin
export PATH=$bin:$PATH ANSIBLE_COLLECTIONS_PATH=$PWD/.cache/collections MYPYPATH=$PWD/.cache/collections
root=.cache/collections/ansible_collections/slipway/deploy
failed=()

gate() {
  local title=$1 started=$SECONDS
  shift
  if output=$("$@" 2>&1); then
    printf '  %-24s ok    %3d s\n' "$title" $((SECONDS - started))
  else
    printf '  %-24s FAILED\n%s\n' "$title" "$output"
    failed+=("$title")
  fi
}

# galaxy-importer ends with 0 whatever it finds: its warnings are the verdict.
galaxy_importer() {
  local tarball log
  tools/bootstrap.sh venv importer requirements/importer.txt || return 1
  rm -rf dist && ansible-galaxy collection build --force --output-path dist >/dev/null || return 1
  tarball=$(ls dist/*.tar.gz)
  mkdir -p .cache/importer
  log=$(PATH=$PWD/.venv-importer/bin:$PATH GALAXY_IMPORTER_CONFIG=tools/galaxy-importer.cfg \
    .venv-importer/bin/python -m galaxy_importer.main "$tarball" 2>&1) || { printf '%s\n' "$log"; return 1; }
  if printf '%s\n' "$log" | grep -E '^(WARNING|ERROR)'; then return 1; fi
}

mypy_engines() { mypy -p ansible_collections.slipway.deploy.plugins; }
shell_scripts() { git ls-files '*.sh' .ci/run | xargs shellcheck; }

gate 'ruff check' ruff check .
gate 'ruff format' ruff format --check .
gate 'mypy --strict' mypy_engines
gate yamllint yamllint --strict .
gate shellcheck shell_scripts
gate ansible-lint bash -c "cd $root && ansible-lint --offline --profile production"
gate 'antsibull-docs' antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .
gate 'antsibull-changelog' antsibull-changelog lint
gate 'galaxy-importer' galaxy_importer

if [ ${#failed[@]} -gt 0 ]; then
  printf '%d gates failed: %s\n' ${#failed[@]} "${failed[*]}"
  exit 1
fi
