# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PM2's definitions, what it says, and how it is asked; with a daemon that is none."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.pm2 import PM2
from ansible_collections.slipway.deploy.plugins.module_utils.process.pm2_app import app, cluster_text, unit_text
from ansible_collections.slipway.deploy.plugins.module_utils.process.pm2_rpc import Call, encode
from ansible_collections.slipway.deploy.plugins.module_utils.process.pm2_state import End, item, read_ends
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import Scope
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.test_process_family import ME, program

NAME = "slipway-p.e.web.blue-1"
SCOPE = Scope("p", "e", "", "")
CLUSTER = {"command": ["node", "a/../main.js", "${PORT}", "x'\n"], "unit": {"exec_mode": "cluster"}}


class Silent(System):
    """Commands that say nothing, and are remembered; a clock that does not wait."""

    def __init__(self):
        self.commands = []
        self.now = 0.0

    def run(self, argv, **options):
        self.commands.append(list(argv))
        return Completed(0, "", "")

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Daemon:
    """Answers one call after the other, as a daemon of PM2 does."""

    def __init__(self, path):
        self.processes = {}
        self.orders = []
        self.never_ready = False
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(path)
        self._server.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            link = self._server.accept()[0]
            with link:
                head = link.recv(1)
                if not head:
                    return
                parts = []
                for _part in range(head[0] & 15):
                    size = struct.unpack(">I", link.recv(4, socket.MSG_WAITALL))[0]
                    parts.append(link.recv(size, socket.MSG_WAITALL))
                order = json.loads(parts[0][2:])
                self.orders.append(order["method"])
                reply = getattr(self, order["method"])(order["args"][0])
                try:
                    link.sendall(encode([b"j:" + json.dumps(reply).encode(), parts[1]]))
                except OSError:
                    continue  # nobody waits for it

    def getMonitorData(self, _nothing):
        return {"args": [list(self.processes.values())]}

    def ping(self, _nothing):
        return {"args": [{"msg": "pong"}]}

    def prepare(self, wanted):
        number = len(self.orders)
        status = "launching" if self.never_ready else "online"
        about = {"name": wanted["name"], "pm_id": number, "pid": 0, "pm2_env": {**wanted, "status": status}}
        self.processes[wanted["name"]] = about
        return {"args": [about]}

    def stopProcessId(self, number):
        for about in self.processes.values():
            about["pm2_env"]["status"] = "stopped" if about["pm_id"] == number else about["pm2_env"]["status"]
        return {"args": [None]}

    def deleteProcessId(self, number):
        self.processes = {name: about for name, about in self.processes.items() if about["pm_id"] != number}
        return {"args": [None]}

    def killMe(self, _nothing):
        return {"error": "no"}

    def close(self):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.connect(self._server.getsockname())
        link.close()
        self._thread.join()
        self._server.close()


@pytest.fixture
def manager(tmp_path, monkeypatch):
    made = PM2(Silent(), str(tmp_path / "p" / "e"), units=str(tmp_path / "units"))
    monkeypatch.setattr(made, "_programs", lambda: ("/usr/bin/node", "/opt/pm2/bin/pm2"))
    (tmp_path / "units").mkdir()
    return made


@pytest.fixture
def daemon(manager):
    os.makedirs(manager._home)
    made = Daemon(manager._socket)
    yield made
    made.close()


def test_a_replica_is_started_by_its_script_and_nothing_of_it_is_in_its_definition(manager):
    made = program(env={"A": "x"}, env_secrets=["T"], replicas=2, stop_grace=1.5, unit={"max_memory_restart": "2M"})
    manager.define(made)
    definition = manager._definition(made.name)
    first = definition["processes"][0]
    assert "s3cret" not in json.dumps(definition)
    assert (first["name"], first["exec_mode"], first["kill_timeout"]) == (NAME, "fork_mode", 1500)
    assert (first["max_memory_restart"], first["args"][-2:]) == (
        2 << 20,
        ["/bin/sh", manager._launchers.path(made.name, 1)],
    )
    assert oct(os.stat(manager._file(made.name)).st_mode)[-3:] == "600"
    assert first["listen_timeout"] > made.labels.start_limit * 1000


def test_in_cluster_mode_the_program_is_run_by_node_itself():
    made = program(**CLUSTER)
    text = cluster_text(made, {"PORT": "7", "A": "'\""})
    assert json.dumps(["/tree/main.js", "7", "x'\n"]) in text
    assert json.dumps("'\"") in text and f"process.setuid({ME.pw_uid})" in text
    assert text.index("initgroups") < text.index("setgid") < text.index("setuid")
    assert app(made, NAME, "/s.cjs", "/l", "/p")["exec_mode"] == "cluster_mode"


def test_a_definition_is_the_same_until_anything_of_it_is_not(manager, tmp_path):
    assert not manager.is_defined(program())
    manager.define(program())
    assert manager.is_defined(program())
    for other in ({"env": {"A": "1"}}, {"stop_grace": 1}, {"ports": {"blue": [2]}}, {"notify": True}):
        assert not manager.is_defined(program(**other))
    manager.forget(program().labels)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_comes_back_is_written_down_apart_from_what_runs(manager, tmp_path):
    manager.define(program(replicas=2))
    manager.set_boot([NAME], True)
    assert [(found.number, found.boot) for found in manager.found(SCOPE)] == [(1, True), (2, False)]
    unit = next((tmp_path / "units").iterdir())
    assert (unit.name, f"PM2_DUMP_FILE_PATH={manager._boot_file()}" in unit.read_text()) == (
        "slipway-pm2-p.e.service",
        True,
    )
    assert manager.system.commands == [["systemctl", "daemon-reload"], ["systemctl", "--quiet", "enable", unit.name]]
    manager.set_boot([NAME], False)
    assert not [found for found in manager.found(SCOPE) if found.boot]
    assert manager._boots() == []


def test_the_daemon_has_only_what_runs_and_older_definitions_never_start(manager, daemon):
    manager.define(program())
    assert manager.start([NAME]) == {}
    assert manager.inspect([NAME])[NAME].status == "running"
    daemon.stopProcessId(daemon.processes[NAME]["pm_id"])  # by hand
    manager.define(program(stop_grace=9))
    assert manager.start([NAME]) == {}
    assert daemon.processes[NAME]["pm2_env"]["kill_timeout"] == 9000
    assert daemon.orders.count("deleteProcessId") == 1  # of two with one name the older would stay on its list
    manager.stop(list(manager.inspect([NAME]).values()))
    assert (daemon.processes, manager.inspect([NAME])[NAME].status) == ({}, "stopped")
    assert "killMe" not in daemon.orders


def test_one_that_is_never_ready_has_failed(manager, daemon):
    daemon.never_ready = True
    manager.define(program(notify=True, start_limit=5))
    failed = manager.start([NAME])
    assert (failed[NAME].cause, "its time to start was over" in failed[NAME].actual) == ("exited", True)


def test_a_daemon_that_does_not_answer_or_refuses_is_told(manager, tmp_path):
    with pytest.raises(SlipwayError) as caught:
        manager._call("ping", {})
    assert (caught.value.cause, manager._listed()) == ("manager", {})
    other = Daemon(str(tmp_path / "sock"))
    try:
        with pytest.raises(SlipwayError) as caught:
            Call(str(tmp_path / "sock"), "killMe", {}).result()
        assert (caught.value.obj, caught.value.actual) == ("killMe", "no")
    finally:
        other.close()


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"user": ""}, "user"),
        ({"unit": {"autorestart": False}}, "unit.autorestart"),
        ({"unit": {"max_memory_restart": "1T"}}, "unit.max_memory_restart"),
        ({"unit": {"exec_mode": "cluster"}}, "command"),
        ({"unit": {"exec_mode": "cluster"}, "command": ["node", "--inspect", "x.js"]}, "command"),
    ],
)
def test_what_pm2_does_not_know_is_refused(manager, more, wrong):
    with pytest.raises(SlipwayError) as caught:
        manager.refuse_unknown(program(**more))
    assert (caught.value.cause, caught.value.obj) == ("invalid", f"services.web.{wrong}")
    manager.refuse_unknown(program(**CLUSTER))


def test_a_home_that_no_socket_fits_into_is_refused(tmp_path):
    with pytest.raises(SlipwayError) as caught:
        PM2(Silent(), f"/srv/{'x' * 90}/e").refuse_unknown(program())
    assert (caught.value.cause, "shorter" in caught.value.remedy) == ("invalid", True)


LOG = f"""
1: PM2 log: App [{NAME}:0] exited with code [0] via signal [SIGKILL]
2: PM2 log: App [{NAME}:0] exited with code [3] via signal [SIGINT]
3: PM2 log: App [slipway-p.e.web.blue-12:1] exited with code [0] via signal [SIGSEGV]
"""


@pytest.mark.parametrize(
    ("env", "end", "expected"),
    [
        ({"status": "online"}, End(3, ""), ("running", 0, None, "")),
        ({"status": "online", "restart_time": 2}, End(3, ""), ("running", 2, 3, "")),
        ({"status": "launching"}, None, ("starting", 0, None, "")),
        (
            {"status": "waiting restart"},
            End(127, ""),
            ("starting", 0, 127, "its program cannot be executed (exit status 127)"),
        ),
        ({"status": "errored"}, End(0, "SIGSEGV"), ("failed", 0, None, "signal SIGSEGV")),
        ({"status": "stopped"}, End(0, ""), ("stopped", 0, None, "")),
        ({"status": "odd"}, None, ("failed", 0, None, "")),
    ],
)
def test_what_pm2_says_in_the_words_of_a_process(env, end, expected):
    found = item(NAME, {"pid": 1, "pm2_env": {"restart_time": 0, **env}}, end, program().labels, False)
    assert (found.status, found.restarts, found.exit_code, found.ended_by) == expected


def test_ends_are_the_last_ones_and_told_apart_by_the_whole_name():
    assert read_ends(LOG) == {NAME: End(3, ""), f"{NAME}2": End(0, "SIGSEGV")}


@pytest.mark.parametrize(("version", "fine"), [("7.0.4", True), ("4.5.6", False), ("?", False)])
def test_one_that_is_too_old_is_told(manager, tmp_path, monkeypatch, version, fine):
    (tmp_path / "bin").mkdir()
    (tmp_path / "package.json").write_text(json.dumps({"version": version}))
    monkeypatch.setattr(manager, "_programs", lambda: ("/usr/bin/node", str(tmp_path / "bin" / "pm2")))
    if fine:
        assert manager.facts() == {"manager": "pm2", "version": version}
        return
    with pytest.raises(SlipwayError) as caught:
        manager.facts()
    assert (caught.value.cause, "npm install" in caught.value.remedy) == ("manager_missing", True)


def test_the_unit_ends_processes_by_sigterm_and_leaves_the_daemons_own_dump_alone():
    text = unit_text("/h", "/opt/pm2/bin/pm2", "/opt/node/bin/node", "/h/boot.json", "p e")
    assert "PM2_KILL_SIGNAL=SIGTERM" in text and "PATH=/opt/node/bin:" in text
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    assert "PM2_DUMP_FILE_PATH" not in start and "PM2_DUMP_FILE_PATH" not in text.partition("ExecStart=")[0]
