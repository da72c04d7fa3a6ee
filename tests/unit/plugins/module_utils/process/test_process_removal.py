# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform is removed from the processes of a machine; what its programs share stays."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.process.removal import belongings, remove
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import World


@pytest.fixture
def world(tmp_path):
    return World(str(tmp_path))


def test_everything_of_it_goes(world):
    world.release("blue", "r1", world.services(1))
    world.release("green", "r2", world.services(2))
    gone = belongings(world.scope, world.manager)
    assert len(gone.programs) == 6 and gone.shared == []
    assert f"{world.scope.base}/releases" in gone.told() and f"{world.scope.base}/secrets" in gone.told()
    remove(gone, world.scope, world.manager)
    assert world.manager.defined == {} and not os.path.exists(os.path.dirname(world.scope.base))
    assert belongings(world.scope, world.manager).told() == []


def test_what_programs_have_stored_stays_and_so_does_another_environment(world):
    world.release("blue", "r1", world.services(1))
    upload = f"{world.scope.base}/shared/web/uploads/cat.png"
    os.makedirs(os.path.dirname(upload))
    with open(upload, "w", encoding="utf-8") as stream:
        stream.write("meow")
    os.makedirs(f"{world.scope.base}/../other/releases")
    gone = belongings(world.scope, world.manager)
    assert gone.shared == [f"{world.scope.base}/shared"]
    remove(gone, world.scope, world.manager)
    assert os.listdir(world.scope.base) == ["shared"] and os.path.exists(upload)
    assert os.path.exists(f"{world.scope.base}/../other/releases")
    again = belongings(world.scope, world.manager)
    assert (again.told(), again.shared) == ([], gone.shared)
