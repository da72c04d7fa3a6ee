# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine for all tests of a process, and a platform of its own for each of them."""

from __future__ import annotations

import itertools
import os
import typing as t

import pytest

from tests.lab import Lab

from .process_site import MANAGERS, Site, make_machine

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def lab() -> t.Iterator[Lab]:
    name = f"proc-{os.environ.get('PYTEST_XDIST_WORKER', 'test')}"
    with Lab(name) as made:
        make_machine(made)
        yield made


@pytest.fixture
def site(lab: Lab) -> Site:
    return Site(lab, next(NUMBERS))


@pytest.fixture(params=MANAGERS)
def managed(lab: Lab, request: pytest.FixtureRequest) -> Site:
    return Site(lab, next(NUMBERS), request.param)
