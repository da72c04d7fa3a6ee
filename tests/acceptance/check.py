# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true at the end of a release, read from the machines themselves."""

from __future__ import annotations

import typing as t

from tests.shop import Run

from . import machines
from .fleet import Fleet

CLOSING = ("outcome",)


def succeeded(run: Run) -> None:
    """The playbook said that everything went well."""
    assert run.rc == 0, run.output


def refused(run: Run, *words: str) -> None:
    """The playbook failed, and its output has these words."""
    assert run.rc != 0, run.output
    missing = [word for word in words if word not in run.said]
    assert not missing, f"not said: {missing}\n{run.output}"


def all_on(fleet: Fleet, version: str) -> None:
    """Guarantee 5: one version everywhere: it answers, it alone runs, it alone comes back after a reboot; nobody holds a lock."""
    assert fleet.serving() == {proxy: {version} for proxy in fleet.proxies}
    assert machines.each(fleet.apps, lambda machine: runs(fleet, machine)) == dict.fromkeys(fleet.apps, {version})
    assert open_releases(fleet) == {}


def runs(fleet: Fleet, machine: str) -> set[str]:
    """The versions that run on a machine; complains of a container whose restart policy does not fit."""
    found = fleet.containers(machine)
    odd = [one for one in found if one.running != (one.restart not in ("", "no"))]
    assert not odd, f"{machine}: restart policy does not fit: {odd}"
    return {one.version for one in found if one.running}


def sides(fleet: Fleet) -> dict[str, set[str]]:
    """Machine to the sides that run there."""
    return {machine: {one.side for one in fleet.containers(machine) if one.running} for machine in fleet.apps}


def open_releases(fleet: Fleet) -> dict[str, set[str]]:
    """Machine to the releases that its journal has begun and not ended; machines without any are left out."""
    found = {}
    for machine, records in machines.each(fleet.machines, fleet.journal).items():
        begun = {record["release"] for record in records if record["event"] == "begin"}
        ended = {record["release"] for record in records if record["event"] in CLOSING}
        if begun - ended:
            found[machine] = begun - ended
    return found


def untouched(before: t.Mapping[str, list[str]], after: t.Mapping[str, list[str]]) -> None:
    """Two snapshots are the same; says what differs."""
    assert set(before) == set(after)
    for machine, lines in before.items():
        gone = [line for line in lines if line not in after[machine]]
        new = [line for line in after[machine] if line not in lines]
        assert (gone, new) == ([], []), f"{machine} was touched: gone {gone}, new {new}"
