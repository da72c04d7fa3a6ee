# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of its own for each test."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.courses import OLD_LIVE
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.fakes import World


@pytest.fixture
def world(tmp_path):
    return World(str(tmp_path))


@pytest.fixture
def live(world):
    """Release 1 is live on blue."""
    world.release("blue", "r1", world.services(1))
    assert world.seen() == OLD_LIVE
    return world
