#!/usr/bin/env bash
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# tools/build.sh ANSIBLE-GALAXY DIRECTORY: the tarball for Galaxy, the only one in DIRECTORY; prints its path.
set -euo pipefail
galaxy=$(command -v "$1")
mkdir -p "$2"
output=$(realpath "$2")
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tools/copy.sh "$scratch/collection"
rm -f "$output"/slipway-deploy-*.tar.gz
"$galaxy" collection build "$scratch/collection" --output-path "$output" >&2
ls "$output"/slipway-deploy-*.tar.gz
