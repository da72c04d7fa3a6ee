# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes on real files: the kernel's flock, and what a killed process leaves."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

FORK = multiprocessing.get_context("fork")


def holder(number):
    return {"host": "ctl", "user": "ann", "pid": number, "pid_start": "1", "boot_id": "c"}


def machine_at(root):
    return Machine(System(), root=root, platform="shop", environment="production")


def in_processes(count, work, *args):
    """Run ``work(number, *args)`` in so many processes that begin together; their answers by number."""
    barrier, answers = FORK.Barrier(count), FORK.Queue()

    def body(number):
        barrier.wait()
        answers.put((number, work(number, *args)))

    processes = [FORK.Process(target=body, args=(number,)) for number in range(1, count + 1)]
    for process in processes:
        process.start()
    got = dict(answers.get(timeout=60) for _process in processes)
    for process in processes:
        process.join()
    return got


def try_to_get(number, root, token):
    try:
        return machine_at(root).grant(ReleaseToken(f"r{token}-{number}", token, holder(number)), 600.0)
    except SlipwayError as error:
        return error.cause


@pytest.mark.parametrize("token", range(1, 6))
def test_of_contending_controllers_one_gets_the_lease(tmp_path, token):
    answers = in_processes(3, try_to_get, str(tmp_path), token)
    assert sorted(map(str, answers.values())) == ["True", "lock_held", "lock_held"]
    winner = next(number for number, answer in answers.items() if answer is True)
    assert machine_at(str(tmp_path)).read().lock.lease.holder["pid"] == winner


def take_notes(number, root):
    for count in range(5):
        with machine_at(root).stage(ReleaseToken("r1", 1, holder(1)), f"stage{number}", 60.0) as step:
            step.note("first", count=count)
            step.note("second", count=count)
    return True


def test_stages_of_several_processes_never_mix_in_the_journal(tmp_path):
    machine = machine_at(str(tmp_path))
    machine.grant(ReleaseToken("r1", 1, holder(1)), 600.0)
    in_processes(3, take_notes, str(tmp_path))
    stages = machine.read().journal.releases[0].stages
    assert len(stages) == 15
    assert all(stage["ok"] for stage in stages)


def stay_in_a_stage(root, ready):
    with machine_at(root).stage(ReleaseToken("r1", 1, holder(1)), "prepare", 60.0):
        ready.send(True)
        signal.pause()


def test_a_killed_process_leaves_neither_the_flock_nor_a_wrong_end(tmp_path):
    machine = machine_at(str(tmp_path))
    machine.grant(ReleaseToken("r1", 1, holder(1)), 600.0)
    receiving, sending = FORK.Pipe(duplex=False)
    process = FORK.Process(target=stay_in_a_stage, args=(str(tmp_path), sending), daemon=True)
    process.start()
    assert receiving.recv()
    release = ReleaseToken("r1", 1, holder(1))
    with pytest.raises(SlipwayError) as caught, machine.stage(release, "prepare", 60.0, wait=0.0):
        pass
    assert caught.value.cause == "flock_timeout"
    assert f"held by process {process.pid} (" in str(caught.value)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    view = machine.read()
    assert [(stage["name"], stage["ok"]) for stage in view.journal.open.stages] == [("prepare", None)]
    assert machine.grant(ReleaseToken("r2", 2, holder(2)), 60.0, takeover=[view.lock.lease._asdict()])
