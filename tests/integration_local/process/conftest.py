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

from .process_site import MACHINE, MANAGERS, Site, make_machine

NUMBERS = itertools.count(1)
# What the platforms of tests have on the machine. Left there it would be started with every reboot, and some of it again and again.
CLEAR = """
systemctl stop --no-block 'slipway-*'
systemctl kill --signal=KILL 'slipway-*'
if ls /etc/systemd/system/slipway-*; then
  rm -rf /etc/systemd/system/slipway-* /etc/systemd/system/*.wants/slipway-*
  systemctl daemon-reload
  systemctl reset-failed 'slipway-*'
fi
if ls /etc/supervisor/conf.d/slipway-*; then
  rm -f /etc/supervisor/conf.d/slipway-*
  supervisorctl update
fi
rm -rf /srv/slipway /srv/sources /var/lib/slipway /var/log/slipway
"""


@pytest.fixture(scope="session")
def lab() -> t.Iterator[Lab]:
    name = f"proc-{os.environ.get('PYTEST_XDIST_WORKER', 'test')}"
    with Lab(name) as made:
        make_machine(made)
        yield made


@pytest.fixture(autouse=True)
def cleared(request: pytest.FixtureRequest) -> t.Iterator[None]:
    """Nothing of a test is on the machine when the next one begins."""
    yield
    if "lab" in request.fixturenames:
        request.getfixturevalue("lab").exec(MACHINE, ["sh", "-c", CLEAR], check=False)


@pytest.fixture
def site(lab: Lab) -> Site:
    return Site(lab, next(NUMBERS))


@pytest.fixture(params=MANAGERS)
def managed(lab: Lab, request: pytest.FixtureRequest) -> Site:
    return Site(lab, next(NUMBERS), request.param)
