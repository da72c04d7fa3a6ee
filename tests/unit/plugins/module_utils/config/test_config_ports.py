# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import zlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.ports import Slot, free_base, slot_for
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config.sites import (
    config,
    inventory,
    problems,
    site,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)


def twins():
    """Two names of services whose slots are the same."""
    seen: dict[int, str] = {}
    for number in range(5000):
        name = f"s{number}"
        slot = zlib.crc32(f"shop/production/{name}".encode()) % 500
        if slot in seen:
            return seen[slot], name
        seen[slot] = name
    raise AssertionError("no twins")


def service(**options):
    return {"image": "shop/x:1", "port": 8080, **options}


@given(NAMES, NAMES, NAMES, st.integers(1, 9))
def test_ports_follow_from_the_names_and_stay_in_their_range(platform, environment, name, replicas):
    ports = slot_for(platform, environment, name, None).ports(replicas)
    assert ports == slot_for(platform, environment, name, None).ports(replicas)
    assert all(len(side) == replicas and min(side) >= 20000 and max(side) <= 29999 for side in ports.values())
    assert not set(ports["blue"]) & set(ports["green"])


def test_ports_are_those_that_running_platforms_already_have():
    # A change of the rule would move every platform's ports: the number is fixed here, not computed.
    assert slot_for("shop", "production", "backend", None).ports(2) == {"blue": [23700, 23701], "green": [23710, 23711]}


@given(st.lists(st.integers(1024, 65516), max_size=30), st.integers(1024, 65516))
def test_the_proposed_base_is_free_and_possible(taken, base):
    others = [Slot(str(number), other) for number, other in enumerate(taken)]
    proposed = free_base(Slot("x", base), others)
    assert 20000 <= proposed <= 29980
    assert not any(Slot("", proposed).overlaps(other) for other in others)


def test_two_services_with_the_same_ports_are_refused_and_the_remedy_works():
    one, two = twins()
    services = {one: service(), two: service()}
    routes = [{"path": f"/{name}", "service": name} for name in services]
    (said,) = problems(site(services=services, traffic__routes=routes))
    assert said.startswith(f"slipway_services.{two}.publish_from: its ports overlap with those of {one}")
    services[two]["publish_from"] = int(said.rpartition(": ")[2].rstrip("."))
    assert problems(site(services=services, traffic__routes=routes)) == []


def test_services_on_different_machines_may_have_the_same_ports():
    one, two = twins()
    services = {one: service(hosts="left"), two: service(hosts="right")}
    routes = [{"path": f"/{name}", "service": name} for name in services]
    assert problems(site(services=services, traffic__routes=routes), inventory(left="app1", right="app2")) == []


def test_publish_from_moves_both_sides_and_is_used_up():
    found = config(site(services__backend__publish_from=31000))["services"]["backend"]
    assert found["ports"] == {"blue": [31000, 31001], "green": [31010, 31011]}
    assert "publish_from" not in found


def test_a_balancer_on_the_same_machine_keeps_its_own_port():
    changed = site(services__backend__publish_from=8070, traffic__listen=8085)
    (said,) = problems(changed, inventory(apps="all-in-one", proxies="all-in-one"))
    assert "publish_from: its ports hold the port that the balancer on all-in-one listens on; found 8085" in said
    assert problems(changed) == []


def test_a_service_with_a_port_but_without_traffic_is_published_too():
    found = config(site(services__worker__port=9000))["services"]["worker"]
    assert found["traffic"] is False and len(found["ports"]["blue"]) == 1


@pytest.mark.parametrize("base", [1023, 65517, "many"])
def test_a_base_that_does_not_fit_is_refused(base):
    (said,) = problems(site(services__backend__publish_from=base))
    assert "wanted a whole number from 1024 to 65516" in said or "wanted a whole number" in said
