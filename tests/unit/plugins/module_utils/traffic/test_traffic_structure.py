# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The structure in force: written into a file, read back, bridged, and told in words."""

from __future__ import annotations

import hashlib
import json
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import haproxy_config, nginx_config, structure
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from hypothesis import given
from hypothesis import strategies as st

Services = dict[str, dict[str, t.Any]]


def service(*names: str, port: int = 20000, **health: t.Any) -> dict[str, t.Any]:
    sides: dict[str, list[dict[str, t.Any]]] = {}
    for name in names:
        sides.setdefault(name.split("_")[0], []).append({"name": name, "address": "10.0.0.1", "port": port})
    return {"health": {"path": "/health", **health}, "sides": sides}


def traffic(services: Services, routes: dict[str, str] | None = None, **changes: t.Any) -> Traffic:
    wanted = routes or {"/": sorted(services)[0]}
    return build_traffic(
        {
            "platform": "shop",
            "environment": "production",
            "bind": "*",
            "listen": 80,
            "routes": [{"path": path, "service": name} for path, name in wanted.items()],
            "services": services,
            "weights": {"blue": 100, "green": 0},
            **changes,
        }
    )


BOTH = service("blue_1", "green_1")
names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
servers = st.builds(
    lambda side, name, port: {"name": f"{side}_{name}", "address": "fd00::1", "port": port},
    st.sampled_from(["blue", "green"]),
    names,
    st.integers(1, 65535),
)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
checks = st.fixed_dictionaries(
    {"path": st.just("/up?a='%") | st.just("/")},
    optional={
        "kind": st.sampled_from(["http", "tcp"]),
        "status": st.lists(st.integers(100, 599), min_size=1, max_size=3),
        "headers": st.dictionaries(st.sampled_from(["X-Token", "host", "Host"]), printable, max_size=1),
        "timeout": st.floats(0.1, 60),
    },
)


@st.composite
def structures(draw: st.DrawFn) -> Traffic:
    services: Services = {}
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        some = draw(st.lists(servers, min_size=1, max_size=40, unique_by=lambda one: one["name"]))
        sides = {side: [one for one in some if one["name"].startswith(side)] for side in ("blue", "green")}
        services[name] = {"health": draw(checks), "sides": sides}
    routes = {path: draw(st.sampled_from(sorted(services))) for path in ("/", "/a", "/b/c")}
    bind = draw(st.sampled_from(["*", "10.0.0.1", "::1"]))
    wanted = traffic(services, routes, bind=bind, listen=draw(st.integers(1, 65535)), weights=None)
    return wanted._replace(unchecked=tuple(one.key for one in wanted.servers())[: draw(st.integers(0, 2))])


@given(structures())
def test_both_files_say_what_they_were_rendered_from(wanted: Traffic) -> None:
    for text in (haproxy_config.platform_text(wanted, {}, "/x"), nginx_config.platform_text(wanted, {}, "/x")):
        assert structure.specification(text) == wanted


def test_no_line_is_longer_than_nginx_takes() -> None:
    wanted = traffic({"a": service(*[f"blue_{number}" for number in range(200)])}, weights=None)
    lines = structure.heading(wanted).splitlines()
    assert max(len(line) for line in lines) < 4096 and structure.specification("\n".join([*lines, ""])) == wanted


@given(structures(), st.data())
def test_a_damaged_specification_is_none_at_all(wanted: Traffic, data: st.DataObject) -> None:
    text = structure.heading(wanted) + "\n"
    at = data.draw(st.integers(text.index("# slipway-specification: "), len(text) - 1))
    assert structure.specification(text[:at]) is None, "torn"
    other = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda one: one != text[at]))
    if text[at] != "\n":
        assert structure.specification(text[:at] + other + text[at + 1 :]) is None, "changed"


def written_body() -> str:
    return structure.heading(traffic({"a": BOTH})).partition("specification: ")[2].split(" ", 2)[2]


def signed(body: str, version: str = structure.VERSION) -> str:
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    return f"# slipway-specification: {version} {digest} {body}\n"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.text(), anything, st.sampled_from(["platform", "routes", "services", "unchecked", "listen", "bind"]))
def test_the_parser_stumbles_over_nothing(text: str, value: t.Any, key: str) -> None:
    structure.specification(text)
    structure.specification(f"# slipway-specification: {text}\n")
    structure.specification(signed(json.dumps(value)))
    whole = json.loads(written_body())
    structure.specification(signed(json.dumps({**whole, key: value})))


def test_another_version_is_not_believed() -> None:
    body = written_body()
    assert structure.specification(signed(body)) is not None and structure.specification(signed(body, "2")) is None


def test_a_secret_header_is_in_no_text_for_people() -> None:
    wanted = traffic({"a": service("blue_1", headers={"X-Token": "hunter2"})})
    for text in (haproxy_config.platform_text(wanted, {}, "/x"), nginx_config.platform_text(wanted, {}, "/x")):
        assert "hunter2" in text and "hunter2" not in structure.masked(text)
        assert "slipway-specification" not in structure.masked(text) and "# slipway: " in structure.masked(text)


def test_the_order_of_the_inventory_is_no_structure() -> None:
    one = traffic({"a": service("blue_2", "blue_1", "green_1")}, {"/": "a", "/x": "a"})
    other = traffic({"a": service("green_1", "blue_1", "blue_2")}, {"/x": "a", "/": "a"})
    assert one == other


def test_a_bridge_listens_and_routes_as_before_and_has_the_services_of_both() -> None:
    old = traffic({"a": service("blue_1", "blue_2"), "gone": BOTH}, {"/": "a", "/gone": "gone"})
    new = traffic({"a": service("blue_1", "green_1"), "new": BOTH}, {"/": "new"}, listen=81)
    bridge = structure.bridge(old, new, {})
    assert (bridge.listen, bridge.routes) == (old.listen, old.routes)
    assert [(one.name, [server.name for server in one.servers]) for one in bridge.services] == [
        ("a", ["blue_1", "blue_2", "green_1"]),
        ("gone", ["blue_1", "green_1"]),
        ("new", ["blue_1", "green_1"]),
    ]
    assert structure.bridge(bridge, new, {}) == bridge, "killed there, the next run finds nothing missing"
    assert structure.bridge(bridge, old, {}) == bridge and structure.bridge(old, old, {}) == old


def test_only_what_serves_is_spared_a_check_it_may_not_know() -> None:
    old, new = traffic({"a": BOTH, "b": BOTH}), traffic({"a": service("blue_1", "green_1", path="/v2"), "b": BOTH})
    weights = {("a", "blue_1"): 100, ("a", "green_1"): 0, ("b", "blue_1"): 100}
    bridge = structure.bridge(old, new, weights)
    assert bridge.unchecked == (("a", "blue_1"),) and bridge.services[0].health.path == "/v2"
    assert structure.bridge(bridge, new, weights) == bridge
    assert structure.bridge(bridge, old, weights).unchecked == (("a", "blue_1"),)
    text = haproxy_config.platform_text(bridge, weights, "/x")
    assert "server blue_1 10.0.0.1:20000 weight 100 no-check" in text and text.count("no-check") == 1
    assert haproxy_config.generation(bridge) != haproxy_config.generation(new)


def test_a_structure_is_as_much_as_the_proxy_has_where_it_has_it() -> None:
    said = traffic({"a": BOTH, "never": BOTH})
    found = structure.loaded(said, {("a", "blue_1"): ("10.9.9.9", 1)})
    assert [(one.service, one.name, one.address, one.port) for one in found.servers()] == [
        ("a", "blue_1", "10.9.9.9", 1)
    ]


def test_every_change_is_said() -> None:
    old = traffic({"a": service("blue_1", "blue_2"), "gone": BOTH}, {"/": "a", "/gone": "gone"})
    new = traffic({"a": service("blue_1", path="/v2"), "new": service("blue_1")}, {"/": "new", "/a": "a"}, listen=81)
    assert structure.changes(old, new) == [
        "listen on *:81 instead of *:80",
        "route / has new instead of a",
        "route /a has a instead of no route of its own",
        "route /gone has no route of its own instead of gone",
        "a has another check",
        "new/blue_1 joins",
        "a/blue_2 leaves",
        "gone/blue_1 leaves",
        "gone/green_1 leaves",
    ]
    assert structure.changes(old, old) == [] and structure.changes(None, new) == []


@pytest.mark.parametrize(
    "changes",
    [{"listen": 81}, {"bind": "10.0.0.1"}, {"routes": {"/x": "a"}}],
)
def test_a_running_process_tells_another_frontend(changes: dict[str, t.Any]) -> None:
    one, other = (haproxy_config.generation(traffic({"a": BOTH}, **more)) for more in ({}, changes))
    assert one != other and not haproxy_config.same_frontend(one, other)


@pytest.mark.parametrize(
    "services", [{"a": service("blue_1")}, {"a": service("blue_1", "green_1", status=[204])}, {"a": BOTH, "b": BOTH}]
)
def test_a_running_process_tells_other_backends(services: Services) -> None:
    one, other = (haproxy_config.generation(traffic(some)) for some in ({"a": BOTH}, services))
    assert one != other and haproxy_config.same_frontend(one, other)


def test_a_running_process_tells_nothing_that_changes_at_run_time() -> None:
    one, other = traffic({"a": BOTH}), traffic({"a": service("blue_1", "green_1", port=1)})
    assert haproxy_config.generation(one) == haproxy_config.generation(other)
