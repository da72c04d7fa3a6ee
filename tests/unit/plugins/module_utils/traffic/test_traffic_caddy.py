# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Caddyfile of a platform, Caddy's running configuration, and answers of its admin endpoint."""

from __future__ import annotations

import contextlib
import json
import re
import types
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema import OPTIONS
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import RELEASE_STATE, TRAFFIC_SWITCH
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import caddy_config, structure
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.caddy import Caddy
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.caddy_api import parse_answer
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.closure import build_closure
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import PROVIDERS
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Traffic, Weights
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.weights import wanted_weights
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import shop_traffic
from hypothesis import given
from hypothesis import strategies as st

BLUE, GREEN = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}
KEYS = [("backend", "blue_app1_1"), ("backend", "green_app1_1"), ("backend", "green_app2_1")]


def traffic(**changes: t.Any) -> Traffic:
    blue = [{"name": "blue_app1_1", "address": "10.1.2.3", "port": 20000}]
    green = [{"name": f"green_app{number}_1", "address": "fd00::1", "port": 20010 + number} for number in (1, 2)]
    return shop_traffic({"health": {"path": "/health"}, "sides": {"blue": blue, "green": green}}, **changes)


def text(wanted: Traffic, weights: Weights | None = None, *, streams: bool = False) -> str:
    weights = wanted_weights(wanted) if weights is None else weights
    return caddy_config.platform_text(wanted, weights, "/x.log", "/etc/caddy/slipway.d", streams=streams)


def weights_of(found: str, *, flag: bool) -> list[int]:
    return [line.weight for _key, line in sorted(caddy_config.parse_servers(found, flag).items())]


def test_every_list_of_providers_is_the_same() -> None:
    option = next(one for one in OPTIONS if one.name == "slipway_traffic")
    listed = next(one.choices for one in option.options if one.name == "provider")
    assert listed == PROVIDERS
    for arguments in (TRAFFIC_SWITCH, RELEASE_STATE):
        assert arguments.options["provider"]["choices"] == list(PROVIDERS)


def test_the_text_is_the_same_whichever_side_is_live_and_the_flag_says_which() -> None:
    found = text(traffic(weights=BLUE))
    assert found == text(traffic(weights=GREEN))
    assert weights_of(found, flag=False) == [100, 0, 0] and weights_of(found, flag=True) == [0, 100, 100]
    flag = caddy_config.flag_name("shop", "production", caddy_config.generation(found))
    assert f"try_files /{flag}" in found and "root /etc/caddy/slipway.d" in found


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_split_is_in_the_text_and_no_flag_changes_it(blue: int, green: int) -> None:
    wanted = traffic(weights={"blue": blue, "green": green})
    found = text(wanted)
    for flag in (False, True):
        assert weights_of(found, flag=flag) == [wanted_weights(wanted)[key] for key in KEYS]
    threshold = int(t.cast(t.Any, re.search(r"uuid\} < '([0-9a-f]{8})'", found))[1], 16)
    weights = wanted_weights(wanted)
    share = sum(weights[key] for key in KEYS[1:]) / sum(weights.values())
    assert threshold / 0x100000000 == pytest.approx(share, abs=1e-6)


def test_a_replica_without_traffic_on_the_live_side_gets_none() -> None:
    """As after a replica was added without a switch: the weights stay."""
    found = text(traffic(), {KEYS[0]: 0, KEYS[1]: 100, KEYS[2]: 0})
    assert weights_of(found, flag=True) == [0, 100, 0] and weights_of(found, flag=False) == [100, 0, 0]
    assert "reverse_proxy @idle [fd00::1]:20012 {" in found


@pytest.mark.parametrize(("last", "seen"), [("green", True), ("blue", False)])
def test_a_connection_that_a_change_has_closed_says_nothing_of_what_runs(last: str, seen: bool) -> None:
    answers = iter([[], [], ["generation", last]])
    caddy: t.Any = object.__new__(Caddy)
    caddy._system = types.SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _seconds: None)
    caddy._says, caddy._expected = lambda _text: next(answers), lambda _text: ["generation", "green"]
    assert caddy._is_seen("text") is seen


def test_a_service_without_weights_answers_503() -> None:
    found = text(traffic(), {})
    assert "\t\t\trespond 503" in found and weights_of(found, flag=True) == [0, 0, 0]


def test_websockets_are_kept_only_by_a_caddy_that_can() -> None:
    assert "stream_close_delay" in text(traffic(), streams=True) and "stream_close_delay" not in text(traffic())


def test_what_it_was_rendered_from_is_read_back_and_has_no_variable_of_the_environment() -> None:
    wanted = traffic()
    wanted = wanted._replace(closure=build_closure({"page": "{$HOME} {env.HOME} `\\` \n"}, wanted, 5.0))
    found = text(wanted)
    assert structure.specification(found) == wanted._replace(weights=None)
    assert "{$" not in found


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from("{}`\\$\n\r\t\"'"), max_size=200))
def test_a_page_has_no_placeholder_but_ours(page: str) -> None:
    escaped = caddy_config.escaped(page)
    assert not set(re.sub(r"\{slipway_(open|tick|back)\}", "", escaped)) & set("{`\\")
    back = {"open": "{", "tick": "`", "back": "\\"}
    assert re.sub(r"\{slipway_(\w+)\}", lambda match: back[match[1]], escaped) == page


@given(st.text())
def test_no_parser_of_caddy_stumbles_over_anything(anything: str) -> None:
    caddy_config.parse_log(anything)
    caddy_config.parse_servers(anything, True)
    caddy_config.generation(anything)
    with contextlib.suppress(ValueError):
        parse_answer(anything.encode())


def test_the_log_counts_by_side() -> None:
    log = "".join(
        json.dumps({"user_id": user, "status": status}) + "\n"
        for user, status in [
            ("backend green", 200),
            ("backend green", 502),
            ("backend blue", 200),
            ("", 503),
            ("x", 200),
        ]
    )
    log += 'torn {"user_id\n[]\n{"user_id": 1, "status": "x"}\n'
    assert caddy_config.parse_log(log) == {("backend", "green"): (2, 1), ("backend", "blue"): (1, 0)}


def config_of(name: str, log: str) -> dict[str, t.Any]:
    host = "slipway-shop-production.invalid"
    server = {
        "listen": [":80"],
        "routes": [{"handle": [{"match": [{"host": [host]}]}]}],
        "logs": {"default_logger_name": log},
    }
    return {
        "apps": {"http": {"servers": {name: server, "theirs": {"listen": [":81"]}}}},
        "logging": {"logs": {log: {"writer": {}, "include": [f"http.log.access.{log}"]}}},
    }


@pytest.mark.parametrize(
    "running",
    [{}, {"admin": {"listen": "unix//x"}}, config_of("srv3", "log7")],
    ids=["none", "others", "after a restart"],
)
def test_our_part_takes_its_place_and_nothing_else_changes(running: dict[str, t.Any]) -> None:
    ours = caddy_config.find_ours(config_of("srv0", "log0"), "shop", "production")
    assert ours is not None and caddy_config.is_alone(ours)
    before = json.dumps(running)
    merged = caddy_config.merged(running, ours, "shop", "production")
    assert json.dumps(running) == before
    there = caddy_config.find_ours(merged, "shop", "production")
    assert there is not None and there.log["include"] == [f"http.log.access.{there.log_name}"]
    assert there.log["include"][0] in merged["logging"]["logs"]["default"]["exclude"]
    servers = merged["apps"]["http"]["servers"]
    assert set(servers) == ({"srv3", "theirs"} if "apps" in running else {"slipway_shop_production"})
    assert merged.get("admin") == running.get("admin")
    assert caddy_config.merged(merged, ours, "shop", "production") == merged


def test_another_platform_with_a_longer_name_is_not_ours() -> None:
    assert caddy_config.find_ours(config_of("srv0", "log0"), "op", "production") is None


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, "", b"{}")),
        (b'HTTP/1.1 200 OK\r\nEtag: "a b"\r\n\r\nx', (200, '"a b"', b"x")),
        (
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nEtag: "a"\r\n\r\n',
            (200, '"a"', b"{}"),
        ),
    ],
)
def test_an_answer_is_read_with_its_etag(raw: bytes, wanted: tuple[int, str, bytes]) -> None:
    assert parse_answer(raw) == wanted
    for end in range(len(raw)):
        if not raw[:end].startswith(b'HTTP/1.1 200 OK\r\nEtag: "a b"\r\n\r\n') and b"0\r\n" not in raw[:end]:
            with pytest.raises(ValueError, match="answer"):
                parse_answer(raw[:end])
