# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared, decided, settled, reverted: what they do, do again, and do after a kill at any instant."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process import acts
from ansible_collections.slipway.deploy.plugins.module_utils.process.observe import observe
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import (
    STATES,
    Killed,
    World,
)

UP, KEPT = ("running", True), ("stopped", False)
PROCESSES = ("web {} 1", "web {} 2", "job {} 1")


def processes(release, status):
    return {name.format(release): status for name in PROCESSES}


@pytest.fixture
def world(tmp_path):
    return World(str(tmp_path))


@pytest.fixture
def live(world):
    """Release 1 is live on blue."""
    world.release("blue", "r1", world.services(1))
    assert (world.seen(), world.current()) == (processes("r1", UP), "r1")
    return world


def refused(world, *args, **kwargs):
    with pytest.raises(SlipwayError) as caught:
        world.run(*args, **kwargs)
    return caught.value


def test_each_state_does_what_it_says_and_predicts_it_and_does_it_once(live):
    expected = {
        "prepared": ({**processes("r2", ("running", False)), "job r2 1": KEPT, **processes("r1", UP)}, "r1"),
        "decided": ({**processes("r2", UP), **processes("r1", UP), "job r1 1": KEPT}, "r2"),
        "settled": ({**processes("r2", UP), **processes("r1", KEPT)}, "r2"),
    }
    for state in STATES:
        before = live.seen(), live.current(), live.trees()
        foreseen = live.run(state, "green", "r2", live.services(2), check=True)
        assert (live.seen(), live.current(), live.trees()) == before
        done = live.run(state, "green", "r2", live.services(2))
        assert done["actions"] == foreseen["actions"] and done["changed"]
        assert done["diff"]["after"] == foreseen["diff"]["after"]
        assert (live.seen(), live.current()) == expected[state]
        assert not live.run(state, "green", "r2", live.services(2))["changed"]
    assert live.notes == ["workers_hand_over", "workers_handed_over"] * 2


@pytest.mark.parametrize("reached", [1, 2])
def test_reverted_restores_the_old_side_and_keeps_the_new_one(live, reached):
    for state in STATES[:reached]:
        live.run(state, "green", "r2", live.services(2))
    result = live.run("reverted", "green", "r2", live.services(2))
    assert (live.seen(), live.current()) == ({**processes("r1", UP), **processes("r2", KEPT)}, "r1")
    assert result["processes"]["slipway-shop.test.web.green@1"]["logs"] == [
        "log of slipway-shop.test.web.green@1 with ********"
    ]
    assert not live.run("reverted", "green", "r2", live.services(2))["changed"]


def test_paused_stops_the_live_side_and_reverted_starts_it_again(live):
    live.run("paused", "green", "r2", live.services(2))
    assert live.seen() == processes("r1", ("stopped", True))
    live.run("reverted", "green", "r2", live.services(2))
    assert live.seen() == processes("r1", UP)


def test_fetched_brings_the_code_and_leaves_the_rest_for_prepared(live):
    foreseen = live.run("fetched", "green", "r2", live.services(2), check=True)
    assert live.trees() == ["r1"] and len(foreseen["actions"]) == 1
    done = live.run("fetched", "green", "r2", live.services(2))
    assert done["actions"] == foreseen["actions"]
    assert (live.trees(), live.seen(), live.current()) == (["r1", "r2"], processes("r1", UP), "r1")
    with open(f"{live.source(2)}/version", "w", encoding="utf-8") as file:
        file.write("pushed to meanwhile")
    prepared = live.run("prepared", "green", "r2", live.services(2), kept_release="r2")
    assert not [action for action in prepared["actions"] if action.startswith("fetch ")]
    assert live.seen()["web r2 1"] == ("running", False)
    live.run("decided", "green", "r2", live.services(2))
    with open(f"{live.scope.base}/current/web/version", encoding="utf-8") as file:
        assert file.read() == "2", "what was fetched, on every machine"


@pytest.mark.parametrize("alone", [True, False])
def test_two_versions_never_run_at_once_where_they_may_not(live, alone):
    for state in ("paused", "prepared"):
        live.run(state, "green", "r2", live.services(2))
    together = []
    live.manager.watch = lambda: together.append(
        len({name.split()[1] for name, (status, _boot) in live.seen().items() if status == "running"})
    )
    live.run("reverted", "green", "r2", live.services(2), alone=alone)
    assert (max(together) == 1) is alone
    assert {name: value for name, value in live.seen().items() if " r1 " in name} == processes("r1", UP)


def run_all(world, states, **more):
    for state in states:
        world.run(state, "green", "r2", world.services(2), live_side="blue", **more)


def kills(tmp_path, states):
    """A world for each change, killed at it; the last is one that was not."""
    number = 0
    while True:
        number += 1
        world = World(f"{tmp_path}/{number}")
        world.release("blue", "r1", world.services(1))
        world.fuse.arm(number)
        try:
            run_all(world, states)
        except Killed:
            world.fuse.arm(None)
            yield world
        else:
            return


@pytest.mark.parametrize("rebooted", [False, True], ids=["", "and the machine rebooted"])
@pytest.mark.parametrize("back", [False, True], ids=["and gone on with", "and taken back"])
def test_a_release_that_was_killed_at_any_change(tmp_path, monkeypatch, rebooted, back):
    monkeypatch.setattr(acts, "WORKER_MINIMUM", 0.0)
    count = 0
    for world in kills(tmp_path, STATES[: 2 if back else 3]):
        count += 1
        if rebooted:
            world.manager.reboot()
        up = {name for name, (status, _boot) in world.seen().items() if status == "running"}
        assert {"web r1 1", "web r1 2"} <= up or {"web r2 1", "web r2 2"} <= up, f"nobody serves after change {count}"
        assert not {"job r1 1", "job r2 1"} <= up
        assert world.current() in ("r1", "r2") and os.path.isfile(f"{world.scope.base}/current/web/version")
        running = [spec for status, spec in world.manager.state.values() if status == "running"]
        assert set(running) <= {program.labels.spec for program in world.manager.defined.values()}
        if back:
            world.run("reverted", "green", "r2", world.services(2), live_side="blue")
            assert {name: value for name, value in world.seen().items() if " r1 " in name} == processes("r1", UP)
            assert all(value == KEPT for name, value in world.seen().items() if " r2 " in name)
            assert world.current() == "r1"
        else:
            run_all(world, STATES)
            assert (world.seen(), world.current()) == ({**processes("r2", UP), **processes("r1", KEPT)}, "r2")
            run_all(world, STATES)
            assert observe(world.scope, world.system, world.manager)["releases"][-1]["ready"]
    assert count > (8 if back else 15)


def test_two_versions_never_work_at_the_same_time(live):
    def watch():
        up = {name.split()[1] for name, (status, _boot) in live.seen().items() if "job" in name and status == "running"}
        assert len(up) < 2

    live.manager.watch = watch
    live.run("prepared", "green", "r2", live.services(2))
    live.run("decided", "green", "r2", live.services(2))
    live.run("reverted", "green", "r2", live.services(2))
    assert live.seen()["job r1 1"] == UP


def test_a_version_that_crashes_is_refused_and_stays_down(live):
    live.manager.crashing.add("r2")
    error = refused(live, "prepared", "green", "r2", live.services(2))
    assert error.cause == "exited" and set(error.evidence["processes"]) == {
        "slipway-shop.test.web.green@1",
        "slipway-shop.test.web.green@2",
    }
    assert "s3cret" not in str(error.result())
    assert observe(live.scope, live.system, live.manager)["releases"][-1]["outcome"] == "failed"


def test_what_is_ill_is_stopped_and_the_live_side_untouched(live):
    live.ill.add("r2")
    assert refused(live, "prepared", "green", "r2", live.services(2)).cause == "status"
    assert live.seen() == {**processes("r1", UP), **processes("r2", KEPT)}


def test_the_live_side_is_never_touched(live):
    before = live.seen()
    for more in ({}, {"live_side": "blue"}):
        assert refused(live, "prepared", "blue", "r2", live.services(2), **more).cause == "live_side"
    assert refused(live, "reverted", "blue", "r1", live.services(1), live_side="blue").cause == "live_side"
    assert live.seen() == before


def test_a_side_that_died_is_not_settled_on(live):
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    live.manager.state["slipway-shop.test.web.green@2"] = ("failed", "")
    assert refused(live, "settled", "green", "r2", live.services(2)).cause == "exited"
    assert live.seen()["web r1 1"] == UP


def test_nothing_is_decided_on_that_was_not_prepared(live):
    for state in ("decided", "settled"):
        assert refused(live, state, "green", "r2", live.services(2)).cause == "not_prepared"
        assert live.run(state, "green", "r2", live.services(2), check=True)["changed"]


def test_a_rollback_starts_what_is_kept_and_fetches_nothing(live):
    live.release("green", "r2", live.services(2))
    foreign = {
        **live.services(1),
        "web": {**live.services(1)["web"], "source": {"kind": "directory", "path": "/nowhere"}},
    }
    live.release("blue", "r3", foreign, kept_release="r1")
    assert live.current() == "r3"
    assert os.path.realpath(f"{live.scope.base}/current/web") == f"{live.scope.base}/releases/r1/web"
    assert refused(live, "prepared", "green", "r4", live.services(4), kept_release="r9").cause == "not_kept"


def test_a_change_of_configuration_alone_takes_the_same_code(live):
    live.release("green", "r2", live.services(1, env={"LEVEL": "debug"}))
    assert os.readlink(f"{live.scope.base}/releases/r2/web") == "../r1/web"


def test_the_retention_counts_identities_and_never_takes_what_is_linked_to(live):
    for number, side in ((2, "green"), (3, "blue"), (4, "green")):
        live.release(side, f"r{number}", live.services(number), keep=2)
    assert live.trees() == ["r3", "r4"]
    live.release("blue", "r5", live.services(4), keep=1)  # the code of r4
    live.release("green", "r6", live.services(4, replicas=1), keep=1)
    assert (live.trees(), live.current()) == (["r4", "r6"], "r6")
    assert {name.split()[1] for name in live.seen()} == {"r6"}
    assert os.path.isfile(f"{live.scope.base}/current/web/version")


def test_today_s_secret_reaches_what_is_not_live_and_what_is_live_keeps_its_own(live):
    live.run("prepared", "green", "r2", live.services(2))
    live.secrets["TOKEN"] = "another"
    starts = live.manager.starts
    live.run("prepared", "green", "r2", live.services(2))
    assert live.manager.starts == starts + 2
    with open(f"{live.scope.base}/secrets/green/web/TOKEN", encoding="utf-8") as file:
        assert file.read() == "another"
    assert not live.run("prepared", "blue", "r1", live.services(1))["changed"]


def test_code_that_was_changed_by_hand_is_made_anew_and_never_under_what_runs_from_it(live):
    live.run("prepared", "green", "r2", live.services(2))
    tree = f"{live.scope.base}/releases/r2/web"
    for harm in (f"{tree}/more", f"{tree}/version"):
        with open(harm, "a", encoding="utf-8") as file:
            file.write("x")
        assert "fetch" in live.run("prepared", "green", "r2", live.services(2))["actions"][0]
        with open(f"{tree}/version", encoding="utf-8") as file:
            assert (os.listdir(tree), file.read()) == (["version"], "2")
    live.run("decided", "green", "r2", live.services(2))
    os.unlink(f"{tree}.json")
    again = live.run("prepared", "green", "r2", live.services(2), live_side="blue")
    assert (again["changed"], len(again["warnings"])) == (False, 1)
    assert not os.path.exists(f"{tree}.json")


def test_a_first_release_that_is_taken_back_leaves_no_link(world):
    for state in STATES[:2]:
        world.run(state, "blue", "r1", world.services(1), live_side="")
    assert world.current() == "r1"
    foreseen = world.run("reverted", "blue", "r1", world.services(1), live_side="", check=True)["actions"]
    assert world.run("reverted", "blue", "r1", world.services(1), live_side="")["actions"] == foreseen
    assert (world.current(), os.path.lexists(f"{world.scope.base}/current")) == ("", False)
    assert not world.run("reverted", "blue", "r1", world.services(1), live_side="")["changed"]


def test_lost_records_do_not_make_a_revert_forget_what_is_live(live):
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    shutil.rmtree(f"{live.scope.directory}/releases")
    live.run("reverted", "green", "r2", live.services(2), live_side="blue")
    assert ({name: value for name, value in live.seen().items() if " r1 " in name}, live.current()) == (
        {**processes("r1", UP), "job r1 1": KEPT},
        "r1",
    )


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_that_something_else_has_is_refused_before_that_is_taken_for_the_new_version(live, family, address):
    with socket.socket(family) as other:
        other.bind((address, live.ports["green"][1]))
        other.listen()
        error = refused(live, "prepared", "green", "r2", live.services(2))
    assert (error.cause, error.obj) == ("port_taken", "slipway-shop.test.web.green@2")
    live.run("prepared", "green", "r2", live.services(2))


def test_code_that_another_release_has_a_link_to_is_never_written_to(live):
    live.release("green", "r2", live.services(1, env={"LEVEL": "debug"}))  # the same code
    tree = f"{live.scope.base}/releases/r1/web"
    error = refused(live, "prepared", "blue", "r1", live.services(3))  # the same id, other code
    assert (error.cause, error.obj) == ("in_use", tree)
    with open(f"{tree}/more", "w", encoding="utf-8") as file:
        file.write("by hand")
    assert refused(live, "prepared", "blue", "r1", live.services(1)).cause == "in_use"
    assert sorted(os.listdir(tree)) == ["more", "version"]
    live.run("prepared", "blue", "r3", live.services(1))
    assert os.listdir(f"{live.scope.base}/releases/r3/web") == ["version"]


@pytest.mark.parametrize("change", range(1, 9))
def test_who_lost_its_start_after_a_reboot_has_it_again_before_the_old_side_loses_its(live, change):
    for state in STATES[:2]:
        live.run(state, "green", "r2", live.services(2))
    live.manager.boot = {name for name in live.manager.boot if "green" not in name}
    live.fuse.arm(change)
    with contextlib.suppress(Killed):
        live.run("settled", "green", "r2", live.services(2))
    live.fuse.arm(None)
    live.manager.reboot()
    up = {name for name, (status, _boot) in live.seen().items() if status == "running"}
    assert {"web r1 1", "web r1 2"} <= up or {"web r2 1", "web r2 2"} <= up


def test_what_ends_and_is_started_again_is_refused_however_healthy_it_looks(live):
    live.manager.flapping.add("r2")
    assert refused(live, "prepared", "green", "r2", live.services(2)).cause == "exited"
    live.manager.flapping.clear()
    live.run("prepared", "green", "r2", live.services(2))
    live.manager.flapping.add("r2")
    error = refused(live, "decided", "green", "r2", live.services(2))
    assert (error.cause, list(error.evidence["processes"])) == ("exited", ["slipway-shop.test.job.green@1"])


def test_the_newest_that_failed_is_kept_for_inspection(live):
    for number in (2, 3):
        live.ill.add(f"r{number}")
        refused(live, "prepared", "green", f"r{number}", live.services(number))
    live.release("green", "r4", live.services(4), keep=2)
    assert live.trees() == ["r1", "r3", "r4"]
