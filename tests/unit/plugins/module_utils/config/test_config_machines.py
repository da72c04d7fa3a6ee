# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.option import Unreadable
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config.sites import (
    config,
    inventory,
    problems,
    site,
)


def addresses(machines):
    found = config(machines=machines)["machines"]
    return {name: (about["publish"], about["address"]) for name, about in found.items() if about["services"]}


def test_machines_know_their_part_their_services_ports_and_secrets():
    found = config(site(services__worker__hosts="jobs"), inventory(jobs="app2"))
    assert list(found["machines"]) == ["app1", "app2", "lb1"]
    assert {name: about["parts"] for name, about in found["machines"].items()} == {
        "app1": ["app"],
        "app2": ["app"],
        "lb1": ["proxy"],
    }
    assert found["machines"]["app1"]["services"] == ["frontend", "backend"]
    assert found["machines"]["app2"]["services"] == ["frontend", "backend", "worker"]
    assert found["machines"]["app1"]["ports"] == [23700, 23701, 23710, 23711, 26420, 26430]
    assert found["machines"]["app1"]["secrets"] == ["DATABASE_URL"]
    assert found["machines"]["lb1"]["ports"] == found["machines"]["lb1"]["secrets"] == []
    assert found["proxies"] == ["lb1"]


def test_with_a_balancer_elsewhere_ports_are_published_everywhere():
    assert addresses(inventory()) == {"app1": ("0.0.0.0", "10.0.0.1"), "app2": ("0.0.0.0", "10.0.0.2")}


def test_one_machine_that_is_everything_publishes_to_itself_only():
    found = config(machines=inventory(apps="box", proxies="box"))["machines"]
    assert found["box"]["parts"] == ["app", "proxy"]
    assert (found["box"]["publish"], found["box"]["address"]) == ("127.0.0.1", "127.0.0.1")


def test_the_only_balancer_among_several_machines_reaches_itself_locally():
    assert addresses(inventory(apps="app1 app2", proxies="app1")) == {
        "app1": ("127.0.0.1", "127.0.0.1"),
        "app2": ("0.0.0.0", "10.0.0.2"),
    }


def test_two_machines_that_are_everything_reach_each_other():
    assert addresses(inventory(apps="a b", proxies="a b")) == {
        "a": ("0.0.0.0", "10.0.0.1"),
        "b": ("0.0.0.0", "10.0.0.2"),
    }


@pytest.mark.parametrize(
    "own, wanted",
    [
        ({"slipway_address": "192.168.7.1"}, ("0.0.0.0", "192.168.7.1")),
        ({"slipway_publish": "192.168.7.1"}, ("192.168.7.1", "192.168.7.1")),
        ({"slipway_publish": "192.168.7.1", "slipway_address": "10.9.9.9"}, ("192.168.7.1", "10.9.9.9")),
        ({"slipway_publish": "::"}, ("::", "10.0.0.1")),
        ({"ansible_host": None}, ("0.0.0.0", "app1")),
    ],
)
def test_what_a_machine_says_for_itself_goes_before_the_defaults(own, wanted):
    assert addresses(inventory(app1=own))["app1"] == wanted


def test_an_address_for_one_machine_opens_its_ports():
    assert addresses(inventory(apps="box", proxies="box", box={"slipway_address": "10.0.0.1"})) == {
        "box": ("0.0.0.0", "10.0.0.1")
    }


@pytest.mark.parametrize(
    "machines, said",
    [
        (
            inventory(app1={"ansible_host": "127.0.0.1"}),
            "slipway_address of app1: lb1 cannot reach app1 there; found 127.0.0.1. Set slipway_address of app1 to an"
            " address that lb1 reaches.",
        ),
        (inventory(app1={"slipway_publish": "127.0.0.1"}), "slipway_publish of app1: lb1 cannot reach app1 there"),
        (inventory(app2={"ansible_host": "10.0.0.1"}), "slipway_address of app2: the same as that of app1"),
        (inventory(app1={"slipway_publish": "eth0"}), "slipway_publish of app1: cannot be used"),
        (inventory(app1={"slipway_address": "a b"}), "slipway_address of app1: cannot be used"),
        (inventory(apps="app1 b@d"), "machine b@d: its name becomes part of the names of servers and files"),
        (inventory(apps="", slipway_apps="app1"), "Did you mean the group slipway_apps?"),
        (inventory(apps=""), "group slipway_app: the inventory does not have it; wanted the machines that carry"),
    ],
)
def test_machines_that_cannot_work_are_refused(machines, said):
    (found,) = problems(site(), machines)
    assert said in found


@pytest.mark.parametrize(
    "group, more, said",
    [
        ("jobz", {"jobs": "app2"}, "hosts: the inventory has no group jobz, did you mean jobs?"),
        ("nothing-like-it", {}, "hosts: the inventory has no group nothing-like-it. Add the group."),
        ("jobs", {"jobs": "app2 other"}, "hosts: the group jobs is not inside slipway_app; found other."),
    ],
)
def test_a_service_on_a_wrong_group_is_refused(group, more, said):
    (found,) = problems(site(services__worker__hosts=group), inventory(**more))
    assert found.startswith("slipway_services.worker.") and said in found


def test_an_empty_group_is_refused():
    machines = inventory()
    machines["groups"]["jobs"] = []
    (found,) = problems(site(services__worker__hosts="jobs"), machines)
    assert "slipway_services.worker.hosts: the group jobs is empty" in found


def test_a_machine_without_services_and_a_strange_group_are_warnings():
    variables = site(services__frontend=None, services__backend=None, traffic=None, services__worker__hosts="jobs")
    found = config(variables, inventory(proxies="", jobs="app1", slipway_proxys="lb1"))
    assert found["warnings"] == [
        "The group slipway_proxys means nothing to Slipway by itself; did you mean slipway_proxy?",
        "app2 is in slipway_app, but no service is placed on it.",
    ]


def test_variables_of_machines_are_brought_together():
    variables = site()
    machines = inventory(
        app1={name: variables[name] for name in variables if name != "slipway_traffic"},
        lb1={"slipway_traffic": variables["slipway_traffic"], "slipway_platform": "shop"},
    )
    assert config({}, machines) == config()


@pytest.mark.parametrize(
    "name, one, two, said",
    [
        (
            "slipway_keep",
            3,
            4,
            "slipway_keep: must be the same on all machines; found 3 (a number) on app1, 4 (a number) on app2",
        ),
        (
            "slipway_watch",
            {"bake": 1, "interval": 1},
            {"bake": 1, "interval": 0.5},
            "slipway_watch.interval: must be the same on all machines; found 1 (a number) on app1",
        ),
        (
            "slipway_secrets",
            {"DATABASE_URL": "planted-a1"},
            {"DATABASE_URL": "planted-b1"},
            "slipway_secrets.DATABASE_URL: must be the same on all machines; found a text (not shown) on app1, a",
        ),
        (
            "slipway_database",
            {"engine": "mysql", "url": "planted-a1"},
            {"engine": "mysql", "url": "planted-b1"},
            "slipway_database.url: must be the same on all machines; found a text (not shown)",
        ),
        (
            "slipway_traffic",
            {"routes": [{"service": "backend"}, {"path": "/a", "service": "frontend"}]},
            {"routes": [{"service": "backend"}, {"path": "/b", "service": "frontend"}]},
            'slipway_traffic.routes[1].path: must be the same on all machines; found "/a" on app1, "/b" on app2.',
        ),
        ("slipway_keep", 3, Unreadable("no", "Do."), "slipway_keep: no (for app2). Do."),
    ],
)
def test_machines_that_disagree_are_refused_at_the_very_place(name, one, two, said):
    variables = site()
    variables.pop(name, None)
    found = problems(variables, inventory(app1={name: one}, app2={name: two}))
    assert len(found) == 1 and said in found[0]
    assert "planted" not in found[0]


def test_what_the_play_says_holds_for_every_machine():
    machines = inventory(app1={"slipway_keep": 3}, app2={"slipway_keep": 4})
    assert config(site(keep=7), machines)["keep"] == 7


def test_a_misspelt_variable_of_one_machine_is_found():
    (found,) = problems(site(), inventory(app2={"slipway_adress": "10.0.0.9"}))
    assert found == "slipway_adress: unknown, did you mean slipway_address?"
