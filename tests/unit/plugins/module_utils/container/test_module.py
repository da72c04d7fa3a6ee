# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the engine: stages of a release, its journal, its secrets."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages import container_deploy, one_side
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import CONTAINER_DEPLOY
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.fakes import World

TOKEN = ReleaseToken("1.1.0-20261123T121400Z-3fa9", 1, {"host": "controller"})
SPEC = {"version": "1.1.0", "identity": "id", "side": "green", "services": {}}


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Runs the module as a stage of a release that has the lease."""
    world = World(str(tmp_path))
    monkeypatch.setattr(container_deploy, "Engine", lambda: world.engine)
    machine = Machine(world.system, root=str(tmp_path), platform="shop", environment="test")
    machine.grant(TOKEN, 60.0)

    def run(state, *, check=False, release=None, services=None):
        params = {name: option.get("default") for name, option in CONTAINER_DEPLOY.options.items()}
        given = {
            "id": TOKEN.id,
            "token": TOKEN.token,
            "holder": TOKEN.holder,
            "deadline": 60.0,
            "stage": None,
            "spec": None,
        }
        params.update(platform="shop", environment="test", root=str(tmp_path), state=state, side="green")
        params.update(version="1.1.0", identity="id", services=services or {})
        params["release"] = {**given, "diagnosis": [], "mark_bad": False, "outcome": "reverted", **(release or {})}
        return container_deploy.run(params, dict(world.secrets), world.system, check)

    run.machine, run.world = machine, world
    return run


def test_a_machine_without_services_takes_part_in_every_stage_and_gives_its_lease_back(stage):
    for state in ("prepared", "decided", "settled"):
        assert stage(state, release={"spec": SPEC, "stage": state})["changed"] is False
    view = stage.machine.read()
    release = view.journal.find(TOKEN.id)
    assert [entry["name"] for entry in release.stages] == ["prepared", "decided", "settled"]
    assert (release.decision, release.outcome) == (SPEC, "succeeded")
    assert view.lock.lease is None


def test_the_decision_is_in_the_journal_before_anything_is_done(stage):
    services = stage.world.services(2)
    with pytest.raises(SlipwayError) as caught:
        stage("decided", release={"spec": SPEC}, services=services)
    assert caught.value.cause == "not_prepared"
    assert stage.machine.read().journal.find(TOKEN.id).decision == SPEC


@pytest.mark.parametrize("mark_bad", [True, False])
def test_a_revert_says_why_and_marks_only_what_is_to_blame(stage, mark_bad):
    stage("prepared")
    stage("reverted", release={"diagnosis": [{"machine": "app1", "message": "it says 500"}], "mark_bad": mark_bad})
    view = stage.machine.read()
    assert view.journal.find(TOKEN.id).outcome == "reverted"
    assert view.journal.find(TOKEN.id).diagnosis == {"failures": [{"machine": "app1", "message": "it says 500"}]}
    assert ("id" in view.journal.bad) is mark_bad
    if mark_bad:
        assert view.journal.bad["id"]["why"] == "it says 500"
    assert view.lock.lease is None


def test_who_does_not_hold_the_lease_can_do_nothing(stage):
    with pytest.raises(SlipwayError) as caught:
        stage("prepared", release={"token": 0 + TOKEN.token + 1}, services=stage.world.services(2))
    assert caught.value.cause == "lost_lock"
    assert stage.world.seen() == {}


def test_a_preview_needs_no_lease_and_writes_no_journal(stage):
    before = stage.machine.read()
    assert stage("prepared", check=True, services=stage.world.services(2))["changed"]
    assert stage.machine.read().journal == before.journal
    assert stage.world.seen() == {}


def test_the_journal_tells_of_the_hand_over_of_the_workers(stage):
    services = {"job": stage.world.services(2)["job"]}
    for state in ("prepared", "decided"):
        stage(state, release={"spec": SPEC}, services=services)
    path = f"{stage.machine.directory}/journal.jsonl"
    with open(path, encoding="utf-8") as stream:
        notes = [line["data"]["name"] for line in map(json.loads, stream) if line["event"] == "note"]
    assert notes == ["workers_hand_over", "workers_handed_over"]


@pytest.mark.parametrize(
    "text", ["not base64", base64.b64encode(b"no json").decode(), base64.b64encode(b"[1]").decode()]
)
def test_secrets_that_cannot_be_read_are_refused_without_showing_them(text):
    with pytest.raises(SlipwayError) as caught:
        one_side.read_secrets(text)
    assert text not in caught.value.message


def test_secrets_arrive_as_they_were_sent():
    text = base64.b64encode(json.dumps({"A": "grün", "B": 1}).encode()).decode()
    assert one_side.read_secrets(text) == {"A": "grün", "B": "1"}
    assert one_side.read_secrets("") == {}


def test_an_error_that_nobody_expected_says_no_secret(tmp_path, monkeypatch):
    def broken(*_arguments):
        raise RuntimeError("create(environment={'TOKEN': 'hunter2-hunter2'})")

    monkeypatch.setattr(container_deploy, "run", broken)
    secrets = base64.b64encode(json.dumps({"TOKEN": "hunter2-hunter2"}).encode()).decode()
    found = container_deploy.perform({"secrets": secrets, "state": "prepared"}, False)
    assert found["failed"]
    assert found["msg"].startswith("RuntimeError: create(")
    assert "hunter2" not in json.dumps(found)
