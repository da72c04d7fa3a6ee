# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that are examined, and machines that are rebooted one after the other under load."""

from __future__ import annotations

import contextlib
import threading
import typing as t

import pytest

from tests.lab.engine import inspect
from tests.lab.load import LoadRun

from . import check
from .fleet import Fleet
from .interruption import locks

LOOK = 0.1  # seconds between two looks whether a machine has shut itself down
# What shuts a machine of the lab down in order, which then stays down: it has no firmware that would start it.
OFF = "systemctl reboot"


@contextlib.contextmanager
def firmware(fleet: Fleet, names: t.Sequence[str]) -> t.Iterator[list[str]]:
    """Start every machine again that has shut itself down; which, in this order."""
    started: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            for name in names:
                state = inspect("container", fleet.lab.container(name))
                if state is not None and not state["State"]["Running"]:
                    started.append(name)
                    fleet.lab.start(name)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield started
    finally:
        over.set()
        thread.join()


@pytest.mark.sample(4)
def test_the_doctor_says_what_is_wrong_and_changes_nothing(live: Fleet) -> None:
    """Two faults of two kinds: with the error it ends with 2, with the warning alone with 0."""
    live.lab.exec("app2", ["touch", "/run/reboot-required"])
    found = live.play("slipway.deploy.doctor")
    check.succeeded(found)
    assert "warning app2: reboot: the machine wants to be rebooted" in found.said
    assert "an update asks for it" in found.said and "slipway.deploy.reboot" in found.said
    live.lab.exec("lb1", ["systemctl", "stop", "haproxy"])
    try:
        found = live.play("slipway.deploy.doctor")
    finally:
        live.lab.exec("lb1", ["systemctl", "start", "haproxy"])
        live.lab.exec("app2", ["rm", "/run/reboot-required"])
    check.refused(found, "ERROR lb1: release: ", "HAProxy is not running", "the next release would be refused")
    assert "changed=0" in found.said and "changed=1" not in found.said


@pytest.mark.sample(4)
def test_a_machine_that_cannot_be_reached_is_a_finding(live: Fleet) -> None:
    live.lab.partition("app1")
    try:
        found = live.play("slipway.deploy.doctor", ANSIBLE_TIMEOUT="3")
    finally:
        live.lab.heal("app1")
    check.refused(found, "app1: connection: the machine cannot be reached")


@pytest.mark.sample(6, among="journeys")
def test_machines_are_rebooted_one_after_the_other_and_no_request_fails(live: Fleet, record_property: t.Any) -> None:
    """Those that want to be, and that others can stand in for; under load, and with the lock of releases."""
    live.write_variables(vm_provision_reboot_command=OFF)
    before = {machine: live.lab.boot_id(machine) for machine in live.machines}
    for machine in live.machines:
        live.lab.exec(machine, ["touch", "/run/reboot-required"])  # which is gone after a reboot, as /run is
    with LoadRun(live.url, rate=50) as load, firmware(live, live.machines) as started:
        run = live.play("slipway.deploy.reboot")
        result = load.stop()
    check.succeeded(run)
    assert started == live.apps
    assert "lb1: left alone, lb1 is the only balancer" in run.said
    again = {machine for machine in live.machines if live.lab.boot_id(machine) != before[machine]}
    assert again == set(live.apps)
    check.all_on(live, "1.0.0")
    live.lab.exec("lb1", ["rm", "/run/reboot-required"])
    assert "no machine wants to be rebooted" in live.play("slipway.deploy.reboot").said
    record_property("requests", result.requests)
    assert result.failed == 0, (result.causes, result.failures[:5])


@pytest.mark.sample(4)
def test_the_machines_after_one_that_does_not_come_back_are_left_alone(live: Fleet) -> None:
    """Nothing reboots at all: it has the traffic again, the lock is free everywhere, and nobody noticed."""
    live.write_variables(vm_provision_reboot_command="true", vm_provision_reboot_timeout=10)
    before = {machine: live.lab.boot_id(machine) for machine in live.apps}
    run = live.play("slipway.deploy.reboot", "-e", "reboot_all=true")
    check.refused(run, "app1 did not come back", "The machines after it were left alone")
    assert {machine: live.lab.boot_id(machine) for machine in live.apps} == before
    assert {machine: lock["lease"] for machine, lock in locks(live).items()} == dict.fromkeys(live.machines)
    check.all_on(live, "1.0.0")


@pytest.mark.sample(4)
def test_nothing_is_rebooted_while_a_release_has_to_be_finished(live: Fleet) -> None:
    """A journal without an outcome, as a killed controller leaves it."""
    state = "/var/lib/slipway/shop/production"
    live.lab.exec("app1", ["cp", "-p", f"{state}/journal.jsonl", "/run/journal.kept"])
    live.lab.exec("app1", ["touch", "/run/reboot-required"])
    live.lab.exec("app1", ["sed", "-i", '/"event":"outcome"/,$d', f"{state}/journal.jsonl"])
    try:
        check.refused(
            live.play("slipway.deploy.reboot"), "was interrupted and has to be finished first", "Nothing was rebooted"
        )
        found = live.play("slipway.deploy.doctor")
    finally:
        live.lab.exec("app1", ["cp", "-p", "/run/journal.kept", f"{state}/journal.jsonl"])
        live.lab.exec("app1", ["rm", "/run/reboot-required"])
    assert "was interrupted and has to be finished" in found.said
