# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A journal is written anew out of what others remember, and tells the same as one that was there all the time."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages import release_state
from ansible_collections.slipway.deploy.plugins.module_utils.stages.release_state import described
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import ManualSystem

ANN = {"host": "ctl", "user": "ann", "pid": 7, "pid_start": "1", "boot_id": "c", "command": "deploy", "since": 1.0}
SPEC = {"version": "1.1.0", "identity": "i1", "side": "green"}


@pytest.fixture
def system():
    return ManualSystem()


def machine_of(system, root):
    return Machine(system, root=str(root), platform="shop", environment="production")


def released(machine, name, token, spec, *, outcome="succeeded"):
    release = ReleaseToken(name, token, ANN)
    machine.grant(release, 60.0, about={**spec, "model": "container"})
    with machine.stage(release, "decision", 10.0) as step:
        step.decision(spec)
    with machine.stage(release, "settle", 10.0) as step:
        step.outcome(outcome, **spec)
        step.release_lease()


@pytest.fixture
def other(system, tmp_path):
    """A machine that remembers: two releases, one that failed, a mark and a freeze."""
    machine = machine_of(system, tmp_path / "other")
    released(machine, "r1", 1, {**SPEC, "version": "1.0.0", "identity": "i0", "side": "blue"})
    released(machine, "r2", 2, SPEC)
    released(machine, "r3", 3, {**SPEC, "identity": "i3", "side": "blue"}, outcome="reverted")
    machine.mark_bad("i3", version="1.2.0", why="it fails", release="r3")
    machine.tell("frozen", {"who": "ann", "why": "sale", "until": 0.0})
    return machine


def memory_of(machine, system):
    journal = described(machine.read(), system)["journal"]
    good = [release for release in journal["releases"] if release["outcome"] == "succeeded"]
    return {"releases": good, "bad": journal["bad"], "frozen": journal["frozen"]}


def rebuild(machine, system, memory, token=4, check=False):
    release = {"id": f"rebuild-{token}", "token": token, "holder": ANN}
    params = {
        "root": str(machine.directory)[: -len("/shop/production")], "platform": "shop", "environment": "production",
        "state": "rebuilt", "release": None if check else release, "memory": memory,
    }  # fmt: skip
    return release_state.run(params, system, check)


def test_it_tells_what_the_others_tell_and_no_token_goes_back(other, system, tmp_path):
    memory = memory_of(other, system)
    system.pass_time(1000)
    machine = machine_of(system, tmp_path / "lost")
    machine.grant(ReleaseToken("rebuild-4", 4, ANN), 60.0)
    os.makedirs(machine.release_directory("r2"))  # kept here, as the model found out
    assert rebuild(machine, system, memory)["changed"]
    with open(os.path.join(machine.release_directory("r2"), "spec.json"), encoding="ascii") as stream:
        assert json.load(stream) == SPEC
    assert os.listdir(os.path.dirname(machine.release_directory("r2"))) == ["r2"]
    view, told = machine.read(), other.read().journal
    assert view.lock.fence == 4 and view.lock.lease.token == 4
    for name in ("r1", "r2"):
        mine, theirs = view.journal.find(name), told.find(name)
        assert (mine.decision, mine.outcome, mine.token) == (theirs.decision, "succeeded", theirs.token)
        assert (mine.about, mine.started) == (theirs.about, theirs.started)
    assert view.journal.last_good.id == "r2" and view.journal.open.id == "rebuild-4"
    assert view.journal.bad["i3"]["why"] == "it fails" and view.journal.bad["i3"]["since"] == told.bad["i3"]["since"]
    assert {key: view.journal.frozen[key] for key in ("who", "why", "since")} == {
        key: told.frozen[key] for key in ("who", "why", "since")
    }
    assert rebuild(machine, system, memory, check=True)["actions"] == ["write the journal anew: r1, r2"]


def test_what_a_try_that_was_cut_off_has_left_is_no_release(other, system, tmp_path):
    machine = machine_of(system, tmp_path / "lost")
    machine.grant(ReleaseToken("rebuild-4", 4, ANN), 60.0)
    with pytest.raises(KeyboardInterrupt), machine.stage(ReleaseToken("rebuild-4", 4, ANN), "rebuild", 10.0):
        raise KeyboardInterrupt
    again = ReleaseToken("rebuild-5", 5, ANN)
    machine.grant(again, 60.0)
    rebuild(machine, system, memory_of(other, system), token=5)
    with machine.stage(again, "record", 10.0) as step:
        step.outcome("rebuilt")
        step.release_lease()
    view = machine.read()
    assert [release.id for release in view.journal.releases] == ["r1", "r2", "rebuild-5"]
    assert (view.journal.open, view.lock.fence, view.lock.lease) == (None, 5, None)


def test_whoever_was_replaced_writes_nothing(other, system, tmp_path):
    machine = machine_of(system, tmp_path / "lost")
    machine.grant(ReleaseToken("rebuild-4", 4, ANN), 60.0)
    machine.unlock()
    machine.grant(ReleaseToken("r9", 9, {**ANN, "pid": 8}), 60.0)
    with pytest.raises(SlipwayError) as caught:
        rebuild(machine, system, memory_of(other, system))
    assert caught.value.cause == "lost_lock" and machine.read().journal.last_good is None


def test_a_crash_while_it_is_written_leaves_the_old_journal_or_the_new_one(other, system, tmp_path, monkeypatch):
    machine = machine_of(system, tmp_path / "lost")
    machine.grant(ReleaseToken("rebuild-4", 4, ANN), 60.0)

    class CutError(BaseException):
        pass

    def rename(_source, target):
        if target.endswith("journal.jsonl"):
            raise CutError

    monkeypatch.setattr(system, "rename", rename)
    with pytest.raises(CutError):
        rebuild(machine, system, memory_of(other, system))
    monkeypatch.undo()
    assert machine.read().journal.last_good is None
    rebuild(machine, system, memory_of(other, system))
    assert machine.read().journal.last_good.id == "r2"
