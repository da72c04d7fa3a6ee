# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of Supervisor beside those of other people, who type what people type."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab import Lab

from .conftest import NUMBERS
from .process_site import MACHINE, QUICK, Site, wait_for

CONFIGURATION = "/etc/supervisor/conf.d"
LIVE, STOPPED = ("running", True), ("stopped", False)


@pytest.fixture
def site(lab: Lab) -> Site:
    return Site(lab, next(NUMBERS), "supervisor")


@pytest.fixture
def foreign(site: Site) -> t.Iterator[t.Callable[[], str]]:
    """The process of a program that somebody else has on this machine."""
    path = f"{CONFIGURATION}/foreign.conf"
    site.lab.exec(MACHINE, ["sh", "-c", f"cat > {path}"], stdin="[program:foreign]\ncommand=sleep 1000\n")
    site.sh("supervisorctl update foreign")
    yield lambda: site.sh("supervisorctl pid foreign")
    site.sh(f"supervisorctl stop foreign; rm -f {path}; supervisorctl update foreign", check=False)


def test_whoever_updates_supervisor_meanwhile_stops_and_starts_nothing_of_a_platform(site: Site, foreign) -> None:
    before = foreign()
    site.release("blue", "r1", {"web": site.web("1"), "job": site.worker()})
    services = {"web": site.web("2"), "job": site.worker()}
    live = site.pids("blue")
    for state in ("prepared", "decided"):
        assert "slipway" not in site.sh("supervisorctl update")
        site.run(state, "green", "r2", services)
    assert site.seen()["job green 1"] == LIVE
    site.run("reverted", "green", "r2", services, live_side="blue")
    site.run("paused", "green", "r2", services, live_side="blue")
    assert "slipway" not in site.sh("supervisorctl update")
    assert {status for status, _boot in site.seen().values()} == {"stopped"}
    site.run("reverted", "green", "r2", services, live_side="blue")
    assert set(site.pids("blue")) == set(live)
    assert foreign() == before


@pytest.mark.parametrize("command", ["supervisorctl reload", "systemctl restart supervisor"])
def test_the_live_side_alone_comes_back_when_supervisord_starts_anew(site: Site, command: str) -> None:
    site.release("blue", "r1", {"web": site.web("1"), "job": site.worker()})
    site.run("prepared", "green", "r2", {"web": site.web("2"), "job": site.worker()})
    before = site.pids("blue")
    site.sh(command)
    wait_for(site.supervisor_answers)
    wait_for(lambda: len(site.pids("blue")) == 2 and not set(site.pids("blue").values()) & set(before.values()))
    wait_for(lambda: site.get("blue") == "1")
    assert site.seen() == {
        "web blue 1": LIVE,
        "job blue 1": LIVE,
        "web green 1": STOPPED,
        "job green 1": STOPPED,
    }


def test_a_configuration_that_somebody_broke_is_named_and_the_live_side_left_alone(site: Site) -> None:
    site.release("blue", "r1", {"web": site.web("1")})
    before = site.pids("blue")
    site.sh(f"printf '[program:broken]\\nnumprocs=many\\ncommand=true\\n' > {CONFIGURATION}/broken.conf")
    try:
        error = site.failure("prepared", "green", "r2", {"web": site.web("2")})
        assert (error["cause"], "broken.conf" in error["actual"]) == ("manager", True)
        assert "Correct the configuration" in error["remedy"]
        assert site.pids("blue") == before
    finally:
        site.sh(f"rm {CONFIGURATION}/broken.conf")
    site.release("green", "r2", {"web": site.web("2")})
    assert site.get("green") == "2"


def test_a_program_of_the_same_name_that_somebody_wrote_is_left_alone(site: Site) -> None:
    path = f"{CONFIGURATION}/slipway-{site.platform}.test.web.blue.conf"
    text = f"[program:{site.name('blue')}]\ncommand=sleep 1000\n"
    site.lab.exec(MACHINE, ["sh", "-c", f"cat > {path}"], stdin=text)
    site.sh(f"supervisorctl update {site.name('blue')}")
    pid = site.sh(f"supervisorctl pid {site.name('blue')}")
    error = site.failure("prepared", "blue", "r1", {"web": site.web("1")})
    assert (error["cause"], error["object"]) == ("foreign_unit", path)
    assert site.sh(f"supervisorctl pid {site.name('blue')}; cat {path}") == f"{pid}\n{text.strip()}"
    site.sh(f"supervisorctl stop {site.name('blue')}; rm {path}; supervisorctl update {site.name('blue')}")


def test_logs_that_supervisor_rotates_by_itself_lose_no_line(site: Site) -> None:
    unit = {"stdout_logfile_maxbytes": "1KB", "stdout_logfile_backups": 1000}
    services = {"web": site.web("1", env={"MODE": "chatty"}, unit=unit)}
    site.run("prepared", "blue", "r1", services)
    wait_for(lambda: site.sh(f"ls {site.log('blue')}*").count("\n") > 3)
    site.run("prepared", "blue", "r1", {"web": site.web("2")})
    told = site.sh(f"cat {site.log('blue')}*").splitlines()
    numbers = sorted(int(line.split()[-1]) for line in told if line.startswith("1 line "))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 100


def test_what_supervisor_cannot_do_is_refused_before_anything_is_touched(site: Site) -> None:
    for more, wrong in (
        ({"unit": {"MemoryMax": "1G"}}, "unit.MemoryMax"),
        ({"unit": {"priority": "first"}}, "unit.priority"),
        ({"unit": {"autostart": True}}, "unit.autostart"),
        ({"notify": True}, "notify"),
        ({"user": ""}, "user"),
    ):
        error = site.failure("prepared", "blue", "r1", {"web": site.web("1", **more)})
        assert (error["cause"], error["object"]) == ("invalid", f"services.web.{wrong}")
    assert site.sh(f"ls {site.base} {CONFIGURATION}/slipway-{site.platform}.* 2>/dev/null || true") == ""
    services = {"web": site.web("1", unit={"priority": 5, "stopsignal": "INT", "stdout_logfile_maxbytes": "1KB"})}
    site.run("prepared", "blue", "r1", services)
    assert not site.run("prepared", "blue", "r1", services)["changed"]


def test_where_supervisor_does_not_run_nothing_is_touched_and_it_is_said(site: Site) -> None:
    site.sh("systemctl stop supervisor")
    try:
        error = site.failure("prepared", "blue", "r1", {"web": site.web("1", health=QUICK)})
        assert (error["cause"], "package supervisor" in error["remedy"]) == ("manager_missing", True)
        assert site.observed()["manager"]["ok"] is False
        assert site.sh(f"ls {site.base} 2>/dev/null || true") == ""
    finally:
        site.sh("systemctl start supervisor")
