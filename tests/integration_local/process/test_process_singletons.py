# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of which there may be one only takes a lock for as long as it works, and writes down whenever it does not get it."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from tests.integration_local.alone import ALONE, STATES

from .process_site import MACHINE, Killed, Site, make_machine, wait_for


def services(site: Site, version: str, **more: t.Any) -> dict[str, t.Any]:
    """The web, and one worker in the fleet, of the same code."""
    source = {"kind": "directory", "path": site.put(version, **{"alone.py": ALONE})}
    web = site.web(version, source=source, user="app", shared={"directories": ["book"]})
    job = {"command": ["python3", "alone.py", site.platform], "env": {}, "user": "app", "singleton": True, **more}
    return {"web": web, "job": site.worker(**job)}


def lines(site: Site) -> list[str]:
    """What the worker wrote down, of all versions."""
    return site.sh(f"cat {site.base}/shared/web/book/lines").splitlines()


def working(site: Site) -> list[str]:
    """Its processes, however they came to be."""
    return site.sh(f"pgrep -u app -f '^[^ ]*python3 alone.py {site.platform}$'", check=False).splitlines()


def test_the_new_one_starts_when_the_old_one_has_ended_and_the_gap_is_told(managed: Site) -> None:
    site = managed
    site.release("blue", "r1", services(site, "1"))
    wait_for(lambda: lines(site) == ["start 1"])
    second = services(site, "2", env={"MODE": "stubborn"}, stop_grace=1)
    site.run("prepared", "green", "r2", second)
    assert lines(site) == ["start 1"]
    gap = site.run("decided", "green", "r2", second)["handed_over"]["job"]
    assert gap["exact"] and gap["seconds"] > 0
    wait_for(lambda: lines(site) == ["start 1", "end 1", "start 2"])
    site.run("settled", "green", "r2", second)
    third = services(site, "3")
    site.run("prepared", "blue", "r3", third)
    done = site.run("decided", "blue", "r3", third)
    assert "did not end within 1 s after SIGTERM and was killed" in done["warnings"][0]
    wait_for(lambda: lines(site) == ["start 1", "end 1", "start 2", "start 3"])
    assert len(working(site)) == 1
    back = site.run("reverted", "blue", "r3", third, live_side="green")
    assert back["handed_over"]["job"]["exact"]
    wait_for(lambda: lines(site)[-2:] == ["end 3", "start 2"])
    assert len(working(site)) == 1


@pytest.mark.sample(2, of="killed")
@pytest.mark.parametrize("reboot", [False, True], ids=["", "rebooted"])
@pytest.mark.parametrize("kill", range(1, 11))
def test_whatever_is_cut_off_there_is_one_after_the_next_run_and_never_two(
    managed: Site, kill: int, reboot: bool
) -> None:
    site = managed
    site.release("blue", "r1", services(site, "1"))
    wait_for(lambda: lines(site) == ["start 1"])
    second = services(site, "2")
    site.run("prepared", "green", "r2", second)
    with contextlib.suppress(Killed):
        site.run("decided", "green", "r2", second, kill=kill)
    if reboot:
        site.lab.reboot(MACHINE)
        make_machine(site.lab)
        wait_for(lambda: site.observed()["manager"]["ok"])
    for state in STATES:
        site.run(state, "green", "r2", second, live_side="blue")
    wait_for(lambda: lines(site)[-1] == "start 2")
    assert [line for line in lines(site) if line.startswith("twice")] == []
    assert len(working(site)) == 1
    assert site.seen()["job green 1"] == ("running", True)
