# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all these tests, in a name of its own: a developer's lab beside it is left alone."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.lab import Lab, Registry, base_image


@pytest.fixture(scope="session")
def lab() -> t.Iterator[Lab]:
    """Two machines, ready."""
    with Lab("labtest") as lab:
        lab.down()
        lab.create(["one", "two"])
        yield lab


@pytest.fixture(scope="session")
def registry(lab: Lab) -> Registry:
    return Registry(lab).start()


@pytest.fixture(scope="session")
def pushed_base(registry: Registry) -> str:
    """The base image of applications, as the machines name it."""
    return registry.push(base_image())
