# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine's state directory: grants, stages, repairs, marks."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.state import machine as engine
from ansible_collections.slipway.deploy.plugins.module_utils.state import session as session_engine
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import ManualSystem

ANN = {"host": "ctl", "user": "ann", "pid": 7, "pid_start": "1", "boot_id": "c", "command": "deploy", "since": 1.0}
BOB = {**ANN, "user": "bob", "pid": 8}
R1 = ReleaseToken("r1", 1, ANN)
R2 = ReleaseToken("r2", 2, BOB)
SPEC = {"version": "1.1.0", "identity": "i1", "side": "green", "hosts": ["a", "b"]}


@pytest.fixture
def system():
    return ManualSystem()


@pytest.fixture
def machine(system, tmp_path):
    return Machine(system, root=str(tmp_path / "slipway"), platform="shop", environment="production")


def events(machine):
    with open(os.path.join(machine.directory, "journal.jsonl"), encoding="ascii") as stream:
        return [json.loads(line)["event"] for line in stream]


def cause(action, *args, **kwargs):
    with pytest.raises(SlipwayError) as caught:
        action(*args, **kwargs)
    return caught.value.cause


def enter(machine, release, stage="prepare", deadline=60.0):
    with machine.stage(release, stage, deadline):
        pass


# A bare machine


def test_looking_at_a_bare_machine_makes_nothing(machine, tmp_path):
    view = machine.read()
    assert (view.lock.fence, view.lock.lease, view.journal.open, view.remaining) == (0, None, None, 0.0)
    assert not machine.withdraw(R1)
    assert not machine.release(R1)
    assert not machine.unlock()
    assert machine.repair() is None
    assert not machine.forgive("i1")
    assert cause(enter, machine, R1) == "lost_lock"
    assert list(tmp_path.iterdir()) == []


def test_a_grant_makes_private_files(machine):
    assert machine.grant(R1, 60.0, about={"version": "1.1.0"})
    assert os.stat(machine.directory).st_mode & 0o777 == 0o700
    for name in ("journal.jsonl", "journal.reserve", "lock.json", "machine.lock"):
        assert os.stat(os.path.join(machine.directory, name)).st_mode & 0o777 == 0o600
    assert os.stat(os.path.join(machine.directory, "journal.reserve")).st_size == 256 * 1024


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b"])
def test_a_name_that_leaves_the_directory_is_refused(system, name):
    assert cause(Machine, system, platform=name, environment="production") == "invalid"
    assert cause(Machine, system, platform="shop", environment=name) == "invalid"


# Grants


def test_the_same_grant_again_is_nothing_new_and_renews(machine, system):
    assert machine.grant(R1, 60.0)
    system.pass_time(50)
    assert not machine.grant(R1, 60.0)
    assert machine.read().remaining == 60.0


def test_a_live_lease_refuses_everybody_else_and_a_lapsed_one_nobody(machine, system):
    machine.grant(R1, 60.0)
    assert cause(machine.grant, R2, 60.0) == "lock_held"
    system.pass_time(61)
    assert machine.grant(R2, 60.0)
    assert cause(machine.grant, R1, 60.0) == "lock_held"


def test_who_has_nothing_to_do_keeps_the_lease_until_the_others_are_done(machine, system):
    """Otherwise a machine without a balancer lapses while the balancers watch, and nobody may settle."""
    machine.grant(R1, 60.0)
    with machine.stage(R1, "shift", 300.0) as step:
        step.wait_for_others()
    system.pass_time(250)
    enter(machine, R1, "settle")
    system.pass_time(31)
    assert machine.grant(R2, 60.0), "between stages it is as short as ever"


def test_no_wall_clock_decides(machine, system):
    machine.grant(R1, 60.0)
    system.time += 86_400
    assert cause(machine.grant, R2, 60.0) == "lock_held"
    system.time -= 2 * 86_400
    enter(machine, R1, "shift")


def test_a_holder_proved_gone_is_replaced_and_can_do_nothing_more(machine):
    machine.grant(R1, 60.0)
    read = machine.read().lock.lease._asdict()
    assert machine.grant(R2, 60.0, takeover=[read])
    assert cause(enter, machine, R1) == "lost_lock"
    assert not machine.release(R1), "an old holder cannot release its successor's lease"
    enter(machine, R2)


def test_breaking_the_glass_takes_any_lease_and_is_recorded(machine):
    machine.grant(R1, 60.0)
    assert machine.grant(R2, 60.0, break_glass=True)
    with open(os.path.join(machine.directory, "journal.jsonl"), encoding="ascii") as stream:
        assert json.loads(stream.readlines()[-1])["data"]["break_glass"]["removed"]["token"] == 1


def test_a_rebooted_machine_protects_its_holder_for_as_long_as_the_lease_was(machine, system):
    machine.grant(R1, 60.0)
    system.reboot()
    assert cause(machine.grant, R2, 60.0) == "lock_held"
    enter(machine, R1, "shift")
    system.reboot()
    system.pass_time(30)
    assert machine.grant(R2, 60.0)


def test_a_grant_given_back_frees_the_lease_but_not_the_token(machine):
    machine.grant(R1, 60.0)
    assert machine.withdraw(R1)
    assert not machine.withdraw(R1)
    assert cause(machine.grant, R1, 60.0) == "fence_conflict"
    assert machine.grant(R2, 60.0)


def test_withdrawing_touches_nobody_elses_grant_with_the_same_token(machine):
    machine.grant(R1, 60.0)
    assert not machine.withdraw(ReleaseToken("r9", 1, BOB))
    assert machine.read().lock.lease.holder == ANN


def test_unlocking_removes_the_lease_and_keeps_the_fence(machine):
    machine.grant(R1, 60.0)
    assert machine.unlock()
    assert not machine.unlock()
    assert (machine.read().lock.fence, machine.read().lock.lease) == (1, None)
    assert cause(enter, machine, R1) == "lost_lock"
    assert cause(machine.grant, R1, 60.0) == "fence_conflict"


@pytest.mark.parametrize("content", [None, b"", b"{", b"garbage"])
def test_an_unreadable_lock_protects_the_holder_and_keeps_the_fence(machine, content):
    machine.grant(R1, 60.0)
    path = os.path.join(machine.directory, "lock.json")
    os.unlink(path)
    if content is not None:
        with open(path, "wb") as stream:
            stream.write(content)
    assert cause(machine.grant, R2, 60.0) == "lock_held"
    enter(machine, R1)
    assert machine.read().lock.source == "file", "the next change of the lock writes it whole"


def test_an_unreadable_lock_blocks_nobody_for_ever(machine, system):
    machine.grant(R1, 60.0)
    with open(os.path.join(machine.directory, "lock.json"), "wb") as stream:
        stream.write(b"\0" * 100)
    system.pass_time(61)
    assert cause(machine.grant, ReleaseToken("r9", 1, BOB), 60.0) == "fence_conflict"
    assert machine.grant(R2, 60.0)


# Stages


def test_a_stage_holds_the_lease_for_its_deadline_and_leaves_thirty_seconds(machine):
    machine.grant(R1, 5.0)
    with machine.stage(R1, "prepare", 60.0, margin=10.0) as step:
        assert machine.read().remaining == 70.0
        step.note("pulled", image="x")
    assert machine.read().remaining == 30.0
    assert events(machine) == ["granted", "begin", "note", "end"]


@pytest.mark.parametrize(
    ("error", "recorded"),
    [
        (SlipwayError("no", cause="refused"), "refused"),
        (OSError("disk"), "OSError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (SystemExit(1), "SystemExit"),
    ],
)
def test_a_stage_that_fails_says_so_and_keeps_the_lease_a_while(machine, error, recorded):
    machine.grant(R1, 60.0)
    with pytest.raises(type(error)), machine.stage(R1, "prepare", 60.0):
        raise error
    stage = machine.read().journal.open.stages[-1]
    assert (stage["name"], stage["ok"], stage["cause"]) == ("prepare", False, recorded)
    assert machine.read().remaining == 30.0


def test_what_a_stage_raises_comes_out_unchanged(machine):
    machine.grant(R1, 60.0)
    with pytest.raises(OSError, match="the disk of somebody else") as caught, machine.stage(R1, "prepare", 60.0):
        raise OSError("the disk of somebody else")
    assert not isinstance(caught.value, SlipwayError)


def test_two_modules_never_act_side_by_side(machine, system, tmp_path):
    machine.grant(R1, 60.0)
    other = Machine(system, root=str(tmp_path / "slipway"), platform="shop", environment="production")
    with machine.stage(R1, "prepare", 60.0):
        before = system.up
        assert cause(enter, other, R1, "prepare", 20.0) == "flock_timeout"
        assert system.up - before == pytest.approx(20.0)
        assert other.read().journal.open.id == "r1", "looking needs no flock"
        with pytest.raises(SlipwayError), other.alone(wait=1.0):
            pass


def test_a_successor_waits_for_the_module_that_runs_on(machine, system, tmp_path):
    machine.grant(R1, 60.0)
    other = Machine(system, root=str(tmp_path / "slipway"), platform="shop", environment="production")
    with machine.stage(R1, "prepare", 60.0):
        lease = other.read().lock.lease._asdict()
        before = system.up
        assert cause(other.grant, R2, 60.0, takeover=[lease]) == "flock_timeout"
        assert system.up - before == pytest.approx(60 + engine.MARGIN + engine.PATIENCE)


def test_a_lapsed_lease_may_prepare_but_never_shift(machine, system):
    machine.grant(R1, 60.0)
    system.pass_time(61)
    assert cause(enter, machine, R1, "shift") == "lease_lapsed"
    enter(machine, R1, "prepare")
    enter(machine, R1, "shift")


def test_the_decision_is_a_file_and_a_record_and_only_once(machine):
    machine.grant(R1, 60.0)
    with machine.stage(R1, "decision", 5.0) as step:
        assert step.decision(SPEC)
    with open(os.path.join(machine.release_directory("r1"), "spec.json"), encoding="utf-8") as stream:
        assert json.load(stream) == SPEC
    assert machine.read().journal.open.decision == SPEC
    with machine.stage(R1, "decision", 5.0) as step:
        assert not step.decision(dict(reversed(SPEC.items())))


def finish(machine, release, outcome="succeeded", identity="i1"):
    with machine.stage(release, "settle", 5.0) as step:
        step.outcome(outcome, version="1.1.0", identity=identity, side="green")
        step.release_lease()


def test_settling_records_the_outcome_and_gives_the_lease_back(machine):
    machine.grant(R1, 60.0)
    finish(machine, R1)
    assert events(machine) == ["granted", "begin", "outcome", "end", "released"]
    view = machine.read()
    assert (view.lock.lease, view.lock.fence, view.journal.open) == (None, 1, None)
    assert view.journal.last_good.id == "r1"


def test_an_outcome_recorded_twice_is_one(machine):
    machine.grant(R1, 60.0)
    enter(machine, R1)
    for _again in range(2):
        with machine.stage(R1, "settle", 5.0) as step:
            step.outcome("succeeded")
    assert events(machine).count("outcome") == 1


def test_a_stage_that_fails_after_its_outcome_still_gives_the_lease_back(machine):
    machine.grant(R1, 60.0)
    with pytest.raises(SlipwayError), machine.stage(R1, "revert", 5.0) as step:
        step.outcome("failed", diagnosis={"cause": "refused"})
        step.release_lease()
        raise SlipwayError("no", cause="refused")
    assert machine.read().lock.lease is None
    assert machine.read().journal.releases[0].diagnosis == {"cause": "refused"}


def test_an_unknown_outcome_is_refused(machine):
    machine.grant(R1, 60.0)
    with machine.stage(R1, "settle", 5.0) as step:
        assert cause(step.outcome, "fine") == "invalid"


def test_a_version_is_marked_forgiven_and_marked_again(machine):
    assert machine.mark_bad("i1", version="1.2.0", why="smoke")
    assert not machine.mark_bad("i1", version="1.2.0", why="smoke")
    assert machine.forgive("i1")
    assert not machine.forgive("i1")
    machine.grant(R1, 60.0)
    with machine.stage(R1, "revert", 5.0) as step:
        assert step.mark_bad("i1", version="1.2.0", why="watch")
    assert machine.read().journal.bad["i1"]["release"] == "r1"


def test_acting_alone_takes_the_flock_and_journals_nothing(machine):
    with machine.alone():
        pass
    assert os.listdir(machine.directory) == ["machine.lock"]


# Damage and growth


def damage(machine):
    path = os.path.join(machine.directory, "journal.jsonl")
    with open(path, "rb") as stream:
        lines = stream.readlines()
    with open(path, "wb") as stream:
        stream.writelines([b"garbage\n", *lines[1:]])


def test_a_damaged_journal_stops_everything_until_it_is_repaired(machine):
    machine.grant(R1, 60.0)
    enter(machine, R1)
    damage(machine)
    for action in (lambda: enter(machine, R1), machine.read, machine.unlock, lambda: machine.grant(R2, 60.0)):
        assert cause(action) == "journal_damaged"
    assert machine.damage()["lines_lost"] == 1
    done = machine.repair()
    assert os.path.exists(done["kept_aside"])
    assert machine.repair() is None
    assert machine.read().lock.fence == 1
    enter(machine, R1)


def test_a_repair_does_not_take_the_fence_back(machine):
    machine.grant(ReleaseToken("r9", 9, ANN), 60.0)
    machine.mark_bad("i1", version="1", why="x")
    damage(machine)
    machine.repair()
    assert machine.read().lock.fence == 9
    assert cause(machine.grant, ReleaseToken("r8", 8, ANN), 60.0) == "fence_conflict"


def test_a_large_journal_is_made_shorter_at_the_end_of_a_release(machine, monkeypatch):
    monkeypatch.setattr(session_engine, "COMPACT_ABOVE", 20_000)
    for token in range(1, 61):
        release = ReleaseToken(f"r{token}", token, ANN)
        machine.grant(release, 60.0)
        finish(machine, release, "failed" if token > 1 else "succeeded")
    view = machine.read()
    assert events(machine)[0] == "compacted"
    assert len(view.journal.releases) == 50
    assert (view.lock.fence, view.journal.last_good.id, view.journal.releases[-1].id) == (60, "r1", "r60")
    assert machine.grant(ReleaseToken("r61", 61, ANN), 60.0)
