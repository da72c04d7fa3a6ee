# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that stays between the stages of a release: real processes on this machine, through a shell."""

from __future__ import annotations

import concurrent.futures
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import RELEASE_STATE
from ansible_collections.slipway.deploy.plugins.module_utils.stages.launch import short, socket_of
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import HostEngine, checked

RELEASE = "1.1.0-20260101T000000Z-abcd"


class Place:
    """Engines in a directory, and the process that stays there."""

    def __init__(self, root):
        self.root = root
        self.engine = HostEngine(self._shell, sys.executable, str(root), RELEASE)
        assert self.engine.install()
        self.launcher = f"{self.engine.directory}/run.py"
        self.staying = None

    @staticmethod
    def _shell(command, sent):
        done = subprocess.run(["sh", "-c", command], input=sent, capture_output=True, check=False)
        return {"rc": done.returncode, "stdout": done.stdout.decode(), "stderr": done.stderr.decode()}

    def stay(self):
        """Start it as a stage would, and wait until it has imported everything: it answers nobody before."""
        self.staying = subprocess.Popen([sys.executable, self.launcher, "--stay", RELEASE])
        while not self.sockets():
            assert self.staying.poll() is None
        return self.staying

    def run(self, state="read", **params):
        given = {"platform": "shop", "environment": "test", "root": str(self.root), "state": state, **params}
        return self.engine.run("release_state", checked(given, RELEASE_STATE), check=False)

    def acting(self, state, **params):
        return self.run(state, release={"id": RELEASE, "token": 1, "holder": {}}, **params)

    def sockets(self):
        return [name for name in os.listdir(self.engine.directory) if name.endswith(".sock")]

    def lose_the_engine(self):
        """What is imported works on; who would start by itself could not."""
        for path in Path(self.engine.directory, "slipway", "stages").rglob("entry*"):
            path.unlink()


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    if made.staying is not None:
        made.staying.kill()
        made.staying.wait()


def children_of(pid):
    """Those that are at work; one that has ended has an empty command line (proc(5))."""
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if Path(f"/proc/{child}/cmdline").read_bytes()]


def test_a_stage_is_done_by_the_process_that_stays(place):
    place.stay()
    place.run()  # it has answered, so all is imported
    place.lose_the_engine()
    assert place.acting("granted")["lease"]["release_id"] == RELEASE
    assert place.run()["lease"]["release_id"] == RELEASE


def test_it_ends_with_the_last_stage_of_its_release_and_leaves_no_socket(place):
    process = place.stay()
    place.acting("granted")
    assert place.acting("recorded", outcome="succeeded")["journal"]["releases"][-1]["outcome"] == "succeeded"
    assert process.wait() == 0
    assert place.sockets() == []


def test_it_ends_when_nothing_comes(place):
    code = f"from slipway.stages.stay import stay; stay({str(place.root / 'a.sock')!r}, 0.01)"
    done = subprocess.run([sys.executable, "-c", code], cwd=place.engine.directory, check=False)
    assert done.returncode == 0
    assert not (place.root / "a.sock").exists()


def test_a_stage_whose_process_was_killed_is_not_done_by_itself_again(place):
    process = place.stay()
    place.acting("granted")
    lock = os.open(place.root / "shop" / "test" / "machine.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)  # the stage waits for it
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stage = pool.submit(place.acting, "recorded", outcome="succeeded")
        while not (found := children_of(process.pid)):
            assert not stage.done()
        os.kill(found[-1], signal.SIGKILL)
        result = stage.result()
    os.close(lock)
    assert (result["failed"], result["error"]["cause"]) == (True, "no_result")
    assert place.run()["journal"]["releases"][-1]["outcome"] != "succeeded"


def test_without_it_a_stage_starts_by_itself_and_a_dead_socket_goes(place):
    process = place.stay()
    process.kill()
    process.wait()
    assert place.sockets()  # nobody listens at it
    assert place.acting("granted")["lease"]["release_id"] == RELEASE
    while not answers(place):  # it has left another one behind, which puts its own in the place of the dead one
        pass
    assert place.acting("recorded", outcome="reverted")["journal"]["releases"][-1]["outcome"] == "reverted"


def answers(place):
    with socket.socket(socket.AF_UNIX) as there, short(socket_of(place.launcher, RELEASE)) as path:
        return there.connect_ex(path) == 0


def test_what_only_looks_leaves_no_process_behind(place):
    looking = HostEngine(place._shell, sys.executable, str(place.root))
    looking.run(
        "release_state",
        checked({"platform": "a", "environment": "b", "root": str(place.root)}, RELEASE_STATE),
        check=False,
    )
    assert place.sockets() == []


def test_a_directory_whose_path_is_too_long_for_a_socket_has_one_all_the_same(tmp_path):
    place = Place(tmp_path / ("x" * 200))
    place.stay()
    place.run()
    place.lose_the_engine()
    assert place.acting("granted")["lease"]["release_id"] == RELEASE
    assert place.acting("recorded", outcome="reverted")["journal"]["releases"][-1]["outcome"] == "reverted"
    assert place.staying.wait() == 0
