# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module around the process engine: stages of a release, its journal, its secrets, and what it says in its examples."""

from __future__ import annotations

import base64
import json

import pytest
import yaml
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import (
    MANAGERS,
    SOURCES,
    make_manager,
    make_source,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.stages import probing, process_deploy
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import PROCESS_DEPLOY
from ansible_collections.slipway.deploy.plugins.module_utils.stages.entry import perform_of
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.modules import process_deploy as documented
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import World

TOKEN = ReleaseToken("1.1.0-20261123T121400Z-3fa9", 1, {"host": "controller"})
SPEC = {"version": "1.1.0", "identity": "id", "side": "green", "services": {}}


def parameters(tmp_path, **given):
    params = {name: option.get("default") for name, option in PROCESS_DEPLOY.options.items()}
    names = {"platform": "shop", "environment": "test", "root": f"{tmp_path}/state", "code_root": f"{tmp_path}/code"}
    return {**params, **names, **given}


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Runs the module as a stage of a release that has the lease."""
    world = World(str(tmp_path))
    monkeypatch.setattr(process_deploy, "make_manager", lambda *_: world.manager)
    monkeypatch.setattr(probing, "prober", lambda *_: world.probe)
    machine = Machine(world.system, root=f"{tmp_path}/state", platform="shop", environment="test")
    machine.grant(TOKEN, 60.0)

    def run(state, *, check=False, **release):
        given = {
            "id": TOKEN.id,
            "token": TOKEN.token,
            "holder": TOKEN.holder,
            "deadline": 60.0,
            "stage": None,
            "spec": None,
        }
        about = {**given, "diagnosis": [], "mark_bad": False, "outcome": "reverted", **release}
        params = parameters(
            tmp_path,
            state=state,
            side="green",
            version="1.1.0",
            identity="id",
            services=world.services(1),
            release=about,
        )
        return process_deploy.run(params, dict(world.secrets), world.system, check)

    run.machine, run.world = machine, world
    return run


def test_every_stage_is_in_the_journal_and_the_last_gives_the_lease_back(stage):
    for state in ("prepared", "decided", "settled"):
        assert stage(state, check=True)["changed"]
        assert stage(state, spec=SPEC)["changed"]
    view = stage.machine.read()
    release = view.journal.find(TOKEN.id)
    assert [entry["name"] for entry in release.stages] == ["prepared", "decided", "settled"]
    assert (release.decision, release.outcome, view.lock.lease) == (SPEC, "succeeded", None)
    assert stage.world.current() == TOKEN.id


def test_the_decision_is_in_the_journal_before_anything_is_done(stage):
    with pytest.raises(SlipwayError) as caught:
        stage("decided", spec=SPEC)
    assert caught.value.cause == "not_prepared"
    assert stage.machine.read().journal.find(TOKEN.id).decision == SPEC


def test_who_does_not_hold_the_lease_can_do_nothing(stage):
    with pytest.raises(SlipwayError):
        stage("prepared", token=7)
    assert stage.world.seen() == {}


def test_a_release_id_names_one_directory(tmp_path):
    scope = process_deploy.make_scope(parameters(tmp_path))
    for given in ("../../etc", "..", ".hidden", "a/b"):
        params = parameters(tmp_path, side="blue", release={"id": given})
        name = process_deploy.make_order(params, scope, {}).release
        assert "/" not in name and not name.startswith(".")


def test_a_secret_never_shows_in_what_a_failure_says(tmp_path):
    secret = base64.b64encode(json.dumps({"T": "s3cret-value"}).encode()).decode()
    params = parameters(
        tmp_path, side="blue", secrets=secret, services={"web": {"source": {"kind": "s3cret-value"}, "command": ["x"]}}
    )
    said = process_deploy.perform({**params, "state": "prepared"}, True)
    assert said["failed"] and "s3cret-value" not in json.dumps(said)


def test_observing_never_fails(tmp_path, monkeypatch):
    monkeypatch.setattr("os.path.isdir", lambda _path: False)
    said = perform_of("process_deploy")(parameters(tmp_path, state="observed"), False)
    assert (said["changed"], said["observed"]["manager"]["problem"]["cause"]) == (False, "manager_missing")


def test_the_examples_of_the_documentation_are_taken(tmp_path):
    services = yaml.safe_load(documented.EXAMPLES)[0]["slipway.deploy.process_deploy"]["services"]
    assert len(parse_services(services, "green")) == 2


def test_the_factories_make_what_they_name_and_refuse_what_they_do_not(stage, tmp_path):
    place = Place(stage.world.system, str(tmp_path), {}, 1.0)
    for kind in SOURCES:
        assert make_source({"kind": kind}, "x", place)
    for kind in MANAGERS:
        assert make_manager(kind, stage.world.system, str(tmp_path))
    assert tuple(PROCESS_DEPLOY.options["manager"]["choices"]) == MANAGERS
    for work in (lambda: make_source({"kind": "svn"}, "x", place), lambda: make_manager("x", stage.world.system, "")):
        with pytest.raises(SlipwayError) as caught:
            work()
        assert caught.value.cause == "invalid"
