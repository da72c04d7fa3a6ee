# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module release_state: options in, result out; its engine has tests of its own."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process import factory
from ansible_collections.slipway.deploy.plugins.module_utils.stages import release_state as module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import RELEASE_STATE
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import World
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import ManualSystem

ANN = {"host": "ctl", "user": "ann", "pid": 7, "pid_start": "1", "boot_id": "c", "command": "deploy", "since": 5.0}
BOB = {**ANN, "user": "bob", "pid": 8}
R1 = {"id": "r1", "token": 1, "holder": ANN}
R2 = {"id": "r2", "token": 2, "holder": BOB}
FREEZE = {"who": "ann on ctl", "why": "Christmas sale", "until": 1_800_000_000.0}
ABOUT = {"version": "1.1.0", "identity": "i1", "side": "green"}


class Bench:
    """One machine, and the module run on it."""

    def __init__(self, root):
        self.system = ManualSystem()
        self.root = str(root / "slipway")
        self.machine = Machine(self.system, root=self.root, platform="shop", environment="production")

    def run(self, state, check=False, **options):
        params = {name: option.get("default") for name, option in RELEASE_STATE.options.items()}
        params.update(platform="shop", environment="production", root=self.root, state=state, **options)
        return module.run(params, self.system, check)

    def files(self):
        found = {}
        for directory, _directories, names in os.walk(self.root):
            for name in names:
                with open(os.path.join(directory, name), "rb") as stream:
                    found[os.path.join(directory, name)] = stream.read()
        return found


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


# Reading


def test_reading_a_bare_machine_gives_everything_empty_and_makes_nothing(bench):
    result = bench.run("read", ports=[], parts=[])
    assert not result["changed"]
    assert result["lease"] == {"fence": 0, "live": False, "source": "none"}
    empty = {"open": "", "last_good": "", "releases": [], "bad": {}, "frozen": None, "drained": {}, "last_seq": 0}
    assert result["journal"] == empty
    assert result["facts"]["time"]["wall"] == bench.system.time
    assert "container" not in result
    assert "traffic" not in result
    assert not os.path.exists(bench.root)


def test_a_live_lease_is_read_with_who_and_until_when(bench):
    bench.run("granted", release=R1, about=ABOUT)
    bench.system.pass_time(20)
    lease = bench.run("read")["lease"]
    assert (lease["fence"], lease["live"], lease["token"], lease["release_id"]) == (1, True, 1, "r1")
    assert lease["holder"] == ANN
    assert (lease["remaining"], lease["until"]) == (40.0, bench.system.time + 40)
    bench.system.pass_time(41)
    lease = bench.run("read")["lease"]
    assert (lease["live"], lease["remaining"], lease["holder"]["user"]) == (False, 0.0, "ann")


def test_a_lease_read_can_be_handed_back_as_proof_that_its_holder_is_gone(bench):
    bench.run("granted", release=R1)
    lease = bench.run("read")["lease"]
    assert bench.run("granted", release=R2, takeover=[lease])["changed"]


def test_a_damaged_journal_fails_the_read_and_says_what_to_do(bench):
    damage(bench)
    with pytest.raises(SlipwayError) as caught:
        bench.run("read")
    assert "state=journal_repaired" in caught.value.message


def test_processes_are_read_as_containers_are_and_their_manager_is_asked(tmp_path, monkeypatch):
    world = World(str(tmp_path))
    monkeypatch.setattr(factory, "make_manager", lambda *_: world.manager)
    world.release("blue", "r1", world.services(1))
    params = {name: option.get("default") for name, option in RELEASE_STATE.options.items()}
    params.update(platform="shop", environment="test", root=f"{tmp_path}/state", code_root=f"{tmp_path}/code", ports=[])
    result = module.run(
        {**params, "parts": ["app"], "model": "process", "users": ["root", "nobody-here"]}, ManualSystem(), False
    )
    assert "container" not in result
    found = result["process"]
    assert (found["manager"]["ok"], found["current"], found["workers_paused"]) == (True, "r1", None)
    assert {name: len(replicas) for name, replicas in found["sides"]["blue"]["services"].items()} == {
        "web": 2,
        "job": 1,
    }
    assert [(one["release"], one["ready"]) for one in found["releases"]] == [("r1", True)]
    assert result["facts"]["users"] == {"root": True, "nobody-here": False}
    assert result["facts"]["disk"]["code"]["free"] > 0 and "docker" not in result["facts"]["disk"]
    assert set(result["facts"]["memory"]["containers"]) == {
        name for name in world.manager.state if "job" in name or "web" in name
    }


# What each state does


def granted(bench):
    bench.run("granted", release=R1, about=ABOUT)


def began(bench):
    granted(bench)
    with bench.machine.stage(ReleaseToken.parse(R1), "prepare", 5.0):
        pass


def marked(bench):
    bench.run("marked_bad", identity="i1", version="1.2.0", why="smoke")


def frozen(bench):
    bench.run("frozen", **FREEZE)


def nothing(bench):
    """A bare machine."""


CASES = [
    pytest.param(nothing, "granted", {"release": R1, "about": ABOUT}, "grant the lease to release r1", id="granted"),
    pytest.param(granted, "withdrawn", {"release": R1}, "take the lease back", id="withdrawn"),
    pytest.param(began, "released", {"release": R1}, "take the lease back", id="released"),
    pytest.param(
        began, "recorded", {"release": R1, "outcome": "reverted"}, "record release r1 as reverted", id="recorded"
    ),
    pytest.param(began, "unlocked", {}, "remove the lease of release r1 in stage prepare, held by ann", id="unlocked"),
    pytest.param(nothing, "marked_bad", {"identity": "i1", "version": "1.2.0"}, "refuse i1", id="marked bad"),
    pytest.param(marked, "forgiven", {"identity": "i1"}, "let i1 out again", id="forgiven"),
    pytest.param(nothing, "frozen", FREEZE, "freeze it, by ann on ctl: Christmas sale (until 2027-", id="frozen"),
    pytest.param(frozen, "frozen", {**FREEZE, "why": "stock-taking"}, "by ann on ctl: stock-taking", id="frozen anew"),
    pytest.param(frozen, "thawed", {"who": "bob"}, "thaw it: it is frozen by ann on ctl: Christmas sale", id="thawed"),
]


@pytest.mark.parametrize(("prepare", "state", "options", "action"), CASES)
def test_a_state_is_predicted_then_reached_then_kept(bench, prepare, state, options, action):
    prepare(bench)
    before = bench.files()
    predicted = bench.run(state, check=True, **options)
    assert bench.files() == before, "check mode must not write"
    done = bench.run(state, **options)
    assert action in done["actions"][0]
    assert predicted["changed"] is done["changed"] is True
    assert (predicted["actions"], predicted["diff"]) == (done["actions"], done["diff"])
    assert done["diff"]["before"] != done["diff"]["after"]
    again = bench.run(state, **options)
    assert not again["changed"]
    assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]


@pytest.mark.parametrize("state", ["granted", "withdrawn", "released", "recorded"])
def test_a_release_is_needed_but_for_a_preview(bench, state):
    with pytest.raises(SlipwayError) as caught:
        bench.run(state)
    assert (caught.value.cause, caught.value.obj) == ("invalid", "release")
    assert not bench.run(state, check=True)["changed"]


def test_a_freeze_wants_a_reason_and_says_which_release_goes_on(bench):
    with pytest.raises(SlipwayError) as caught:
        bench.run("frozen")
    assert (caught.value.cause, caught.value.obj) == ("invalid", "why")
    granted(bench)
    assert "release r1 of ann on ctl" in bench.run("frozen", **FREEZE)["actions"][0]
    assert bench.run("read")["journal"]["frozen"] == {**FREEZE, "since": bench.system.time}
    bench.run("frozen", **{**FREEZE, "until": 0.0})
    assert "(until it is thawed)" in bench.run("thawed", check=True)["actions"][0]


def test_a_lock_that_is_held_is_refused_in_check_mode_too(bench):
    granted(bench)
    for check in (True, False):
        with pytest.raises(SlipwayError) as caught:
            bench.run("granted", check=check, release=R2)
        assert caught.value.cause == "lock_held"


def test_breaking_the_glass_says_whose_lease_goes(bench):
    granted(bench)
    result = bench.run("granted", release=R2, break_glass=True)
    assert "instead of ann on ctl" in result["actions"][0]
    assert result["lease"]["release_id"] == "r2"


def test_giving_back_what_somebody_else_holds_changes_nothing(bench):
    granted(bench)
    for state in ("withdrawn", "released"):
        assert not bench.run(state, release={**R1, "holder": BOB})["changed"]
    assert bench.run("read")["lease"]["live"]


def test_an_outcome_is_recorded_for_an_older_release_under_the_lease_of_a_newer_run(bench):
    began(bench)
    lease = bench.run("read")["lease"]
    repairing = {"id": "r1", "token": 2, "holder": BOB}
    bench.run("granted", release=repairing, takeover=[lease])
    result = bench.run("recorded", release=repairing, outcome="failed", diagnosis={"cause": "x"}, about=ABOUT)
    release = result["journal"]["releases"][0]
    assert (release["id"], release["outcome"], release["diagnosis"]) == ("r1", "failed", {"cause": "x"})
    assert not result["lease"]["live"]


def test_an_outcome_without_the_lease_is_refused(bench):
    began(bench)
    with pytest.raises(SlipwayError) as caught:
        bench.run("recorded", release={**R1, "holder": BOB}, outcome="failed")
    assert caught.value.cause == "lost_lock"


# Repair


def damage(bench):
    began(bench)
    path = os.path.join(bench.machine.directory, "journal.jsonl")
    with open(path, "rb") as stream:
        lines = stream.readlines()
    with open(path, "wb") as stream:
        stream.writelines([lines[0], b"garbage\n", *lines[2:]])


def test_a_repair_is_predicted_then_done_then_not_needed(bench):
    damage(bench)
    before = bench.files()
    predicted = bench.run("journal_repaired", check=True)
    assert bench.files() == before
    done = bench.run("journal_repaired")
    assert predicted["changed"] is done["changed"] is True
    assert (predicted["actions"], predicted["repair"]) == (done["actions"], done["repair"])
    assert done["repair"]["lines_lost"] == 1
    assert os.path.exists(done["repair"]["kept_aside"])
    assert done["journal"]["open"] == "r1"
    again = bench.run("journal_repaired")
    assert (again["changed"], again["repair"]) == (False, None)
