#!/usr/bin/env bash
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All molecule scenarios, or those named: tools/molecule.sh [SCENARIO…]. Two at a time, each on machines of a lab of its own
# (molecule-1 and so on), which is taken down afterwards; every one runs even when one fails.
# Where a share is asked for (SLIPWAY_SHARE, as CI does), vm_provision and half of the others, drawn by SEED: by the other roles go
# all releases of the acceptance tests.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
export ANSIBLE_COLLECTIONS_PATH=$PWD/.cache/collections MOLECULE_GLOB='molecule/*/molecule.yml'
bin=$PWD/.venv-test/bin
export PATH=$bin:$PATH
at_once=2
scenarios=("$@")
if [ ${#scenarios[@]} -eq 0 ]; then
  # Backwards, since vm_provision takes longest and nothing should wait for it alone.
  for file in molecule/*/molecule.yml; do scenarios=("$(basename "$(dirname "$file")")" "${scenarios[@]}"); done
  if [ "${SLIPWAY_SHARE:-100}" -lt 100 ]; then
    mapfile -t scenarios < <("$bin/python" - "${SEED:-0}" "${scenarios[@]}" <<'DRAW'
import random, sys
seed, *names = sys.argv[1:]
others = [name for name in names if name != "vm_provision"]
drawn = {"vm_provision", *random.Random(f"{seed} molecule").sample(others, (len(others) + 1) // 2)}
print("\n".join(name for name in names if name in drawn))
DRAW
    )
    printf '[slipway] molecule: drawn are %s\n' "${scenarios[*]}"
  fi
fi

# one SCENARIO LAB
one() {
  local started=$SECONDS
  export SLIPWAY_LAB=$2
  if molecule --base-config molecule/config.yml test --no-command-borders --no-shared-state --scenario-name "$1"; then
    printf '[slipway] molecule %s: passed in %d s\n' "$1" $((SECONDS - started))
  else
    printf '[slipway] molecule %s: FAILED after %d s\n' "$1" $((SECONDS - started))
    "$bin/python" -m tests.lab down
    return 1
  fi
}

declare -A running=()
failed=()
number=0

# Wait for one of those that run, and remember it if it failed.
reap() {
  local process=
  wait -n -p process || failed+=("${running[$process]}")
  unset "running[$process]"
}

for scenario in "${scenarios[@]}"; do
  if [ ${#running[@]} -ge $at_once ]; then reap; fi
  lab=molecule-$((++number))
  { one "$scenario" "$lab" 2>&1 | sed -u "s/^/$scenario: /"; } &
  running[$!]=$scenario
done
while [ ${#running[@]} -gt 0 ]; do reap; done
if [ ${#failed[@]} -gt 0 ]; then
  printf '[slipway] %d of %d scenarios failed: %s\n' ${#failed[@]} ${#scenarios[@]} "${failed[*]}"
  exit 1
fi
