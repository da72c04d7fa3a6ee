# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider of Traefik against one that is made of a dictionary; `make traefik` runs it against a real one."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import traefik_config
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Route, Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import SwitchError, Watch, switch
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.traefik import Settings, Traefik
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.traefik_fakes import (
    BLUE,
    GREEN,
    NAME,
    FakeTraefik,
    Idle,
    http,
    text,
    traffic,
)


@pytest.fixture
def fake(tmp_path: pathlib.Path) -> FakeTraefik:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "access.log").touch()
    (tmp_path / "slipway.d").mkdir()
    return FakeTraefik(tmp_path / "slipway.d")


def provider(fake: FakeTraefik) -> Traefik:
    place = fake.directory.parent
    settings = Settings(str(fake.directory), log_dir=str(place / "log"), root=str(place / "state"))
    return Traefik(fake, "shop", "production", settings, processes=Idle(), get=fake.get)


def moved(fake: FakeTraefik, wanted: Traffic, watch: Watch | None = None) -> dict[str, t.Any]:
    return switch(provider(fake), fake, wanted, gate=5.0, watch=watch, drain=None, check=False)


def test_it_is_believed_only_when_the_api_names_the_new_text(fake: FakeTraefik) -> None:
    first = moved(fake, traffic(weights=BLUE))
    assert (first["changed"], first["live_side"]) == (True, "blue")
    assert 1900 < first["switched_ms"] < 2100, "soon after the trial; it is told from when Traefik runs it"
    assert provider(fake).observe()["live_side"] == "blue"
    assert not moved(fake, traffic(weights=BLUE))["changed"]
    assert moved(fake, traffic(weights=GREEN))["live_side"] == "green"


def test_only_what_traefik_does_not_run_yet_is_tried(fake: FakeTraefik) -> None:
    file, tried = "shop-production.yml", "shop-production.trial.yml"
    more = (Route("/", "backend", ""), Route("/", "backend", "x.example"))
    for wanted, written in (
        (traffic(weights=BLUE), [tried, file]),
        (traffic(weights=GREEN), [file]),
        (traffic(weights=BLUE)._replace(routes=more), [tried, file]),
        (traffic(weights=BLUE), [file]),
        (traffic({"path": "/other"}, weights=GREEN), [file]),
    ):
        fake.written.clear()
        moved(fake, wanted)
        assert fake.written == written
    fake.runs, fake.written = {}, []
    moved(fake, traffic({"path": "/other"}, weights=GREEN))
    assert fake.written == [tried, file], "what is on disk alone was accepted by nobody"


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"routes": (Route("/", "backend", "bücher.example"),)}, "config_invalid"),
        ({"routes": (Route("/", "backend", ""), Route("/", "backend", "bücher.example"))}, "config_invalid"),
        ({}, "reload_failed"),
    ],
    ids=["the route", "a route more", "a broken file of somebody else's"],
)
def test_what_traefik_does_not_take_costs_no_request(fake: FakeTraefik, fault: dict[str, t.Any], cause: str) -> None:
    moved(fake, traffic(weights=BLUE))
    fake.broken, fake.asked = not fault, True
    before = (fake.directory / "shop-production.yml").read_bytes()
    with pytest.raises(SlipwayError) as caught:
        moved(fake, traffic(weights=GREEN)._replace(**fault))
    assert caught.value.cause == cause
    assert cause == "reload_failed" or "bücher.example" in str(caught.value.obj)
    found = provider(fake).observe()
    assert (found["live_side"], found["problems"]) == ("blue", []), "at once"
    assert [file.name for file in fake.directory.iterdir()] == ["shop-production.yml"]
    assert (fake.directory / "shop-production.yml").read_bytes() == before
    fake.broken = False
    fake.sleep(5.0)
    assert set(fake.answers) == {200} and provider(fake).observe()["live_side"] == "blue"


def test_an_address_that_traefik_refuses_is_tried_too(fake: FakeTraefik) -> None:
    moved(fake, traffic(weights=BLUE))
    fake.asked, wanted = True, traffic(weights=BLUE)
    green = [server._replace(address="fe80::1%lo") for server in wanted.services[0].servers if server.side == "green"]
    with pytest.raises(SlipwayError) as caught:
        moved(fake, wanted._replace(services=(wanted.services[0]._replace(servers=tuple(green)),), weights=GREEN))
    assert caught.value.cause == "config_invalid" and "fe80::1%lo" in caught.value.message
    fake.sleep(5.0)
    assert set(fake.answers) == {200}


def test_what_a_killed_run_has_left_of_a_trial_is_cleared_up(fake: FakeTraefik) -> None:
    moved(fake, traffic(weights=BLUE))
    trial = fake.directory / "shop-production.trial.yml"
    tried = traefik_config.trial_text(text(traffic()._replace(routes=(Route("/", "backend", "x.example"),))), NAME)
    trial.write_text(tried)
    fake.rename(str(trial), str(trial))
    fake.sleep(5.0)
    assert (fake.ask(), fake.ask("x.example")) == (200, 200)
    assert provider(fake).observe()["problems"] == [] and str(trial) in provider(fake).belongings()
    assert not moved(fake, traffic(weights=BLUE))["changed"] and not trial.exists()
    trial.write_text(tried)
    provider(fake).remove()
    assert list(fake.directory.iterdir()) == [] and provider(fake).belongings() == []


def test_a_watch_sees_that_no_server_is_left(fake: FakeTraefik) -> None:
    moved(fake, traffic(weights=BLUE))
    fake.asked, fake.down = True, {"http://[fd00::1]:20011", "http://[fd00::1]:20012"}
    fake.written.clear()
    more = (Route("/", "backend", ""), Route("/", "backend", "x.example"))
    with pytest.raises(SwitchError) as failed:
        moved(fake, traffic(weights=GREEN)._replace(routes=more), Watch(10.0, 0.05, 0.02, 20, True))
    result = failed.value.result()
    assert (result["error"]["cause"], result["reverted"], fake.ask()) == ("watch_errors", True, 200)
    file, tried = "shop-production.yml", "shop-production.trial.yml"
    assert fake.written == [tried, file, file], "what ran before is tried by nobody while requests fail"


def test_what_is_on_disk_and_does_not_run_is_told(fake: FakeTraefik) -> None:
    moved(fake, traffic(weights=BLUE))
    fake.runs = {}
    assert provider(fake).observe()["problems"][0]["cause"] == "not_loaded"
    assert moved(fake, traffic(weights=BLUE))["changed"], "the same text is written once more, so that it is read"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda fake: setattr(fake, "up", False), "proxy_not_running"),
        (lambda fake: fake.entry_points.pop(0), "unprovisioned"),
        (lambda fake: (fake.directory.parent / "log" / "access.log").unlink(), "unprovisioned"),
    ],
    ids=["no API", "no entry point", "no log"],
)
def test_what_its_own_configuration_lacks_is_said_before_anything_is_written(
    fake: FakeTraefik, change: t.Callable[[FakeTraefik], object], cause: str
) -> None:
    change(fake)
    with pytest.raises(SlipwayError) as caught:
        moved(fake, traffic(weights=BLUE))
    assert caught.value.cause == cause
    assert list(fake.directory.iterdir()) == []


def test_an_entry_point_of_one_address_is_found(fake: FakeTraefik) -> None:
    fake.entry_points = [{"name": "inner", "address": "10.0.0.9:80/tcp"}, {"name": "web", "address": "[::]:80"}]
    moved(fake, traffic(weights=BLUE)._replace(bind="10.0.0.9"))
    routers = http((fake.directory / "shop-production.yml").read_text(encoding="utf-8"))["routers"]
    assert [one["entryPoints"] for one in routers.values()] == [["inner"]]
