# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets that systemd holds, and services of which both sides have one port."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process import acts
from ansible_collections.slipway.deploy.plugins.module_utils.process.directives import refuse_unknown
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.sides import decide
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import (
    Order,
    Scope,
    SecretPlaces,
    wanted_program,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.systemd import Systemd
from ansible_collections.slipway.deploy.plugins.module_utils.process.systemd_socket import socket_files
from ansible_collections.slipway.deploy.plugins.module_utils.process.systemd_unit import unit_text
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import (
    STATES,
    Killed,
    World,
)

UP, READY, KEPT = ("running", True), ("running", False), ("stopped", False)


def program(side="blue", publish="", **more):
    ports = {"blue": [20000, 20001], "green": [20010, 20011]}
    option = {"source": {"kind": "directory"}, "command": ["run"], "port": 1, "ports": ports, "replicas": 2, **more}
    service = parse_services({"web": option}, side)[0]
    order = Order(Scope("p", "e", "/state", "/code"), side, "r1", "1", "i", publish, [service], {})
    return wanted_program(order, service, "/tree", "digest", SecretPlaces({}, lambda number, name: ""))


def test_a_unit_needs_the_socket_of_its_own_side_and_replica():
    lines = unit_text(program(socket=True), "/environment").splitlines()
    name = "slipway-p.e.web.blue@%i.socket"
    assert {f"Requires={name}", f"After={name}", f"Sockets={name}"} <= set(lines)
    files = socket_files(program(socket=True))
    assert list(files) == ["slipway-p.e.web.blue@1.socket", "slipway-p.e.web.blue@2.socket"]
    text = files["slipway-p.e.web.blue@2.socket"]
    assert "ListenStream=0.0.0.0:20001" in text and "StopWhenUnneeded=yes" in text
    assert socket_files(program()) == {} and "Sockets" not in unit_text(program(), "/environment")


def test_both_sides_of_one_port_get_one_socket_which_starts_neither():
    ports = dict.fromkeys(("blue", "green"), [20000, 20001])
    blue, green = (program(side, socket=True, strategy="reload", ports=ports) for side in ("blue", "green"))
    assert socket_files(blue) == socket_files(green)
    assert list(socket_files(blue)) == [
        "slipway-p.e.web.20000@1.socket",
        "slipway-p.e.web.20000@2.socket",
        "slipway-p.e.web.20000@.service",
    ]
    nothing = socket_files(blue)["slipway-p.e.web.20000@.service"]
    assert "ExecStart=/bin/true" in nothing and "PartOf=slipway-p.e.web.20000@%i.socket" in nothing


@pytest.mark.parametrize(
    ("publish", "address"), [("10.0.0.1", "10.0.0.1:20000"), ("::", "[::]:20000"), ("0.0.0.0", "0.0.0.0:20000")]
)
def test_a_socket_is_on_the_address_that_ports_are_published_on(publish, address):
    text = socket_files(program(publish=publish, socket=True))["slipway-p.e.web.blue@1.socket"]
    assert f"ListenStream={address}\n" in text


def test_with_a_socket_it_is_another_specification_and_without_the_same_as_ever():
    assert program().labels.spec != program(socket=True).labels.spec
    assert program().labels.spec == program(socket=False).labels.spec


def test_sockets_go_with_the_last_unit_that_gets_them(tmp_path):
    manager = Systemd(System(), str(tmp_path / "code"), str(tmp_path))
    manager._ask = lambda *argv, **_more: ""
    ports = dict.fromkeys(("blue", "green"), [20000, 20001])
    for side in ("blue", "green"):
        manager.define(program(side, socket=True, strategy="reload", ports=ports))
    assert manager.is_defined(program("blue", socket=True, strategy="reload", ports=ports))
    names = ["slipway-p.e.web.blue@2.service", "slipway-p.e.web.green@2.service"]
    assert manager.shares_port(*names)
    (tmp_path / "slipway-p.e.web2.20040@1.socket").write_text("of another service")
    manager.define(program("green", socket=True))
    assert not manager.shares_port(*names)
    assert len(list(tmp_path.glob("slipway-p.e.web.20000@*"))) == 3
    manager.forget(program("blue").labels)
    assert list(tmp_path.glob("slipway-p.e.web.20000@*")) == []
    manager.define(program("green"))
    assert sorted(path.name for path in tmp_path.glob("slipway-*")) == [
        "slipway-p.e.web.green@.service",
        "slipway-p.e.web2.20040@1.socket",
    ]


@pytest.mark.parametrize("manager", ["supervisor", "pm2"])
def test_only_systemd_holds_a_socket(manager):
    with pytest.raises(SlipwayError) as caught:
        refuse_unknown(manager, program(socket=True, user="shop").service)
    assert (caught.value.cause, caught.value.obj) == ("invalid", "services.web.socket")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"port": None, "socket": True}, "port"),
        ({"traffic": False, "strategy": "reload"}, "strategy"),
        ({"strategy": "rolling"}, "strategy"),
        ({"socket": "yes"}, "socket"),
    ],
)
def test_what_has_no_port_has_nothing_to_hold_or_hand_over(more, where):
    with pytest.raises(SlipwayError) as caught:
        program(**more)
    assert (caught.value.cause, caught.value.obj) == ("invalid", f"services.web.{where}")


class InPlace(World):
    """Both sides of the web have one port, beside an api that has two."""

    def __init__(self, root, shared):
        super().__init__(root)
        self.manager.shares_port = lambda one, other: shared
        self.together = set()
        self.manager.watch = self.look

    def services(self, version, **more):
        found = super().services(version, **more)
        one = {**found["web"], "replicas": 1}
        web = {**one, "ports": dict.fromkeys(("blue", "green"), self.ports["blue"]), "strategy": "reload"}
        api = {**one, "ports": dict.fromkeys(("blue", "green"), self.ports["green"])}
        return {"web": web, "api": api}

    def look(self):
        """How many of the web run at once."""
        up = [name for name, (status, _boot) in self.seen().items() if "web" in name and status == "running"]
        self.together.add(len(up))

    def decided(self, version, **more):
        order = self.order("green", f"r{version}", self.services(version), **more)
        return decide(order, self.system, self.manager, lambda name, **_: None, probe=self.probe)


@pytest.mark.parametrize("shared", [True, False])
def test_a_port_is_taken_over_after_or_before_the_other_ends(tmp_path, shared):
    world = InPlace(str(tmp_path), shared)
    world.release("blue", "r1", world.services(1))
    world.run("prepared", "green", "r2", world.services(2))
    assert (world.seen()["web r2 1"], world.seen()["api r2 1"]) == (KEPT, READY)
    world.together.clear()
    world.decided(2)
    assert world.together == ({1, 2} if shared else {0, 1})
    assert world.seen() == {"web r1 1": KEPT, "api r1 1": UP, "web r2 1": UP, "api r2 1": UP}
    world.run("settled", "green", "r2", world.services(2))
    world.together.clear()
    assert not world.decided(2).result()["changed"] and world.together == set()


@pytest.mark.parametrize("shared", [True, False])
def test_what_answers_wrongly_at_the_port_is_taken_back(tmp_path, shared):
    world = InPlace(str(tmp_path), shared)
    world.release("blue", "r1", world.services(1))
    world.run("prepared", "green", "r2", world.services(2))
    world.ill = {"r2"}
    with pytest.raises(SlipwayError) as caught:
        world.decided(2)
    assert (caught.value.cause, list(caught.value.evidence["processes"])) == (
        "status",
        ["slipway-shop.test.web.green@1"],
    )
    world.together.clear()
    world.run("reverted", "green", "r2", world.services(2), live_side="blue")
    assert world.together == ({1, 2} if shared else {0, 1})
    assert world.seen() == {"web r1 1": UP, "api r1 1": UP, "web r2 1": KEPT, "api r2 1": KEPT}
    assert not world.run("reverted", "green", "r2", world.services(2), live_side="blue")["changed"]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("back", [False, True], ids=["and gone on with", "and taken back"])
@pytest.mark.parametrize("rebooted", [False, True], ids=["", "and the machine rebooted"])
def test_it_is_cut_off_at_any_change(tmp_path, monkeypatch, shared, back, rebooted):
    monkeypatch.setattr(acts, "WORKER_MINIMUM", 0.0)
    for change in range(1, 99):
        world = InPlace(f"{tmp_path}/{change}", shared)
        world.release("blue", "r1", world.services(1))
        world.run("prepared", "green", "r2", world.services(2))
        world.fuse.arm(change)
        try:
            world.decided(2)
        except Killed:
            world.fuse.arm(None)
        else:
            break
        if rebooted:
            world.manager.reboot()
            assert [name for name in world.seen() if "web" in name and world.seen()[name] == UP]
        for state in ("reverted",) if back else STATES:
            world.run(state, "green", "r2", world.services(2), live_side="blue")
        new, old = (KEPT, UP) if back else (UP, KEPT)
        assert world.seen() == {"web r1 1": old, "api r1 1": old, "web r2 1": new, "api r2 1": new}
    assert change > 5


def test_the_whole_side_stops_and_comes_back_with_what_has_its_port_in_turn(tmp_path):
    world = InPlace(str(tmp_path), True)
    world.release("blue", "r1", world.services(1))
    world.run("paused", "green", "r2", world.services(2))
    assert world.seen() == {"web r1 1": ("stopped", True), "api r1 1": ("stopped", True)}
    world.run("reverted", "green", "r2", world.services(2))
    assert world.seen() == {"web r1 1": UP, "api r1 1": UP}
    world.run("workers_paused", "green", "r2", world.services(2))
    assert world.seen() == {"web r1 1": UP, "api r1 1": UP}


def test_a_service_that_ceases_to_have_one_port_is_left_where_it_is_until_the_end(tmp_path):
    world = InPlace(str(tmp_path), True)
    world.release("blue", "r1", world.services(1))
    services = world.services(2)
    services["web"].update(strategy=None, ports={"blue": [1], "green": [a_free_port(world)]})
    world.run("prepared", "green", "r2", services)
    world.run("decided", "green", "r2", services)
    assert (world.seen()["web r1 1"], world.seen()["web r2 1"]) == (UP, UP)
    world.run("settled", "green", "r2", services)
    assert (world.seen()["web r1 1"], world.seen()["web r2 1"]) == (KEPT, UP)


def a_free_port(world):
    """A port that nobody listens on."""
    return world.ports["green"][1]
