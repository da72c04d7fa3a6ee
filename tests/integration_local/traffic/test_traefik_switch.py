# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving traffic with a real Traefik: what it alone does, and what it refuses. Collected by ``make traefik`` only."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import traefik_config
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Route, Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import SwitchError, Watch, switch

from .apps import App, Load, get, until, websocket
from .authority import HOST
from .crashing import Crash, Crashing
from .real_traefik import RealTraefik
from .routing import with_routes
from .test_traffic_maintenance import ask
from .tls_shop import Fresh, Shop, secrets

GREEN = {"blue": 0, "green": 100}
BLUE = {"blue": 100, "green": 0}
NAME = "slipway.shop.production"
TRAEFIK = "ansible_collections.slipway.deploy.plugins.module_utils.traffic.traefik"
BROKEN = "http: {routers: ["


def routed(params: dict[str, t.Any], *hosts: str, **more: t.Any) -> dict[str, t.Any]:
    """The same with a route more for each host."""
    routes = [{"path": "/", "service": "backend", "host": host} for host in hosts]
    return {**params, "routes": [*params["routes"], *routes], **more}


def asked_for(traefik: RealTraefik, traffic: Traffic, system: System | None = None) -> None:
    """What the options of the module would not let through, too; or on a machine that loses its power."""
    system = system or System()
    names = {"platform": traffic.platform, "environment": traffic.environment}
    by = provider(traefik.kind, system, **names, settings=traefik.settings())
    switch(by, system, traffic, gate=5.0, watch=None, drain=None, check=False)


def refused(params: dict[str, t.Any]) -> list[Traffic]:
    """With another side, and a route that Traefik refuses: as the only one, and beside one that it does not."""
    wanted = build_traffic({**params, "weights": GREEN})
    bad = Route("/", "backend", "bücher.example")
    return [wanted._replace(routes=(bad,)), wanted._replace(routes=(*wanted.routes, bad))]


def untouched(load: Load, *sides: str) -> bool:
    """Whether no request failed, no connection was closed, and these sides have answered, the last of them at last."""
    assert (load.failures, load.closed) == ([], 0)
    assert {name for _status, name in load.answers} == set(sides)
    return load.answers[-1] == (200, sides[-1])


def router(traefik: RealTraefik, name: str) -> dict[str, t.Any]:
    """What the API tells of it; of one that does not run nothing but a message."""
    return t.cast("dict[str, t.Any]", json.loads(get(traefik.api_port, f"/api/http/routers/{name}@file")[1]))


def log(traefik: RealTraefik) -> list[dict[str, t.Any]]:
    """The lines about clients."""
    lines = map(json.loads, (traefik.dir / "log" / "access.log").read_text().splitlines())
    return [line for line in lines if line.get("entryPointName") == "web"]


# --- requests


def test_traffic_moves_again_and_again_without_a_connection_closed(
    traefik: RealTraefik, blue: App, green: App, port: int
) -> None:
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    stream = websocket(port)
    with Load(port) as load:
        for weights in (GREEN, BLUE) * 5:
            load.seen(50)
            result = traefik.switch({**params, "weights": weights})
            assert result["live_side"] == ("green" if weights["green"] else "blue")
        load.seen(50)
        result = traefik.switch({**params, "weights": GREEN}, drain=0.3)
        assert result["drain"]["remaining"]["backend/blue_app1_1"] >= 1, "the WebSocket"
        load.seen(50)
    assert untouched(load, "blue", "green")
    stream.close()


def test_a_share_is_what_was_asked_for(traefik: RealTraefik, blue: App, green: App, port: int) -> None:
    second = App("green")
    traefik.switch({**traefik.params(port, [blue], [green, second]), "weights": {"blue": 90, "green": 10}})
    for _each in range(200):
        get(port)
    second.stop()
    assert abs(green.served + second.served - 20) <= 2 and abs(green.served - second.served) <= 2


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_the_weights_outlive_it(traefik: RealTraefik, blue: App, green: App, port: int, how: str) -> None:
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    for weights in (GREEN, {"blue": 50, "green": 50}):
        traefik.switch({**params, "weights": weights})
        getattr(traefik, how)()
        if how == "kill":
            traefik.start()
        seen = traefik.provider().observe()
        assert (seen["weights"], seen["problems"]) == ({"backend": weights}, [])
        assert {get(port)[1] for _each in range(50)} == {side for side, weight in weights.items() if weight}
        assert not traefik.switch({**params, "weights": weights})["changed"]


def test_routes_by_host_and_path(traefik: RealTraefik, blue: App, green: App, port: int) -> None:
    with with_routes(traefik, blue, green, port, [("/{{a`b", "odd", None)]):
        assert get(port, "/%7B%7Ba%60b/c") == (200, "odd")


def test_a_server_that_left_is_drained(traefik: RealTraefik, blue: App, green: App, port: int) -> None:
    traefik.switch(traefik.params(port, [blue], [green]))
    slow = multiprocessing.get_context("fork").Process(target=get, args=(port, "/slow"))
    slow.start()
    until(lambda: blue.waiting == 1, "the slow request to arrive")
    another = {**traefik.params(port, [], [green]), "weights": GREEN}
    result = traefik.switch(another, drain=0.3)
    assert set(result["drain"]["remaining"]) == {"backend/blue_app1_1"}
    blue.release.set()
    slow.join(10)
    assert slow.exitcode == 0


def test_closed_it_answers_503_without_a_page_and_checks_reach_the_program(
    traefik: RealTraefik, blue: App, green: App, port: int
) -> None:
    traefik.switch(traefik.params(port, [blue], [green]))
    with Load(port) as load:
        load.seen(50)
        result = traefik.close(retry_after=30, page="never seen")
        assert result["changed"] and result["drain"]["empty"]
        served = blue.served
        load.seen(50)
    assert blue.served == served
    answer = ask(port, "/anything?x=1")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30") and "never seen" not in answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert ask(port, "/health")[::2] == (200, "blue") and ask(port, "/health/deeper").status == 503
    traefik.reopen()
    assert get(port) == (200, "blue")


def test_a_change_soon_after_another_one_waits_as_long_as_traefik_does_by_default(
    traefik: RealTraefik, blue: App, green: App, port: int
) -> None:
    traefik.by_throttle("")
    traefik.restart()
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    with Load(port) as load:
        load.seen(50)
        result = traefik.switch(routed(params, "x.example", weights=GREEN))
        load.seen(50)
    assert 1000 < result["switched_ms"] < 4000, "its trial was a change just before"
    assert untouched(load, "blue", "green")


# --- what it refuses


def test_a_route_that_traefik_refuses_costs_no_request(traefik: RealTraefik, blue: App, green: App, port: int) -> None:
    """Its own way is to take the file and to answer 404 in the place of the route, until another file comes."""
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    text = traefik.file().read_bytes()
    with Load(port) as load, Load(port, path="/other/path") as other:
        for wanted in refused(params) * 3:
            load.seen(50)
            with pytest.raises(SlipwayError) as caught:
                asked_for(traefik, wanted)
            assert caught.value.cause == "config_invalid" and "Host(`bücher.example`)" in str(caught.value.obj)
            seen = traefik.provider().observe()
            assert (seen["live_side"], seen["problems"]) == ("blue", [])
            assert traefik.file().read_bytes() == text and not traefik.trial().exists()
        load.seen(50)
        traefik.switch({**params, "weights": GREEN})
        load.seen(50)
        other.seen(50)
    assert untouched(load, "blue", "green") and untouched(other, "blue", "green")


def test_an_address_that_traefik_refuses_costs_no_request(
    traefik: RealTraefik, blue: App, green: App, port: int
) -> None:
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    wanted = traefik.params(port, [blue], [green])
    wanted["services"]["backend"]["sides"]["green"][0]["address"] = "fe80::1%lo"
    with Load(port) as load:
        load.seen(50)
        with pytest.raises(SlipwayError) as caught:
            traefik.switch(wanted)
        load.seen(50)
    assert caught.value.cause == "config_invalid" and "fe80::1%lo" in caught.value.message
    assert untouched(load, "blue")


@pytest.mark.parametrize("changed", ["weights", "routes"])
def test_a_broken_file_of_somebody_elses_keeps_ours_out_and_costs_no_request(
    traefik: RealTraefik, blue: App, green: App, port: int, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    text, theirs = traefik.file().read_bytes(), traefik.file().with_name("theirs.yml")
    wanted = {**(params if changed == "weights" else routed(params, "x.example")), "weights": GREEN}
    with Load(port) as load:
        load.seen(50)
        theirs.write_text(BROKEN)
        with monkeypatch.context() as patched, pytest.raises(SlipwayError) as caught:
            patched.setattr(f"{TRAEFIK}.RELOAD_SECONDS", 1.0)
            traefik.switch(wanted)
        assert caught.value.cause == "reload_failed" and traefik.file().read_bytes() == text
        seen = traefik.provider().observe()
        assert (seen["live_side"], seen["problems"]) == ("blue", [])
        load.seen(50)
        theirs.unlink()
        traefik.switch(wanted)
        load.seen(50)
    assert untouched(load, "blue", "green")


def test_no_request_meets_a_trial(traefik: RealTraefik, blue: App, green: App, port: int) -> None:
    """Whatever it asks for; what stands there would answer by another program."""
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    traffic = build_traffic(routed(traefik.params(port, [], [green]), "x.example", weights=GREEN))
    text = traefik_config.platform_text(traffic, {("backend", "green_app1_1"): 100}, "web")
    tried = traefik_config.trial_text(text, NAME)
    traefik.trial().write_text(tried.replace('"priority": 1', '"priority": 9'))  # asked before all that runs
    until(lambda: router(traefik, f"{NAME}..trial.1").get("status") == "enabled", "the trial to run")
    for method in ("GET", "POST", "HEAD", "OPTIONS", "DELETE", "BREW"):
        for path, host in (("/", "x.example"), ("/health", "x.example"), ("/", "127.0.0.1")):
            answer = ask(port, path, method, Host=host)
            # Python's server answers so to all that it does not know.
            assert answer.status == (200 if method == "GET" else 501), (method, path, host)
    assert green.served == 0
    assert {line.get("ServiceName") for line in log(traefik)} == {f"{NAME}.backend.blue_app1_1@file"}


# --- a run that is killed


def files(traefik: RealTraefik) -> list[str]:
    """All that Traefik reads."""
    return sorted(path.name for path in traefik.file().parent.glob("*.yml"))


def test_killed_at_any_write_no_request_is_lost_and_nothing_stays(
    traefik: RealTraefik, blue: App, green: App, port: int
) -> None:
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    wanted = build_traffic(routed(params, "x.example", weights=GREEN))
    killed, left, done = 0, 0, False
    with Load(port) as load:
        while not done:
            try:
                asked_for(traefik, wanted, Crashing(killed))
                done = True
            except Crash:
                killed += 1
                left += traefik.trial().exists()
            load.seen(10)
            traefik.switch(params)
            assert files(traefik) == ["api.yml", "shop-production.yml"] and get(port) == (200, "blue")
        load.seen(10)
    assert killed >= 8 and left >= 1, "in the trial and in the file"
    assert untouched(load, "green", "blue")


def kill_in_trial(traefik: RealTraefik, traffic: Traffic) -> None:
    """Ask for it from a process of its own, and end that by SIGKILL while Traefik waits before it takes the trial."""
    switching = multiprocessing.get_context("fork").Process(target=asked_for, args=(traefik, traffic))
    switching.start()
    until(traefik.trial().exists, "the trial")
    os.kill(t.cast(int, switching.pid), signal.SIGKILL)
    switching.join(10)
    assert switching.exitcode == -signal.SIGKILL and traefik.trial().exists()


@pytest.mark.parametrize(("bad", "status"), [(False, "enabled"), (True, "disabled")], ids=["accepted", "refused"])
def test_a_trial_that_a_killed_run_has_left_is_met_by_nobody_and_cleared_up(
    traefik: RealTraefik, blue: App, green: App, port: int, bad: bool, status: str
) -> None:
    traefik.by_throttle("")
    traefik.restart()
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    good = routed(params, "y.example", weights=GREEN)
    with Load(port) as load:
        kill_in_trial(traefik, refused(params)[0] if bad else build_traffic(routed(params, "x.example")))
        until(lambda: router(traefik, f"{NAME}..trial.0").get("status") == status, "the trial to run")
        load.seen(50)
        seen = traefik.provider().observe()
        assert (seen["live_side"], seen["problems"]) == ("blue", [])
        assert str(traefik.trial()) in traefik.provider().belongings()
        assert not traefik.switch(params)["changed"] and not traefik.trial().exists()
        kill_in_trial(traefik, build_traffic(good))
        load.seen(50)
        traefik.switch(good)
        load.seen(50)
    assert untouched(load, "blue", "green")
    kill_in_trial(traefik, build_traffic(routed(params, "z.example")))
    traefik.provider().remove()
    assert traefik.provider().belongings() == [] and files(traefik) == ["api.yml"]


# --- what a watch sees


def test_a_watch_sees_what_traefik_answers_because_no_server_is_left(
    traefik: RealTraefik, blue: App, green: App, port: int
) -> None:
    """The new side is healthy until the first request, and never answers with an error itself."""
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    green.on_request = lambda: setattr(green, "health", 503)
    with Load(port) as load:
        load.seen(50)
        with pytest.raises(SwitchError) as failed:
            traefik.switch({**params, "weights": GREEN}, watch=Watch(10.0, 0.05, 0.02, 20, True))
        load.seen(50)
    result = failed.value.result()
    assert result["error"]["cause"] == "watch_errors" and result["reverted"] and get(port) == (200, "blue")
    nobody = [line for line in log(traefik) if line["DownstreamStatus"] == 503]
    assert nobody and not any("ServiceName" in line for line in nobody)
    assert {line["RouterName"] for line in nobody} == {f"{NAME}.0.backend.green@file"}
    assert set(load.failures) == {"status 503"} and load.answers[-1] == (200, "blue")


def test_errors_of_the_side_before_do_not_count_against_the_new_one(
    traefik: RealTraefik, blue: App, green: App, port: int
) -> None:
    """Of two that have died one is replaced: what was refused before the traffic moved is the old side's."""
    params = traefik.params(port, [blue], [green])
    traefik.switch(params)
    blue.health = 503
    until(lambda: get(port)[0] == 503, "Traefik to find out")
    with Load(port) as load:
        until(lambda: len(load.answers) >= 100, "requests that nobody answers")
        result = traefik.switch({**params, "weights": GREEN}, watch=Watch(1.0, 0.05, 0.0, 20, True))
    assert (result["watch"]["ok"], result["watch"]["errors"]) == (True, 0) and result["watch"]["judged"]
    assert load.answers[-1] == (200, "green") and set(load.failures) == {"status 503"}


# --- its own configuration


def test_traefik_not_running_is_a_problem_with_a_remedy(traefik: RealTraefik, blue: App, green: App, port: int) -> None:
    traefik.stop()
    seen = traefik.provider().observe()
    assert not seen["running"]
    assert [problem["cause"] for problem in seen["problems"]] == ["proxy_not_running"] and seen["problems"][0]["remedy"]
    with pytest.raises(SlipwayError) as caught:
        traefik.switch(traefik.params(port, [blue], [green]))
    assert caught.value.cause == "proxy_not_running"


def test_a_port_without_an_entry_point_is_refused_with_those_that_are(
    traefik: RealTraefik, blue: App, green: App, port: int
) -> None:
    traefik.switch(traefik.params(port, [blue], [green]))
    with pytest.raises(SlipwayError) as caught:
        traefik.switch(traefik.params(1, [blue], [green]))
    assert caught.value.cause == "unprovisioned" and f"web 127.0.0.1:{port}" in str(caught.value.actual)
    assert get(port) == (200, "blue")


def test_the_version_is_told(traefik: RealTraefik) -> None:
    assert traefik.provider().observe()["version"] == "3.6.12"


def test_key_and_chain_belong_together_whenever_traefik_reads_them(traefik: RealTraefik, blue: App, green: App) -> None:
    """It reads them one after the other, also when somebody else's file has changed."""
    shop = Shop(traefik, blue, green)
    shop.proxy.switch(shop.params())
    ended = threading.Event()

    def change() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            new = traefik.dir / "beside.yml"
            new.write_text(f"# {number}\n")
            new.rename(traefik.dir / "slipway.d" / "beside.yml")

    others = threading.Thread(target=change)
    with Fresh(shop) as fresh:
        fresh.seen(20)
        others.start()
        try:
            for _each in range(20):
                shop.proxy.secrets = secrets(shop.authority.issue(HOST))
                shop.proxy.switch(shop.params())
                fresh.seen(5)
        finally:
            ended.set()
            others.join()
    assert fresh.failures == []
    assert len(list(shop.proxy.certificates.glob("*/*.own"))) == 1
