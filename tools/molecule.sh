#!/usr/bin/env bash
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All molecule scenarios, or those named: tools/molecule.sh [SCENARIO…]. Each makes its machines in the lab "molecule", which
# is taken down afterwards, so they run one after another; every one runs even when one fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export ANSIBLE_COLLECTIONS_PATH=$PWD/.cache/collections MOLECULE_GLOB='molecule/*/molecule.yml'
bin=$PWD/.venv-test/bin
export PATH=$bin:$PATH
unset SLIPWAY_LAB
scenarios=("$@")
if [ ${#scenarios[@]} -eq 0 ]; then
  for file in molecule/*/molecule.yml; do scenarios+=("$(basename "$(dirname "$file")")"); done
fi
failed=()
for scenario in "${scenarios[@]}"; do
  started=$SECONDS
  if molecule --base-config molecule/config.yml test --no-command-borders --no-shared-state --scenario-name "$scenario"; then
    printf '[slipway] molecule %s: passed in %d s\n' "$scenario" $((SECONDS - started))
  else
    printf '[slipway] molecule %s: FAILED after %d s\n' "$scenario" $((SECONDS - started))
    failed+=("$scenario")
    "$bin/python" -m tests.lab --lab molecule down
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  printf '[slipway] %d of %d scenarios failed: %s\n' ${#failed[@]} ${#scenarios[@]} "${failed[*]}"
  exit 1
fi
