# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases against a real Docker Engine."""

from __future__ import annotations

import json
import os
import socket
import stat
import time

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container import acts
from ansible_collections.slipway.deploy.plugins.module_utils.container.engine import Engine
from ansible_collections.slipway.deploy.plugins.module_utils.container.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

pytestmark = pytest.mark.sample(24)

STATES = ("prepared", "decided", "settled")


def failure(site, *args, **kwargs) -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        site.run(*args, **kwargs)
    return caught.value


def seen(site):
    return {name: (item.status, item.restart) for name, item in site.containers().items()}


def test_every_state_changes_once_and_the_preview_names_the_same_actions(site):
    services = {"web": site.web(1, replicas=2, secrets=["TOKEN"]), "job": site.worker(1)}
    for state in STATES:
        predicted = site.run(state, "blue", "r1", services, check=True)
        before = seen(site)
        done = site.run(state, "blue", "r1", services)
        again = site.run(state, "blue", "r1", services)
        assert predicted["changed"] and done["changed"] and not again["changed"], (state, again["actions"])
        assert predicted["actions"] == done["actions"]
        assert bool(before) is (state != "prepared")
        assert site.run(state, "blue", "r1", services, check=True)["changed"] is False
    assert seen(site) == {
        "web-r1-1": ("running", "always"),
        "web-r1-2": ("running", "always"),
        "job-r1-1": ("running", "always"),
    }
    assert [site.get("blue", replica=number) for number in (0, 1)] == ["1", "1"]


def test_a_program_of_an_unprivileged_user_reads_its_secret_and_nobody_else_does(site):
    services = {"web": site.web(1, secrets=["TOKEN"], env_secrets=["ENV_TOKEN"], container={"user": "app"})}
    result = site.run("prepared", "blue", "r1", services)
    assert site.get("blue", "/secret") == "s3cret-value-of-token s3cret-value-of-env 1234"
    directory = f"{site.scope.directory}/secrets/blue/web"
    facts = os.stat(f"{directory}/TOKEN")
    assert (stat.S_IMODE(facts.st_mode), facts.st_uid) == (0o400, 1234)
    assert (stat.S_IMODE(os.stat(directory).st_mode), os.stat(directory).st_uid) == (0o700, 1234)
    assert stat.S_IMODE(os.stat(f"{site.scope.directory}/secrets").st_mode) == 0o700
    details = site.client.api.inspect_container(f"slipway-{site.platform}-test-web-r1-1")
    assert "s3cret" not in json.dumps([details["Config"]["Labels"], details["Config"]["Cmd"], details["Args"], result])
    assert not details["Mounts"][0]["RW"]


def test_paused_workers_stay_so_while_a_release_is_put_back_and_work_again_when_they_are_told_to(site):
    services = {"web": site.web(1), "job": site.worker(1)}
    site.release("blue", "r1", services)
    site.run("workers_paused", "green", "m1", services, live_side="blue")
    resting = {"web-r1-1": ("running", "always"), "job-r1-1": ("exited", "no")}
    assert seen(site) == resting and site.get("blue") == "1"
    for state in ("prepared", "decided", "reverted"):
        site.run(state, "green", "r2", {"web": site.web(2), "job": site.worker(2)}, live_side="blue")
    assert {name: now for name, now in seen(site).items() if name in resting} == resting
    found = observe(site.platform, "test", System(), root=site.root)
    assert found["workers_paused"]["seconds"] > 0
    assert site.run("workers_resumed", "green", "m2", services, live_side="blue")["said"].startswith("workers at work")
    assert seen(site)["job-r1-1"] == ("running", "always")


def test_after_settling_only_the_new_side_runs_and_the_old_one_is_kept(site):
    site.release("blue", "r1", {"web": site.web(1), "job": site.worker(1)})
    site.release("green", "r2", {"web": site.web(2), "job": site.worker(2)})
    assert seen(site) == {
        "web-r1-1": ("exited", "no"),
        "job-r1-1": ("exited", "no"),
        "web-r2-1": ("running", "always"),
        "job-r2-1": ("running", "always"),
    }
    assert site.get("green") == "2"
    found = observe(site.platform, "test", System(), root=site.root, images=[site.versions[1], "no-such-image:1"])
    assert found["live_side"] == "green"
    assert found["images"] == {site.versions[1]: True, "no-such-image:1": False}
    assert [(item["release"], item["ready"], item["outcome"]) for item in found["releases"]] == [
        ("r1", True, "settled"),
        ("r2", True, "settled"),
    ]
    assert (found["sides"]["green"]["release"], found["sides"]["green"]["running"]) == ("r2", True)
    assert (found["sides"]["blue"]["release"], found["sides"]["blue"]["running"]) == ("r1", False)


def test_a_rollback_starts_the_kept_containers_with_todays_secrets(site):
    services = {"web": site.web(1, secrets=["TOKEN"])}
    site.release("blue", "r1", services, version="1")
    site.release("green", "r2", {"web": site.web(2, secrets=["TOKEN"])}, version="2")
    site.secrets["TOKEN"] = "s3cret-of-today"
    result = site.run("prepared", "blue", "r3", services, version="1")
    assert any("start" in action and "web-r1-1" in action for action in result["actions"])
    assert site.get("blue", "/secret").startswith("s3cret-of-today")
    for state in ("decided", "settled"):
        site.run(state, "blue", "r3", services, version="1")
    assert set(seen(site)) == {"web-r1-1", "web-r2-1"}
    live = observe(site.platform, "test", System(), root=site.root)["sides"]["blue"]
    assert (live["release"], live["version"]) == ("r3", "1")


def test_a_changed_secret_of_the_environment_makes_the_container_anew(site):
    services = {"web": site.web(1, env_secrets=["ENV_TOKEN"])}
    site.release("blue", "r1", services, version="1")
    site.release("green", "r2", {"web": site.web(2)}, version="2")
    site.secrets["ENV_TOKEN"] = "s3cret-of-today"
    site.run("prepared", "blue", "r3", services, version="1")
    assert "s3cret-of-today" in site.get("blue", "/secret")
    assert "web-r3-1" in seen(site)


def test_a_pruned_side_is_made_again_from_its_kept_image_without_its_name(site):
    site.client.api.tag(site.versions[1], "slipway-ct-test-gone", "1")
    services = {"web": {**site.web(1), "image": "slipway-ct-test-gone:1"}}
    site.release("blue", "r1", services, version="1")
    site.release("green", "r2", {"web": site.web(2)}, version="2")
    for name in ("web-r1-1",):  # what docker system prune does to a stopped container
        site.client.containers.get(f"slipway-{site.platform}-test-{name}").remove()
    site.client.images.remove("slipway-ct-test-gone:1")
    assert observe(site.platform, "test", System(), root=site.root)["releases"][0]["ready"]
    assert failure(site, "prepared", "blue", "r3", services, version="1").cause == "image_missing"
    site.run("prepared", "blue", "r3", services, version="1", kept_release="r1")
    assert site.get("blue") == "1"


@pytest.mark.parametrize(
    ("mode", "cause", "words", "deadline"),
    [("exit", "exited", "version 2", 60), ("deaf", "wrong_port", "", 60), ("sick", "status", "version 2", 8)],
    ids=["the program ends", "the program listens elsewhere", "the program says that it is ill"],
)
def test_what_is_not_healthy_is_refused_with_its_cause_and_log_and_kept(site, mode, cause, words, deadline):
    site.release("blue", "r1", {"web": site.web(1)})
    health = {"path": "/health", "successes": 1, "minimum": 0, "interval": 0.1, "deadline": deadline}
    services = {"web": site.web(2, env={"MODE": mode}, secrets=["TOKEN"], health=health)}
    error = failure(site, "prepared", "green", "r2", services)
    assert error.cause == cause, error.message
    about = next(iter(error.evidence["containers"].values()))
    assert words in "\n".join(about["logs"])
    assert "s3cret" not in json.dumps(error.result())
    assert seen(site) == {"web-r1-1": ("running", "always"), "web-r2-1": ("exited", "no")}


def test_a_container_that_answers_its_health_check_and_fails_its_smoke_test_is_refused(site):
    services = {"web": site.web(1, smoke=[{"path": "/"}, {"path": "/broken", "status": 200}])}
    error = failure(site, "prepared", "blue", "r1", services)
    assert error.cause == "status"
    assert error.evidence["smoke"] and "/broken" in error.evidence["check"]


def test_reverting_stops_the_new_side_and_gives_the_work_back(site):
    site.release("blue", "r1", {"web": site.web(1), "job": site.worker(1)})
    services = {"web": site.web(2, secrets=["TOKEN"]), "job": site.worker(2)}
    for state in ("prepared", "decided"):
        site.run(state, "green", "r2", services)
    assert seen(site)["job-r1-1"] == ("exited", "no")
    result = site.run("reverted", "green", "r2", services)
    assert seen(site) == {
        "web-r1-1": ("running", "always"),
        "job-r1-1": ("running", "always"),
        "web-r2-1": ("exited", "no"),
        "job-r2-1": ("exited", "no"),
    }
    logs = "\n".join(result["containers"][f"slipway-{site.platform}-test-web-r2-1"]["logs"])
    assert "version 2" in logs and "s3cret" not in logs
    assert not site.run("reverted", "green", "r2", services)["changed"]


def test_a_worker_that_ends_at_once_is_refused_although_its_restart_policy_starts_it_again(site, monkeypatch):
    site.release("blue", "r1", {"job": site.worker(1)})
    services = {"job": site.worker(2, env={"MODE": "exit"})}
    site.run("prepared", "green", "r2", services)
    with monkeypatch.context() as patch:
        patch.setattr(acts, "WORKER_MINIMUM", 30.0)  # its Python may take a while to come up on a busy machine
        assert failure(site, "decided", "green", "r2", services).cause == "exited"
    site.run("reverted", "green", "r2", services)
    assert seen(site)["job-r1-1"] == ("running", "always")
    assert seen(site)["job-r2-1"] == ("exited", "no")


def test_the_live_side_is_never_touched(site):
    site.release("blue", "r1", {"web": site.web(1)})
    for more in ({}, {"live_side": "blue"}):
        assert failure(site, "prepared", "blue", "r2", {"web": site.web(2)}, **more).cause == "live_side"
    assert seen(site) == {"web-r1-1": ("running", "always")}


def test_a_new_side_that_died_before_settling_leaves_the_old_one_alone(site):
    site.release("blue", "r1", {"web": site.web(1)})
    services = {"web": site.web(2)}
    for state in ("prepared", "decided"):
        site.run(state, "green", "r2", services)
    site.client.api.stop(f"slipway-{site.platform}-test-web-r2-1", timeout=3)
    assert failure(site, "settled", "green", "r2", services).cause == "exited"
    assert seen(site)["web-r1-1"] == ("running", "always")


def test_the_leftover_of_an_attempt_that_was_killed_gives_its_ports_back(site):
    site.release("blue", "r1", {"web": site.web(1)})
    site.run("prepared", "green", "r2", {"web": site.web(2)})  # and then its controller was killed
    site.run("prepared", "green", "r3", {"web": site.web(3)})
    assert site.get("green") == "3"
    assert seen(site)["web-r2-1"] == ("exited", "no")


def test_a_port_that_something_else_holds_is_named(site):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", site.ports["blue"][0]))
        holder.listen()
        error = failure(site, "prepared", "blue", "r1", {"web": site.web(1)})
    assert error.cause == "port_taken"
    assert str(site.ports["blue"][0]) in error.message


def test_keywords_of_the_sdk_reach_the_container_and_unknown_ones_are_named(site):
    options = {"mem_limit": "64m", "ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 512}], "init": True}
    services = {"web": site.web(1, container={**options, "volumes": {"/proc/version": {"bind": "/v", "mode": "ro"}}})}
    site.run("prepared", "blue", "r1", services)
    config = site.client.api.inspect_container(f"slipway-{site.platform}-test-web-r1-1")["HostConfig"]
    assert (config["Memory"], config["Ulimits"][0]["Soft"], config["Init"]) == (64 << 20, 512, True)
    error = failure(site, "prepared", "blue", "r1", {"web": site.web(1, container={"mem_limits": "64m"})})
    assert "services.web.container.mem_limits" in error.message and "mem_limit?" in error.message


def test_pages_of_both_versions_find_their_assets_on_both_sides(site):
    assets = {"path": "/assets", "keep": 3600}
    site.release("blue", "r1", {"web": site.web(1, assets=assets)})
    services = {"web": site.web(2, assets=assets)}
    site.run("prepared", "green", "r2", services)
    for side in ("blue", "green"):
        assert [site.get(side, f"/assets/app-{number}.js") for number in (1, 2)] == ["asset of 1", "asset of 2"]
    assert (site.get("blue", "/assets/index.html"), site.get("green", "/assets/index.html")) == ("page 1", "page 2")
    for state in ("decided", "settled"):
        site.run(state, "green", "r2", services)
    assert site.get("green", "/assets/app-1.js") == "asset of 1"


def test_assets_older_than_keep_go_and_a_kept_release_has_its_own(site):
    assets = {"path": "/assets", "keep": 0}
    services = {number: {"web": site.web(number, assets=assets)} for number in (1, 2, 3)}
    site.release("blue", "r1", services[1])
    site.release("green", "r2", services[2])
    site.release("blue", "r3", services[3])
    assert site.get("blue", "/assets/app-1.js") == "no"
    site.run("prepared", "green", "r4", services[2])
    assert site.get("green", "/assets/app-2.js") == "asset of 2"


def test_retention_keeps_what_may_be_rolled_back_to_and_removes_the_rest(site):
    for number, side in ((1, "blue"), (2, "green"), (3, "blue"), (4, "green")):
        site.release(side, f"r{number}", {"web": site.web(number)}, keep=2)
    assert set(seen(site)) == {"web-r3-1", "web-r4-1"}
    tags = [tag for image in site.client.images.list() for tag in image.tags if f"/{site.platform}-" in tag]
    assert sorted(tag.rpartition(":")[2] for tag in tags) == ["r3", "r4"]
    assert sorted(os.listdir(f"{site.scope.directory}/releases")) == ["r3", "r4"]
    assert site.versions[1] in [tag for image in site.client.images.list() for tag in image.tags]


def test_a_program_that_ignores_sigterm_is_killed_at_the_end_of_its_grace_and_that_is_said(site):
    site.release("blue", "r1", {"web": site.web(1, env={"MODE": "stubborn"}, stop_grace=1)})
    services = {"web": site.web(2)}
    for state in ("prepared", "decided"):
        site.run(state, "green", "r2", services)
    result = site.run("settled", "green", "r2", services)
    assert any("was killed" in warning for warning in result["warnings"])
    assert result["containers"][f"slipway-{site.platform}-test-web-r1-1"]["exit_code"] == 137


def test_a_missing_image_is_named_with_the_words_of_whoever_lacks_it(site):
    option = {"image": "127.0.0.1:9/slipway-ct-test-none:1", "pull": "missing"}
    error = failure(site, "prepared", "blue", "r1", {"web": {**site.web(1), **option}})
    assert error.cause == "image_missing"
    assert "127.0.0.1:9" in error.message
    assert not seen(site)


def test_no_permission_on_the_socket_is_a_problem_with_a_remedy(site, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    found = observe(site.platform, "test", System(), root=site.root)
    assert found["engine"]["ok"] is False
    assert (found["engine"]["problem"]["cause"], bool(found["engine"]["problem"]["remedy"])) == ("engine_missing", True)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(f"{tmp_path}/none.sock")
    with pytest.raises(SlipwayError) as caught:
        Engine().facts()
    stale.close()
    assert caught.value.cause == "engine_stopped"


def test_the_time_of_each_step_is_in_the_result(site):
    began = time.monotonic()
    result = site.run("prepared", "blue", "r1", {"web": site.web(1)})
    assert set(result["timings"]) == {
        "read",
        "images",
        "clear",
        "assets",
        "create",
        "secrets",
        "start",
        "verify",
        "smoke",
    }
    assert sum(result["timings"].values()) <= (time.monotonic() - began) * 1000 + 1
