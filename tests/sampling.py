# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long matrices: of each a sample, drawn by a printed seed; whole in a soak."""

from __future__ import annotations

import math
import os
import random
import re
import time
from pathlib import Path

import pytest

SEED = os.environ.get("SEED") or time.strftime("%j")
SOAK = bool(os.environ.get("SLIPWAY_SOAK"))
SHARE = int(os.environ.get("SLIPWAY_SHARE") or 100)  # percent of each sample
FILES = os.environ.get("SLIPWAY_FILES") or "all"  # or some of them; or proofs: some, and the tests of every guarantee
README = Path(__file__).resolve().parents[1] / "README.md"
SIZE = "the matrices whole (soak)" if SOAK else f"a sample of the matrices ({SHARE} %)"
MARK = (
    "sample(count, of='', among=''): of the tests of a file with this mark, or with the same name after it,"
    " or of all files with the same name in among, so many drawn by SEED run"
)


def leave_a_sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave a sample of each matrix; all of it in ``make soak``, and whatever is asked for by its whole name.

    Where a share is asked for, that is what is left of the parameters of every other test, too, and one of them at least.
    """
    if SOAK or any("::" in argument for argument in config.args):
        return
    matrices: dict[str, list[pytest.Item]] = {}
    counts: dict[str, int] = {}
    for item in items:
        mark = item.get_closest_marker("sample")
        if mark is not None:
            name = mark.kwargs.get("among") or f"{item.path.name}{mark.kwargs.get('of', '')}"
            counts[name] = few(mark.args[0])
        else:
            name = item.nodeid.partition("[")[0]
            counts[name] = few(len(matrices.get(name, [])) + 1)
        matrices.setdefault(name, []).append(item)
    left_out: set[pytest.Item] = set()
    for name, tests in matrices.items():
        left_out |= set(tests) - set(random.Random(f"{SEED} {name}").sample(tests, min(counts[name], len(tests))))
    leave_out(config, items, left_out)


def leave_files(config: pytest.Config, items: list[pytest.Item], target: str, percent: int) -> None:
    """Leave a share of the files where some are wanted, whole ones, and the tests of every guarantee where those are.

    :param target: of the Makefile, for which the README says by which words the tests of a guarantee are found.
    :param percent: of the files.
    """
    if SOAK or FILES == "all" or any(".py" in argument for argument in config.args):
        return
    files, words = sorted({item.path.name for item in items}), guaranteed(target) if FILES == "proofs" else ()
    drawn_ones = random.Random(f"{SEED} files").sample(files, math.ceil(len(files) * percent / 100))
    left_out = {item for item in items if item.path.name not in drawn_ones}
    leave_out(config, items, {item for item in left_out if not any(word in item.nodeid for word in words)})


def guaranteed(target: str) -> set[str]:
    """Words in the names of what proves a guarantee."""
    commands = re.findall(rf'`make {target} PYTEST_ADDOPTS="-k ([^"]+)"`', README.read_text(encoding="utf-8"))
    return {word for command in commands for word in command.strip("'").split(" or ")}


def leave_out(config: pytest.Config, items: list[pytest.Item], some: set[pytest.Item]) -> None:
    """Run none of these."""
    config.hook.pytest_deselected(items=[item for item in items if item in some])
    items[:] = [item for item in items if item not in some]


def few(count: int) -> int:
    """How many of so many are drawn, at least one."""
    return max(1, math.ceil(count * SHARE / 100))


def drawn(name: str) -> random.Random:
    """Draws what a sample leaves open; the same for one name and one SEED."""
    return random.Random(f"{SEED} {name}")
