# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that start programs, and processes with what they have started."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.family import (
    Family,
    processes,
    read_process,
    stop_all,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.launch import (
    Launchers,
    refuse_without_user,
    start_text,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.manager import RUNNING, Found
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import (
    Order,
    Program,
    Scope,
    SecretPlaces,
    wanted_program,
)
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

ME = pwd.getpwuid(os.getuid())


def program(**more) -> Program:
    option = {
        "source": {"kind": "directory"},
        "command": ["run"],
        "port": 1,
        "ports": {"blue": [1, 2]},
        "user": ME.pw_name,
        **more,
    }
    service = parse_services({"web": option}, "blue")[0]
    order = Order(Scope("p", "e", "/state", "/code"), "blue", "r1", "1", "i", "", [service], {"T": "s3cret"})
    stored = {name: f"/stored/{name}" for name in service.secrets}
    return wanted_program(
        order, service, "/tree", "digest", SecretPlaces(stored, lambda number, name: f"/{number}/{name}")
    )


def test_words_and_values_go_through_the_shell_unchanged(tmp_path):
    hard = "a'b\"c`d $HOME ${HOME} \\ \n;#é "
    words = ["printf", "%s|", hard.replace("${HOME}", ""), "${A}x${REPLICA}", "$A", "`x`"]
    text = start_text(program(command=words, env={"A": hard}), {"A": hard, "REPLICA": "7"})
    text = text.replace("cd '/tree' || exit 125\n", "")
    path = tmp_path / "start"
    path.write_text(text)
    done = subprocess.run(["/bin/sh", str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"{word}|" for word in (words[2], f"{hard}x7", "$A", "`x`"))


def test_a_program_becomes_its_user_in_its_directory():
    other = next(entry for entry in pwd.getpwall() if entry.pw_uid != os.geteuid())
    lines = start_text(program(command=["bin/run"], user=other.pw_name), {"PORT": "1"}).splitlines()
    assert "cd '/tree' || exit 125" in lines
    assert f"export HOME='{other.pw_dir}'" in lines and "export PORT='1'" in lines
    become = f"/usr/bin/setpriv --reuid={other.pw_uid} --regid={other.pw_gid} --init-groups --"
    assert lines[-1] == f'exec {become} "/tree/bin/run"'


def test_who_is_its_user_already_need_not_become_it():
    """In a user namespace that could not be: groups cannot be set there."""
    assert start_text(program(command=["bin/run"]), {}).splitlines()[-1] == 'exec "/tree/bin/run"'


def test_what_no_environment_holds_and_a_program_without_a_user_are_refused():
    with pytest.raises(SlipwayError) as caught:
        start_text(program(), {"A": "\0"})
    assert (caught.value.cause, caught.value.obj) == ("invalid", "A")
    with pytest.raises(SlipwayError) as caught:
        refuse_without_user(program(user="").service, "PM2")
    assert (caught.value.cause, caught.value.obj) == ("invalid", "services.web.user")


def test_scripts_of_replicas_that_are_gone_go(tmp_path):
    launchers = Launchers(System(), str(tmp_path))
    two, one = program(replicas=2), program()
    launchers.write(two, launchers.texts(two, start_text))
    launchers.write(one, launchers.texts(one, start_text))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [(path.name, oct(path.stat().st_mode)[-3:]) for path in files] == [("1", "600")]
    launchers.forget(one.name)
    assert not (tmp_path / "environment" / one.name).exists()


# A leader that ends at SIGTERM, a child that does not, and one that left the group of both.
FAMILY = "trap '' TERM; (sleep 60 & echo $!; wait) & setsid sleep 61 & echo $!; trap - TERM; wait"


def wait_until(question):
    end = time.monotonic() + 20
    while not question():
        assert time.monotonic() < end
        time.sleep(0.01)


def names(pid):
    return sorted(each.name for each in Family(pid, processes()).look(processes()))


@pytest.fixture
def leader():
    started = subprocess.Popen(["/bin/sh", "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True)
    wait_until(lambda: names(started.pid) == ["sh", "sh", "sleep", "sleep"])  # each has become what it is to be
    yield started
    Family(started.pid, processes()).kill(processes())
    started.kill()
    started.wait()


def found(pid, grace):
    labels = program(stop_grace=grace).labels
    return Found("x", labels, 1, RUNNING, False, pid, 0, None, "", "")


def test_whoever_is_left_behind_is_named_and_ended(leader):
    def stop(names):
        os.killpg(leader.pid, signal.SIGTERM) if leader.poll() is None else None
        return list(names) if leader.poll() is not None else []

    known = Family(leader.pid, processes()).look(processes())
    left = stop_all(System(), [found(leader.pid, 0.2)], stop)
    assert left == {"x": ["sh", "sleep"]}
    assert not [each for each in known if read_process(each.pid) == each]


def test_a_process_that_nothing_ends_is_told():
    class Clock(System):
        now = 0.0

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            self.now += 1.0

    with pytest.raises(SlipwayError) as caught:
        stop_all(Clock(), [found(0, 1)], lambda names: [])
    assert (caught.value.cause, caught.value.obj) == ("does_not_end", "x")


def test_another_process_of_the_same_number_is_no_relative(leader):
    table = processes()
    mine = Family(leader.pid, table)
    changed = {pid: each._replace(began=each.began + 1) for pid, each in table.items()}
    assert mine.look(changed) == []
    assert Family(0, table).look(table) == []
