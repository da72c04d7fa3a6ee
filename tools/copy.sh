#!/usr/bin/env bash
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# tools/copy.sh DIRECTORY: the checkout as git sees it (tracked, or new and not ignored), made anew in DIRECTORY, which
# becomes a git repository of its own: without one, ansible-test and the collection's build would take every file they find.
set -euo pipefail
destination=$(realpath -m "${1:?name a directory}")
cd "$(dirname "$0")/.."
rm -rf "$destination"
mkdir -p "$destination"
git ls-files -z --cached --others --exclude-standard --deduplicate |
  while IFS= read -r -d '' path; do
    if [ -e "$path" ]; then printf '%s\0' "$path"; fi # deleted, and not committed yet
  done |
  tar -c --null --files-from=- | tar -x -C "$destination"
git -C "$destination" init --quiet
