# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving traffic with a real Caddy: what it alone does, and what it cannot."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import socket
import subprocess
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.caddy import Caddy, Settings
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.caddy_api import CaddyApi
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.caddy_config import generation
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import switch

from tests.integration_local.places import free_port

from .apps import App, Load, get, until, websocket
from .proxies import RealCaddy
from .routing import with_routes

pytestmark = pytest.mark.sample(7)

GREEN = {"blue": 0, "green": 100}
BLUE = {"blue": 100, "green": 0}
CADDY = "ansible_collections.slipway.deploy.plugins.module_utils.traffic.caddy"


class Meddled(CaddyApi):
    """Somebody else does something at the same time: after the configuration was read, or in the place of the change."""

    def __init__(self, proxy: RealCaddy) -> None:
        super().__init__(proxy.settings()["socket"])
        self.after_reading: t.Callable[[], object] = lambda: None
        self.instead: t.Callable[[dict[str, t.Any], str], bool] | None = None
        self.changes = 0

    def config(self) -> tuple[dict[str, t.Any], str]:
        found = super().config()
        self.after_reading()
        return found

    def replace_config(self, config: t.Mapping[str, t.Any], etag: str) -> bool:
        self.changes += 1
        return self.instead(dict(config), etag) if self.instead else super().replace_config(config, etag)


def switched(proxy: RealCaddy, api: CaddyApi, params: dict[str, t.Any]) -> dict[str, t.Any]:
    settings = {name: value for name, value in proxy.settings().items() if name in Settings._fields}
    provider = Caddy(System(), "shop", "production", Settings(**settings), api=api)
    return switch(provider, System(), build_traffic(params), gate=5.0, watch=None, drain=None, check=False)


def put(proxy: RealCaddy, path: str, value: object) -> None:
    """As a person would, by the admin endpoint."""
    answer = CaddyApi(proxy.settings()["socket"]).ask("POST", path, json.dumps(value).encode())
    assert answer.status == 200, answer


def foreign_site(port: int) -> dict[str, t.Any]:
    return {
        "listen": [f"127.0.0.1:{port}"],
        "routes": [{"handle": [{"handler": "static_response", "body": "by the endpoint"}]}],
        "automatic_https": {"disable": True},
    }


def restructured(params: dict[str, t.Any], weights: dict[str, int]) -> dict[str, t.Any]:
    """The same with a route more, which takes a change of Caddy's configuration."""
    more = {"path": "/more", "service": "backend", "host": "more.example.com"}
    return {**params, "weights": weights, "routes": [*params["routes"], more]}


@pytest.mark.parametrize("how", ["reload", "restart", "kill"])
def test_the_new_side_and_a_split_stay(caddy: RealCaddy, blue: App, green: App, port: int, how: str) -> None:
    """Killed, it has lost the configuration that it saves for itself, too."""
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    for weights in (GREEN, {"blue": 50, "green": 50}):
        caddy.switch({**params, "weights": weights})
        getattr(caddy, how)()
        if how == "kill":
            caddy.start()
        seen = caddy.provider().observe()
        assert (seen["weights"], seen["problems"]) == ({"backend": weights}, [])
        assert {get(port)[1] for _each in range(50)} == {side for side, weight in weights.items() if weight}
        assert not caddy.switch({**params, "weights": weights})["changed"]
    caddy.switch({**params, "weights": BLUE})
    assert get(port) == (200, "blue"), "what a restart has named anew is found again"


def test_a_share_is_what_was_asked_for(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    """Of 1000 draws with a chance of 0.1 fewer than 50 or more than 150 come once in 10 million runs."""
    second = App("green")
    caddy.switch({**caddy.params(port, [blue], [green, second]), "weights": {"blue": 90, "green": 10}})
    for _each in range(1000):
        get(port)
    assert 50 <= green.served + second.served <= 150
    assert abs(green.served - second.served) <= 1
    second.stop()


def test_what_others_have_changed_by_the_endpoint_stays(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    params, there = caddy.params(port, [blue], [green]), free_port()
    by_hand = caddy.main.read_bytes()
    put(caddy, "/config/apps/http/servers/theirs", foreign_site(there))
    for wanted in (params, restructured(params, GREEN)):
        caddy.switch(wanted)
        assert get(there) == (200, "by the endpoint") and caddy.answers_by_hand()
    assert caddy.main.read_bytes() == by_hand


def test_no_update_is_lost(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    params, there = caddy.params(port, [blue], [green]), free_port()
    caddy.switch(params)
    api = Meddled(caddy)

    def meddle() -> None:
        api.after_reading = lambda: None
        put(caddy, "/config/apps/http/servers/theirs", foreign_site(there))

    api.after_reading = meddle
    assert switched(caddy, api, restructured(params, GREEN))["live_side"] == "green"
    assert api.changes == 2, "the first was refused"
    assert get(port) == (200, "green") and get(there) == (200, "by the endpoint")


def test_who_changes_our_part_meanwhile_is_not_overruled(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    text = caddy.file().read_bytes()
    api, path = Meddled(caddy), "/config/apps/http/servers/slipway_shop_production/max_header_bytes"
    sizes = iter(range(20000, 30000))
    api.after_reading = lambda: put(caddy, path, next(sizes))
    with pytest.raises(SlipwayError) as refused:
        switched(caddy, api, restructured(params, GREEN))
    assert refused.value.cause == "lost_update" and api.changes == 1
    assert caddy.file().read_bytes() == text and get(port) == (200, "blue")


@pytest.mark.parametrize("taken", [False, True], ids=["before", "after"])
def test_killed_at_the_change_the_old_side_comes_back(
    caddy: RealCaddy, blue: App, green: App, port: int, taken: bool
) -> None:
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    text = caddy.file().read_bytes()
    api = Meddled(caddy)

    def die(config: dict[str, t.Any], etag: str) -> bool:
        if taken:
            CaddyApi(api.path).replace_config(config, etag)
        caddy.kill()
        return CaddyApi(api.path).replace_config(config, etag)

    api.instead = die
    with pytest.raises(SlipwayError) as failed:
        switched(caddy, api, restructured(params, GREEN))
    assert failed.value.cause == "proxy_not_running" and caddy.file().read_bytes() == text
    caddy.start()
    assert get(port) == (200, "blue")
    caddy.switch({**params, "weights": GREEN})
    assert get(port) == (200, "green")


def test_a_change_that_is_not_taken_is_found_out(
    caddy: RealCaddy, blue: App, green: App, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{CADDY}.RELOAD_SECONDS", 0.3)
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    text, api = caddy.file().read_bytes(), Meddled(caddy)
    api.instead = lambda _config, _etag: True
    with pytest.raises(SlipwayError) as failed:
        switched(caddy, api, restructured(params, GREEN))
    assert failed.value.cause == "reload_failed" and caddy.file().read_bytes() == text
    assert caddy.provider().observe()["problems"] == []


def without_import(text: str, _port: int) -> str:
    return text.replace("import ", "# import ")


def broken(text: str, _port: int) -> str:
    return text.replace("respond", "no_such_directive")


def same_address(text: str, port: int) -> str:
    return f"{text}http://theirs.example:{port} {{\n\tbind 127.0.0.1\n\trespond theirs\n}}\n"


@pytest.mark.parametrize(
    ("edit", "cause"),
    [(without_import, "unprovisioned"), (broken, "config_invalid"), (same_address, "listen_taken")],
)
def test_a_caddyfile_that_a_restart_would_not_survive_is_refused(
    caddy: RealCaddy, blue: App, green: App, port: int, edit: t.Callable[[str, int], str], cause: str
) -> None:
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    by_hand, text = caddy.main.read_text(), caddy.file().read_bytes()
    caddy.main.write_text(edit(by_hand, port))
    with pytest.raises(SlipwayError) as refused:
        caddy.switch(restructured(params, GREEN))
    assert refused.value.cause == cause and str(caddy.main) in refused.value.message
    assert caddy.file().read_bytes() == text and get(port) == (200, "blue")
    caddy.main.write_text(by_hand)
    caddy.switch({**params, "weights": GREEN})
    assert get(port) == (200, "green")


def test_a_server_that_left_is_drained(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    """Caddy itself does not count what it has no configuration for any more."""
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    with subprocess.Popen(["curl", "-s", f"http://127.0.0.1:{port}/slow"], stdout=subprocess.PIPE) as client:
        until(lambda: blue.waiting == 1, "the slow request to arrive")
        another = caddy.params(port, [], [green])
        result = caddy.switch({**another, "weights": GREEN}, drain=0.3)
        assert set(result["drain"]["remaining"]) == {"backend/blue_app1_1"}
        blue.release.set()
        assert client.communicate()[0] == b"blue"


def test_a_connection_of_somebody_else_to_a_program_is_no_request(
    caddy: RealCaddy, blue: App, green: App, port: int
) -> None:
    """As of a check, where programs and proxy are on one machine: Caddy is asked for its own as long as it knows them."""
    caddy.switch(caddy.params(port, [blue], [green]))
    with socket.create_connection(("127.0.0.1", blue.port)):
        assert caddy.close(drain=5.0)["drain"]["empty"]


def test_all_traffic_moves_without_a_connection_closed(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    runs = CaddyApi(caddy.settings()["socket"]).config()
    text = caddy.file().read_bytes()
    stream = websocket(port)
    with Load(port) as load:
        for weights in (GREEN, BLUE, GREEN):
            load.seen(50)
            result = caddy.switch({**params, "weights": weights}, drain=0.3)
            assert (result["reloaded"], result["live_side"]) == (False, "green" if weights["green"] else "blue")
        assert result["drain"]["remaining"] == {"backend/blue_app1_1": 1}, "the WebSocket"
        load.seen(50)
    assert (load.failures, load.closed) == ([], 0)
    assert [name for name, _same in itertools.groupby(name for _status, name in load.answers)][-1] == "green"
    assert CaddyApi(caddy.settings()["socket"]).config() == runs and caddy.file().read_bytes() == text
    stream.close()


def test_a_change_of_structure_ends_websockets_before_version_2_7(
    caddy: RealCaddy, blue: App, green: App, port: int
) -> None:
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    stream = websocket(port)
    result = caddy.switch(restructured(params, GREEN), drain=0.3)
    if "stream_close_delay" in caddy.file().read_text():
        assert result["drain"]["remaining"] == {"backend/blue_app1_1": 1}
    else:
        assert stream.recv(100) in (b"", b"\x88\x02\x03\xe9"), "the end, with a frame that says so or without"
        assert any("WebSocket" in notice for notice in caddy.provider().observe()["notices"])
    stream.close()


def test_a_side_that_caddy_does_not_see_is_not_called_live(
    caddy: RealCaddy, blue: App, green: App, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    with monkeypatch.context() as patched:
        patched.setattr(f"{CADDY}.Caddy._says", lambda _self, text: [generation(text), "blue"])
        with pytest.raises(SlipwayError) as failed:
            caddy.switch({**params, "weights": GREEN})
    assert failed.value.cause == "read_back" and get(port) == (200, "blue")
    assert not list(caddy.file().parent.glob("*.green"))


def test_flags_of_texts_that_run_no_more_are_forgotten(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    """But not the one from before: a request that began before the change is still sent by it."""
    params = {**caddy.params(port, [blue], [green]), "weights": GREEN}
    flags = []
    for wanted in (params, restructured(params, GREEN), {**params, "weights": {"blue": 1, "green": 9}}, params):
        caddy.switch(wanted)
        flags.append(len(list(caddy.file().parent.glob("*.green"))))
    assert flags == [1, 2, 1, 1]


def test_a_server_that_fails_is_down_for_the_watch(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    params = caddy.params(port, [blue], [green])
    caddy.switch(params)
    provider = caddy.provider()
    plan = provider.plan(build_traffic({**params, "weights": GREEN}), shift=True)
    provider.shift(plan)
    assert provider.look(plan).down == {}
    green.stop()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(get, port)
        until(lambda: set(provider.look(plan).down) == {"backend/green_app1_1"}, "the server to be down")
        again = App("green", green.port)
        assert waiting.result() == (200, "green"), "a request waits for it"
        again.status = 500
        get(port)
        again.stop()
    assert provider.look(plan).counters["backend"] == (2, 1, {"5xx": 1})


def test_routes_by_host_and_path(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    with with_routes(caddy, blue, green, port, [('/a.b(`{$x}"\\', "odd", None)]):
        assert get(port, '/a.b(`{$x}"\\') == get(port, "/a.b%28%60%7B%24x%7D%22%5C/y") == (200, "odd")
        assert get(port, '/aXb(`{$x}"\\')[0] == 404


def test_caddy_not_running_is_a_problem_with_a_remedy(caddy: RealCaddy, blue: App, green: App, port: int) -> None:
    caddy.stop()
    seen = caddy.provider().observe()
    assert not seen["running"]
    assert [problem["cause"] for problem in seen["problems"]] == ["proxy_not_running"] and seen["problems"][0]["remedy"]
    with pytest.raises(SlipwayError) as refused:
        caddy.switch(caddy.params(port, [blue], [green]))
    assert refused.value.cause == "proxy_not_running"
