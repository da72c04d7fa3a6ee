# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every prefix of what grant, stages, decision, outcome, repair and compaction write, replayed as a power failure."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.state import journal as journal_engine
from ansible_collections.slipway.deploy.plugins.module_utils.state import session as session_engine
from ansible_collections.slipway.deploy.plugins.module_utils.state.journal import Journal, Reserve
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import (
    ReleaseToken,
    UnreadableError,
    decode_lock,
)
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import CrashSystem, ManualSystem

ANN = {"host": "ctl", "user": "ann", "pid": 7, "pid_start": "1", "boot_id": "c"}
BOB = {**ANN, "pid": 8}
SPEC = {"version": "1.1.0", "identity": "i1", "side": "green"}


def machine_at(system, root):
    return Machine(system, root=root, platform="p", environment="e")


def granting(system, machine):
    machine.grant(ReleaseToken("r1", 1, ANN), 60.0)
    system.acknowledge(("fence", 1))


def renewing(system, machine):
    granting(system, machine)
    system.pass_time(20)
    machine.grant(ReleaseToken("r1", 1, ANN), 60.0)
    system.acknowledge(("lease", 1))


def deciding(system, machine):
    granting(system, machine)
    with machine.stage(ReleaseToken("r1", 1, ANN), "prepare", 60.0) as step:
        step.note("pulled")
    with machine.stage(ReleaseToken("r1", 1, ANN), "decision", 5.0) as step:
        step.decision(SPEC)
        system.acknowledge(("decided", True))


def finishing(system, machine):
    deciding(system, machine)
    with machine.stage(ReleaseToken("r1", 1, ANN), "settle", 5.0) as step:
        step.outcome("succeeded")
        system.acknowledge(("outcome", "succeeded"))
        step.release_lease()
    machine.grant(ReleaseToken("r2", 2, BOB), 60.0)
    system.acknowledge(("fence", 2))
    machine.withdraw(ReleaseToken("r2", 2, BOB))


def taking_over(system, machine):
    granting(system, machine)
    machine.grant(ReleaseToken("r2", 2, BOB), 60.0, takeover=[machine.read().lock.lease._asdict()])
    system.acknowledge(("fence", 2))
    machine.unlock()


def compacting(system, machine):
    for token in range(1, 5):
        release = ReleaseToken(f"r{token}", token, ANN)
        machine.grant(release, 60.0)
        system.acknowledge(("fence", token))
        with machine.stage(release, "settle", 5.0) as step:
            step.outcome("failed")
            step.release_lease()


@pytest.fixture
def small(monkeypatch):
    """A reserve and a journal that are quick to replay some hundred times."""
    monkeypatch.setattr(journal_engine, "RESERVE_BYTES", 64)
    monkeypatch.setattr(session_engine, "COMPACT_ABOVE", 2000)
    monkeypatch.setattr(session_engine, "compacted", lambda records: session_engine_compacted(records, 2))


session_engine_compacted = session_engine.compacted


@pytest.fixture
def acknowledging(monkeypatch):
    """Each record counts as acknowledged when its append has returned."""
    append = Journal.append

    def acknowledged(self, *args, **kwargs):
        record = append(self, *args, **kwargs)
        self._system.acknowledge(("record", record))
        return record

    monkeypatch.setattr(Journal, "append", acknowledged)


SCENARIOS = [granting, renewing, deciding, finishing, taking_over, compacting]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_no_crash_loses_what_was_acknowledged(scenario, tmp_path, small, acknowledging):
    system = CrashSystem(str(tmp_path / "live"))
    scenario(system, machine_at(system, system.root))
    locks = set()
    count = 0
    for crash in system.crashes():
        root = crash.build(str(tmp_path / "replayed"))
        check(crash, root, locks)
        count += 1
    assert count > 20
    assert any(locks)


def check(crash, root, locks):
    after = RebootedSystem()
    machine = machine_at(after, root)
    view = machine.read()
    told = [fact for kind, fact in crash.acknowledged if kind == "record"]
    floor = max((fact for kind, fact in crash.acknowledged if kind == "fence"), default=0)
    assert view.lock.fence >= floor, crash
    check_lock(crash, machine, locks)
    check_release(crash, view)
    check_records(machine, after, told)
    old = ReleaseToken("old", view.lock.fence, ANN)
    after.pass_time(3600)
    assert machine.grant(ReleaseToken("next", view.lock.fence + 1, BOB), 60.0)
    with pytest.raises(Exception, match="lock"), machine.stage(old, "prepare", 1.0):
        pass
    check_records(machine, after, told)


class RebootedSystem(ManualSystem):
    """The machine after the power failure."""

    def __init__(self):
        super().__init__()
        self.reboot()

    def acknowledge(self, fact):
        """Nobody counts any more."""


def check_lock(crash, machine, locks):
    path = os.path.join(machine.directory, "lock.json")
    if os.path.exists(path):
        with open(path, "rb") as stream:
            content = stream.read()
        try:
            locks.add(decode_lock(content)[0])
        except UnreadableError:
            pytest.fail(f"{crash}: lock.json is neither the old one nor the new one")


def check_release(crash, view):
    facts = dict(crash.acknowledged)
    if "decided" in facts:
        assert view.journal.find("r1").decision == SPEC, crash
    if "outcome" in facts:
        assert view.journal.find("r1").outcome == facts["outcome"], crash
    if "lease" in facts:
        assert view.lock.lease.token == facts["lease"]


def check_records(machine, system, told):
    """All acknowledged records are there, but for those that a compaction dropped on purpose."""
    if not told:
        return
    journal = Journal(system, machine.directory, Reserve(system, machine.directory))
    found = {record.seq: record for record in journal.records}
    if journal.records[0].event == "compacted":
        told = [record for record in told if record.seq > journal.records[0].seq]
    for record in told:
        assert found[record.seq] == json_of(record)


def json_of(record):
    return record._replace(data=json.loads(json.dumps(record.data)))


def test_a_decision_in_the_journal_means_that_its_file_is_there(tmp_path, small):
    system = CrashSystem(str(tmp_path / "live"))
    deciding(system, machine_at(system, system.root))
    seen = set()
    for crash in system.crashes():
        machine = machine_at(RebootedSystem(), crash.build(str(tmp_path / "replayed")))
        release = machine.read().journal.find("r1")
        decided = bool(release and release.decision)
        seen.add(decided)
        if decided:
            with open(os.path.join(machine.release_directory("r1"), "spec.json"), encoding="utf-8") as stream:
                assert json.load(stream) == SPEC
    assert seen == {False, True}


def test_a_crash_while_a_torn_tail_is_closed_loses_nothing_either(tmp_path):
    first = CrashSystem(str(tmp_path / "first"))
    for number in range(2):
        first.acknowledge(journal_of(first, first.root).append("note", data={"number": number}))
    for index, crash in enumerate(first.crashes()):
        told = list(crash.acknowledged)
        second = CrashSystem(crash.build(str(tmp_path / f"second-{index}")))
        journal_of(second, second.root).append("note", data={"number": 9})
        for again in second.crashes():
            found = journal_of(ManualSystem(), again.build(str(tmp_path / "third"))).records
            assert found[: len(told)] == told, (crash, again)


def journal_of(system, directory):
    return Journal(system, directory, Reserve(system, directory))


def test_a_repair_can_be_interrupted_anywhere_and_done_again(tmp_path, small):
    live = tmp_path / "live"
    machine = machine_at(ManualSystem(), str(live))
    machine.grant(ReleaseToken("r1", 1, ANN), 60.0)
    with machine.stage(ReleaseToken("r1", 1, ANN), "prepare", 5.0):
        pass
    path = os.path.join(machine.directory, "journal.jsonl")
    with open(path, "rb") as stream:
        lines = stream.readlines()
    damaged = b"".join([lines[0], b"garbage\n", *lines[2:]])
    with open(path, "wb") as stream:
        stream.write(damaged)
    system = CrashSystem(str(live))
    machine_at(system, system.root).repair()
    for crash in system.crashes():
        root = crash.build(str(tmp_path / "replayed"))
        replayed = machine_at(RebootedSystem(), root)
        replayed.repair()
        view = replayed.read()
        assert view.lock.fence == 1
        assert view.journal.open.reached == "prepare", "known by its end, though its beginning is lost"
        aside = [name for name in os.listdir(replayed.directory) if ".damaged-" in name]
        assert len(aside) == 1, crash
        with open(os.path.join(replayed.directory, aside[0]), "rb") as stream:
            assert stream.read() == damaged
