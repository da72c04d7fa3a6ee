# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One release at a time (guarantee 2), whatever happens to holders, clocks and cables."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.shop.site import kill

from . import check, machines
from .arena import Arena
from .fleet import Fleet
from .interruption import IMPATIENT, Customers, CutRun, Point, at_work, locks

sampled = pytest.mark.sample(1)

# Waits at the balancer, with a lease for as long as the whole stage may take.
SHIFTING = Point("shift", "inside", "kill", "lb1")
ELSEWHERE = "elsewhere"


def begin(fleet: Fleet, point: Point, version: str, *args: str, **env: str) -> CutRun:
    """A release that has stopped itself at a point."""
    run = CutRun(fleet, point, "-e", f"slipway_version={version}", *args, **env)
    assert run.stopped(), run.ended().output
    return run


def releases(fleet: Fleet) -> dict[str, set[str]]:
    """Machine to the releases that its journal knows."""
    return {machine: {record["release"] for record in fleet.journal(machine)} for machine in fleet.machines}


def held(fleet: Fleet, first: CutRun, *words: str) -> None:
    """A second release is refused by its first remote task, told who holds the lock, and leaves no trace."""
    before = releases(fleet)
    run = fleet.deploy("1.0.0")
    check.refused(run, "is under way", "its lock ends in", " since 20", f"process {first.process.pid}", *words)
    assert "Take the lock" not in run.output
    assert releases(fleet) == before


def said_before(process: subprocess.Popen[str], words: str) -> str:
    """What it says, up to the line with these words, or to its end."""
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if words in line:
            break
    return "".join(lines)


def test_a_second_release_is_refused_or_waits(arena: Arena) -> None:
    """It names who holds the lock, from where, since when and until when; with slipway_lock_wait it goes on by itself."""
    fleet = arena.case()
    first = begin(fleet, SHIFTING, arena.after)
    with contextlib.ExitStack() as ends:
        with at_work(first):
            held(fleet, first, f"{getpass.getuser()} on {socket.gethostname()}")
            second = ["-e", f"slipway_version={arena.before}", "-e", "slipway_lock_wait=10m"]
            waiting = fleet.site.start("deploy.yml", *second)
            ends.callback(kill, waiting)
            says = said_before(waiting, "waiting for release")
            assert f"on {socket.gethostname()} (process {first.process.pid})" in says, says
        assert first.ended().rc == 0, says + first.ended().output  # the second one's countdown tells the time
        rest, _none = waiting.communicate()
        assert waiting.returncode == 0, says + rest
    arena.ends_on(fleet, arena.before)


@sampled
def test_two_releases_that_start_together_never_both_go_on(arena: Arena) -> None:
    """Each may have been granted some machines; whoever has not got all of them gives them back."""
    fleet = arena.case()
    runs = [fleet.site.start("deploy.yml", "-e", f"slipway_version={arena.after}") for _run in range(2)]
    said = [run.communicate()[0] for run in runs]
    passed = [run.returncode for run in runs].count(0)
    assert passed < 2, said
    refused = [text for run, text in zip(runs, said) if run.returncode]
    assert all("lock" in text for text in refused), refused
    arena.ends_on(fleet, arena.after if passed else arena.before)


def test_a_release_that_some_machines_refuse_gives_back_what_the_others_have_granted(arena: Arena) -> None:
    """Between its reading and its lock another one has taken two of three machines."""
    fleet = arena.case()
    first = begin(fleet, Point("lock", "begin", "stop"), arena.after)
    all_of_them, fleet.apps = fleet.apps, ["app1"]
    fleet.write_inventory()
    other = begin(fleet, SHIFTING, arena.after)
    fleet.apps = all_of_them
    fleet.write_inventory()
    with at_work(other):
        first.go_on()
        refused = first.ended()
        check.refused(refused, "lock: 2 of 3 machines did not pass", f"process {other.process.pid}")
        assert locks(fleet)["app2"]["lease"] is None, refused.output
    check.succeeded(other.ended())
    check.succeeded(fleet.deploy(arena.after))
    arena.ends_on(fleet, arena.after)


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of another controller: a boot id and a host name of its own."""
    boot_id, wrapper = tmp_path / "boot_id", tmp_path / "ansible-playbook"
    boot_id.write_text(f"{uuid.uuid4()}\n")
    ours = Path(sys.executable).parent
    inside = f"mount --bind {boot_id} /proc/sys/kernel/random/boot_id; echo {ELSEWHERE} >/proc/sys/kernel/hostname"
    wrapper.write_text(
        f'#!/bin/sh\nexec unshare --mount --uts sh -ec \'{inside}; exec {ours}/ansible-playbook "$@"\' sh "$@"\n'
    )
    wrapper.chmod(0o755)
    return {"PATH": os.pathsep.join([str(tmp_path), str(ours), os.environ["PATH"]])}


@sampled
def test_a_lease_runs_out_and_its_holder_comes_back_late(arena: Arena, elsewhere: dict[str, str]) -> None:
    """Nobody here knows whether a process elsewhere lives: it is waited for, replaced, and powerless from then on."""
    fleet = arena.case()
    first = begin(fleet, SHIFTING, arena.after, **elsewhere)
    with at_work(first):
        held(fleet, first, f"on {ELSEWHERE}")
        os.kill(first.process.pid, signal.SIGSTOP)
    second = fleet.deploy(arena.after, "-e", "slipway_lock_wait=10m")
    check.succeeded(second)
    assert f"on {ELSEWHERE} (process {first.process.pid}); its lock ends in" in second.said
    arena.ends_on(fleet, arena.after)
    powerless(fleet, first)


STAGES = ("prepare", "decision", "shift", "settle")


@sampled
@pytest.mark.parametrize("stage", STAGES)
def test_a_broken_lock_does_not_come_back_to_life(arena: Arena, stage: str) -> None:
    """Unlock says first what it would break; whoever had the lock then does nothing more, at any stage."""
    fleet = arena.case()
    first = begin(fleet, Point(stage, "begin", "stop"), arena.after)
    check.refused(fleet.play("unlock.yml"), "slipway_break_glass=true", f"process {first.process.pid}")
    check.succeeded(fleet.play("unlock.yml", "-e", "slipway_break_glass=true"))
    check.succeeded(fleet.deploy(arena.after))
    arena.ends_on(fleet, arena.after)
    powerless(fleet, first)


def powerless(fleet: Fleet, first: CutRun) -> None:
    """A run that was replaced goes on: it is refused, and changes nothing."""
    before = fleet.snapshot()
    first.go_on()
    check.refused(first.ended(), "does not hold the lock of this machine")
    check.untouched(before, fleet.snapshot())


FAKED = ("-e", "ansible_python_interpreter=/usr/local/bin/python3-faketime")


@sampled
def test_a_wall_clock_that_jumps_decides_nothing(arena: Arena) -> None:
    """A lease neither ends nor lives longer because a machine's clock was set an hour back or forward meanwhile."""
    fleet = arena.case()
    first = begin(fleet, SHIFTING, arena.after, *FAKED)
    with at_work(first):
        for offset in ("+1h", "-1h"):
            set_clock(fleet, offset)
            run = fleet.deploy("1.0.0", *FAKED)
            check.refused(run, "is under way", f"process {first.process.pid}")
            left = float(run.said.partition("its lock ends in ")[2].split()[0])
            assert 0 < left < 300, run.said
    check.succeeded(first.ended())
    set_clock(fleet, "+0")
    arena.ends_on(fleet, arena.after)


def set_clock(fleet: Fleet, offset: str) -> None:
    """Shift the wall clock of a host and of the balancer, as their modules see it."""
    script = f"echo {offset} >/etc/slipway-lab-faketime"
    machines.each(["app2", "lb1"], lambda name: machines.shell(fleet.lab, name, script))


# What serves while a machine is cut off from the controller since the beginning of a stage.
CUT_OFF = {
    ("prepare", "app2"): "before",
    ("prepare", "lb1"): "before",
    ("shift", "app2"): "before",
    ("shift", "lb1"): "before",
    ("settle", "app2"): "after",
    ("settle", "lb1"): "after",
}


@sampled
@pytest.mark.parametrize(("stage", "machine"), CUT_OFF)
def test_a_machine_is_cut_off(arena: Arena, stage: str, machine: str) -> None:
    """Customers are served one version, by every run until the machine is back; the next one then repairs."""
    fleet = arena.case()
    serving = getattr(arena, CUT_OFF[(stage, machine)])
    with contextlib.nullcontext() if machine == "lb1" else Customers(fleet) as customers:
        first = begin(fleet, Point(stage, "begin", "stop"), arena.after, **IMPATIENT)
        fleet.lab.partition(machine)
        first.go_on()
        check.refused(first.ended(), f"{machine}: unreachable")
        assert answers(fleet) == {serving}
        check.refused(fleet.deploy(arena.after, **IMPATIENT), machine)
        assert answers(fleet) == {serving}
        fleet.lab.heal(machine)
        check.succeeded(fleet.deploy(arena.after, **IMPATIENT))
        arena.ends_on(fleet, arena.after)
        if customers:
            customers.all_served()


def answers(fleet: Fleet) -> set[str]:
    """The versions that the balancer answers with, asked on its own machine."""
    script = (
        "for n in 1 2 3 4 5 6 7 8; do curl -fs localhost/version; echo; curl -fs localhost/api/slow?ms=1; echo; done"
    )
    return set(re.findall(r'"version": ?"([^"]+)"', machines.shell(fleet.lab, "lb1", script)))
