# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release is named instead of a backup: with binary logs that is its dump, and the point that they lead to."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.backup_notes import resolved
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

ID, POINT = "20261124T031500Z-0a1b2c", "slipway_1.4.2-id"


@pytest.fixture
def machine(tmp_path):
    machine = Machine(System(), root=str(tmp_path), platform="shop", environment="test")
    release = ReleaseToken("1.4.2-id", 1, {})
    machine.grant(release, 60.0, about={"version": "1.4.2"})
    with machine.stage(release, "backup", 60.0) as step:
        step.note("backup", id=ID, restore_point={"name": POINT, "lsn": "0-1-7"})
    return machine


def asked(**changes):
    nothing = dict.fromkeys(["into_dir", "target_time", "target_name", "target_lsn"])
    return {"state": "restored", "engine": "mariadb", "id": "1.4.2", **nothing, **changes}


@pytest.mark.parametrize("engine", ["mysql", "mariadb"])
@pytest.mark.parametrize("name", ["1.4.2", "1.4.2-id"])
def test_a_release_of_mysql_is_its_dump_and_its_restore_point(machine, engine, name):
    found = resolved(asked(engine=engine, id=name), machine)
    assert (found["id"], found["target_name"]) == (ID, POINT)


def test_a_moment_that_is_named_goes_before_that_of_the_release(machine):
    found = resolved(asked(target_time="2026-11-24 03:15:00Z"), machine)
    assert (found["id"], found["target_name"]) == (ID, None)


@pytest.mark.parametrize("wanted", [ID, "latest", "1.4.3"])
def test_a_backup_itself_is_not_brought_on(machine, wanted):
    found = resolved(asked(id=wanted), machine)
    assert (found["id"], found["target_name"]) == (wanted, None)
