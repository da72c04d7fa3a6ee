# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state directory is deleted last of all, under its own lock, and by whoever holds it alone."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages import platform_removal
from ansible_collections.slipway.deploy.plugins.module_utils.stages.platform_removal import Part
from ansible_collections.slipway.deploy.plugins.module_utils.state import removal
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import ManualSystem

ANN = {"host": "ctl", "user": "ann", "pid": 7, "pid_start": "1", "boot_id": "c", "command": "remove", "since": 1.0}
R1, R2 = ReleaseToken("r1", 1, ANN), ReleaseToken("r2", 2, {**ANN, "pid": 8})


@pytest.fixture
def machine(tmp_path):
    found = Machine(ManualSystem(), root=str(tmp_path), platform="shop", environment="production")
    found.grant(R1, 60.0, about={"removing": True})
    os.makedirs(f"{found.directory}/secrets/blue/web")
    return found


def params(machine, state="removed", **changes):
    release = {"id": "r1", "token": 1, "holder": ANN, "stage": "remove", "deadline": 60.0}
    root = os.path.dirname(os.path.dirname(machine.directory))
    return {
        "platform": "shop", "environment": "production", "root": root, "state": state, "release": release, "parts": [],
        **changes,
    }  # fmt: skip


class World:
    """Something that a platform has, and what was done to it."""

    def __init__(self, *names):
        self.there, self.done = list(names), []

    def find(self, _params, _system):
        def remove(name):
            self.done.append(name)
            self.there.remove(name)

        return [Part([name], ["a volume"], lambda name=name: remove(name)) for name in list(self.there)]


def run(machine, world, check=False, **changes):
    return platform_removal.run(params(machine, **changes), machine.system, check, find=world.find)


def test_the_state_goes_last_and_a_second_run_finds_nothing(machine, tmp_path):
    world = World("routes", "containers")
    seen = run(machine, world, check=True, release=None)
    assert seen["removes"] == ["routes", "containers", machine.directory] and seen["stays"] == ["a volume", "a volume"]
    assert world.done == [] and os.path.exists(f"{machine.directory}/secrets/blue/web")
    done = run(machine, world)
    assert (done["removes"], done["changed"], world.done) == (seen["removes"], True, ["routes", "containers"])
    assert os.listdir(tmp_path) == []
    again = run(machine, world, release=None)
    assert (again["changed"], again["removes"]) == (False, [])
    assert os.listdir(tmp_path) == []


def test_while_only_the_routes_go_the_journal_says_that_a_removal_has_begun(machine):
    run(machine, World("routes"), state="unrouted")
    left = machine.read().journal.open
    assert left.reached == "remove" and left.about == {"removing": True}
    run(machine, World(), state="unrouted")  # one that has no routes says so, too
    assert machine.read().journal.open.stages[-1]["ok"]


def test_whoever_was_replaced_removes_nothing(machine):
    machine.unlock()
    machine.grant(R2, 60.0)
    world = World("containers")
    with pytest.raises(SlipwayError) as caught:
        run(machine, world)
    assert caught.value.cause == "lost_lock" and world.done == []
    with pytest.raises(SlipwayError) as caught:
        removal.delete_state(machine, R1)
    assert caught.value.cause == "lost_lock" and machine.read().journal.open is not None


def test_what_comes_back_is_said_and_the_state_stays(machine):
    world = World("containers")
    world.find_again = world.find

    def find(params, system):
        return [part._replace(remove=lambda: None) for part in world.find_again(params, system)]

    world.find = find
    with pytest.raises(SlipwayError) as caught:
        run(machine, world)
    assert caught.value.cause == "not_removed" and "containers" in caught.value.message
    assert machine.read().journal.open.stages[-1]["cause"] == "not_removed"


def test_cut_off_anywhere_the_journal_is_there_until_all_else_is_gone(machine, monkeypatch):
    class CutError(Exception):
        pass

    real, left = machine.system.unlink, []

    def unlink(path):
        if os.path.basename(path) == "journal.jsonl":
            raise CutError
        real(path)

    monkeypatch.setattr(machine.system, "unlink", unlink)
    with pytest.raises(CutError):
        removal.delete_state(machine, R1)
    left = sorted(os.listdir(machine.directory))
    assert left == ["journal.jsonl", "machine.lock"]
    assert machine.read().lock.lease.token == 1  # out of the journal
    monkeypatch.undo()
    removal.delete_state(machine, R1)
    assert not os.path.exists(machine.directory)


def test_another_environment_of_the_platform_stays(machine, tmp_path):
    os.makedirs(tmp_path / "shop" / "staging")
    removal.delete_state(machine, None)
    assert os.listdir(tmp_path / "shop") == ["staging"]


def test_timers_of_backups_go_with_what_they_know_and_every_backup_stays(machine, tmp_path, monkeypatch):
    units, backups, ran = tmp_path / "units", tmp_path / "backups", []
    units.mkdir()
    backups.mkdir()
    monkeypatch.setattr(platform_removal, "UNITS", str(units))
    monkeypatch.setattr(machine.system, "run", lambda argv, **_: ran.append(argv))
    for name in ("backup-shop-production", "drill-shop-production", "backup-shop-staging"):
        for end in ("timer", "service"):
            (units / f"slipway-{name}.{end}").touch()
    for name in ("shop-production.order.json", "shop-production.json", "shop-staging.order.json"):
        (backups / name).touch()
    part = platform_removal.of_timers(params(machine), machine.system)
    assert len(part.removes) == 5 and part.stays == [str(backups / "shop-production.json")]
    part.remove()
    assert {path.name for path in units.iterdir()} == {
        "slipway-backup-shop-staging.timer",
        "slipway-backup-shop-staging.service",
    }
    assert {path.name for path in backups.iterdir()} == {"shop-production.json", "shop-staging.order.json"}
    assert ran[0][:3] == ["systemctl", "disable", "--now"] and len(ran[0]) == 5
    assert platform_removal.of_timers(params(machine), machine.system).removes == []


def test_what_renews_a_certificate_goes_and_the_certificate_stays(machine, tmp_path, monkeypatch):
    names = {name: tmp_path / name / "{name}" for name in ("units", "sbin", "balancers", "live")}
    for path in names.values():
        path.parent.mkdir()
    monkeypatch.setattr(platform_removal, "UNITS", str(names["units"].parent))
    monkeypatch.setattr(platform_removal, "ACME", (str(names["sbin"]), str(names["balancers"])))
    monkeypatch.setattr(platform_removal, "CERTBOT", str(names["live"]))
    monkeypatch.setattr(machine.system, "run", lambda argv, **_: None)
    ours = [tmp_path / "units" / f"slipway-acme-shop-production.{end}" for end in ("timer", "service")]
    ours += [tmp_path / name / "shop-production" for name in ("sbin", "balancers")]
    others = tmp_path / "balancers" / "shop-staging"
    for path in (*ours, others):
        path.touch()
    (tmp_path / "live" / "shop-production").mkdir()
    part = platform_removal.of_timers(params(machine), machine.system)
    assert sorted(part.removes) == sorted(map(str, ours))
    assert part.stays == [str(tmp_path / "live" / "shop-production")]
    part.remove()
    assert not any(path.exists() for path in ours) and others.exists()
