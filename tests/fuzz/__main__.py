# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For so many seconds; a failure is told with what draws the same text again."""

from __future__ import annotations

import argparse
import random
import sys

from .loop import Failure, fuzz, one
from .targets import TARGETS


def main() -> int:
    """How many texts each target was given, and how many a second; 1 with the text that one of them failed at."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together (60)")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(1 << 32)), help="random by default")
    parser.add_argument("--case", type=int, help="this text of the seed alone; needs one target")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    names = given.targets or list(TARGETS)
    print(f"seed {given.seed}", flush=True)
    try:
        for name in names:
            if given.case is not None:
                one(name, given.seed, given.case)
                continue
            count, took = fuzz(name, given.seed, given.seconds / len(names))
            print(f"{name}: {count} texts, {count / took:.0f} a second", flush=True)
    except Failure as failure:
        print(failure)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
