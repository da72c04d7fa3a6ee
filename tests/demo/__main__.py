# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: on machines of the lab, or, where no Docker Engine can be had or none is wanted, on this machine itself."""

from __future__ import annotations

import os
import sys

from tests.lab import Lab, LabError, ensure_engine

from . import alone, in_lab

WITHOUT = "WITHOUT_DOCKER"


def main() -> int:
    """Show the product; the exit status is 0 when everything went as promised."""
    if os.environ.get(WITHOUT):
        print(f"{WITHOUT} is set: the demo runs on this machine itself.", flush=True)
        return alone.run()
    try:
        ensure_engine()
    except LabError as error:
        print(f"No Docker Engine: {error}\nSo the demo runs on this machine itself.", flush=True)
        return alone.run()
    try:
        return in_lab.run(Lab())
    except LabError as error:
        print(f"\nmake demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
