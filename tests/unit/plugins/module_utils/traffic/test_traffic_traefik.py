# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dynamic configuration of a platform for Traefik, its trial, and what is read out of both and of the access log."""

from __future__ import annotations

import json

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import structure, traefik_config
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.closure import build_closure
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Route, Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.weights import wanted_weights
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.traefik_fakes import (
    BLUE,
    GREEN,
    NAME,
    http,
    text,
    traffic,
)
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 100), st.integers(1, 100))
def test_addresses_and_weights_are_read_back(blue: int, green: int) -> None:
    wanted = traffic(weights={"blue": blue, "green": green})
    lines = traefik_config.parse_servers(text(wanted))
    assert {key: line.weight for key, line in lines.items()} == wanted_weights(wanted)
    assert lines[("backend", "green_app2_1")][:2] == ("fd00::1", 20012)


def test_only_who_gets_requests_is_a_member_and_is_checked() -> None:
    """What is idle is not asked, or its connections would never end."""
    services = http(text(traffic(weights=GREEN)))["services"]
    assert [one["name"] for one in services[f"{NAME}.backend"]["weighted"]["services"]] == [
        f"{NAME}.backend.green_app1_1",
        f"{NAME}.backend.green_app2_1",
    ]
    checked = {name for name, one in services.items() if "healthCheck" in one.get("loadBalancer", {})}
    assert checked == {f"{NAME}.backend.green_app1_1", f"{NAME}.backend.green_app2_1"}
    assert services[f"{NAME}.backend"]["weighted"]["healthCheck"] == {}


@pytest.mark.parametrize(
    "changed",
    [
        traffic({"path": "/health", "status": [200, 204]}),
        traffic({"path": "/health", "headers": {"Authorization": "Bearer t0ken"}}),
        traffic()._replace(unchecked=(("backend", "green_app1_1"),)),
    ],
    ids=["several statuses", "a secret header", "unchecked"],
)
def test_what_traefik_cannot_check_or_show_is_checked_by_nobody(changed: Traffic) -> None:
    found = text(changed)
    assert "healthCheck" not in found
    assert "t0ken" not in structure.masked(found)


def test_routes_are_tried_in_the_order_of_all_providers() -> None:
    routes = [Route("/", "backend", ""), Route("/api", "backend", ""), Route("/", "backend", "admin.example.com")]
    found = http(text(traffic()._replace(routes=tuple(routes))))["routers"].values()
    rules = [one["rule"] for one in sorted(found, key=lambda one: -one["priority"])]
    assert rules == ["Host(`admin.example.com`)", "(Path(`/api`) || PathPrefix(`/api/`))", "PathPrefix(`/`)"]


def test_a_closed_platform_answers_503_but_for_the_checks_from_outside() -> None:
    wanted = traffic()
    found = http(text(wanted._replace(closure=build_closure({"retry_after": 7}, wanted, 5.0))))
    rules = {one["rule"]: one["service"] for one in found["routers"].values()}
    assert rules == {"Path(`/health`)": f"{NAME}.backend", "PathPrefix(`/`)": f"{NAME}..closed"}
    headers = found["middlewares"][f"{NAME}..closed"]["headers"]["customResponseHeaders"]
    assert headers == {"Retry-After": "7", "Cache-Control": "no-store"}
    assert found["services"][f"{NAME}..closed"] == {"loadBalancer": {"servers": []}}


def test_what_it_was_rendered_from_is_read_back_and_each_text_has_a_generation_of_its_own() -> None:
    wanted = traffic(weights=BLUE)
    found, other = text(wanted), text(traffic(weights=GREEN))
    assert structure.specification(found) == wanted._replace(weights=None)
    assert traefik_config.generation(found) != traefik_config.generation(other)
    assert found == text(wanted)


@given(st.text(st.sampled_from('{}$`\\"<a'), max_size=30))
def test_nothing_is_acted_on_as_a_template(page: str) -> None:
    wanted = traffic()._replace(routes=(Route("/{{a", "backend", ""),))
    wanted = wanted._replace(closure=build_closure({"page": page or "x", "paths": ["/{{b}}"]}, wanted, 5.0))
    for found in (text(wanted), text(wanted._replace(closure=None))):
        assert "{{" not in found
    assert structure.specification(text(wanted)) == wanted._replace(weights=None)
    assert "Path(`/{{b}}`)" in [one["rule"] for one in http(text(wanted))["routers"].values()]


@given(st.text())
def test_no_parser_of_traefik_stumbles_over_anything(anything: str) -> None:
    traefik_config.parse_log(anything, NAME)
    traefik_config.parse_servers(anything)
    traefik_config.generation(anything)


def test_the_log_counts_by_side_and_passes_over_what_is_not_ours() -> None:
    lines = [
        {"ServiceName": f"{NAME}.backend.green_app1_1@file", "DownstreamStatus": 200},
        {"ServiceName": f"{NAME}.backend.green_app2_1@file", "DownstreamStatus": 502},
        {"ServiceName": f"{NAME}.backend.blue_app1_1@file", "DownstreamStatus": 404},
        {"ServiceName": "slipway.other.production.backend.green_app1_1@file", "DownstreamStatus": 500},
        {"ServiceName": f"{NAME}..closed@file", "DownstreamStatus": 503},
        {"DownstreamStatus": 404},
    ]
    found = traefik_config.parse_log("\n".join(map(json.dumps, lines)) + "\nno JSON\n[503]\n7", NAME)
    assert found == {("backend", "green"): (2, 1), ("backend", "blue"): (1, 0)}


def test_what_traefik_answers_itself_counts_for_the_sides_that_have_the_traffic() -> None:
    """Its log names the router alone then; and who answered is known by the server, whatever the router's name says."""
    wanted = traffic()._replace(routes=(Route("/api", "backend", ""), Route("/", "backend", "")))
    closed = wanted._replace(closure=build_closure({}, wanted, 5.0))
    for weights, sides in (
        (GREEN, ["green"]),
        (BLUE, ["blue"]),
        ({"blue": 90, "green": 10}, ["blue", "green"]),
    ):
        names = list(traefik_config.rules(text(wanted._replace(weights=weights))))
        assert len(names) == 2
        lines = [{"RouterName": f"{name}@file", "DownstreamStatus": 503} for name in names]
        lines += [{"RouterName": f"{names[0].replace('shop', 'other')}@file", "DownstreamStatus": 503}]
        found = traefik_config.parse_log("\n".join(map(json.dumps, lines)), NAME)
        assert found == {("backend", side): (2, 2) for side in sides}
        (door,) = [name for name, rule in traefik_config.rules(text(closed)).items() if "PathPrefix" in rule]
        answered = {"RouterName": f"{door}@file", "DownstreamStatus": 503}
        assert traefik_config.parse_log(json.dumps(answered), NAME) == {}, "because it is closed"
    served = {"RouterName": f"{names[0]}@file", "ServiceName": f"{NAME}.backend.blue_app1_1@file"}
    found = traefik_config.parse_log(json.dumps({**served, "DownstreamStatus": 502}), NAME)
    assert found == {("backend", "blue"): (1, 1)}


def test_a_trial_has_all_that_traefik_may_refuse_and_nothing_that_anybody_meets() -> None:
    wanted = traffic(weights=BLUE)._replace(routes=(Route("/", "backend", ""), Route("/{{a", "backend", "x.example")))
    found = text(wanted)
    tried = traefik_config.trial_text(found, NAME)
    names, parts = traefik_config.rules(found), http(tried)
    assert not set(parts["routers"]) & set(names) and parts["services"].keys() == {f"{NAME}..trial"}
    rules = {one["rule"] for one in parts["routers"].values()}
    assert rules == {f"({rule}) && {traefik_config.NOBODY}" for rule in names.values()}
    assert {one["service"] for one in parts["routers"].values()} == {f"{NAME}..trial"}
    servers = parts["services"][f"{NAME}..trial"]["loadBalancer"]["servers"]
    assert [one["url"] for one in servers] == [
        "http://10.1.2.3:20000",
        "http://[fd00::1]:20011",
        "http://[fd00::1]:20012",
    ]
    assert "healthCheck" not in tried and "{{" not in tried
    assert structure.owner(tried) is None and traefik_config.parse_servers(tried) == {}
    assert tried != traefik_config.trial_text(text(traffic(weights=BLUE)), NAME)
    assert traefik_config.judged(found) == traefik_config.judged(text(wanted._replace(weights=GREEN)))
