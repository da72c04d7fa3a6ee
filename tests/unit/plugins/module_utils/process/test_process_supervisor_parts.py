# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Supervisor's files, what it says, and how it is asked; with a supervisord that is none."""

from __future__ import annotations

import base64
import socketserver
import threading
import xmlrpc.client
import xmlrpc.server

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import Scope
from ansible_collections.slipway.deploy.plugins.module_utils.process.supervisor import Supervisor
from ansible_collections.slipway.deploy.plugins.module_utils.process.supervisor_rpc import (
    ALREADY_ADDED,
    BAD_NAME,
    NO_FILE,
    STILL_RUNNING,
    Place,
    Supervisord,
    find_place,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.supervisor_state import (
    NEVER,
    item,
    program_of,
    read_ends,
)
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.test_process_family import program

NAME = "slipway-p.e.web.blue-1"
SCOPE = Scope("p", "e", "", "")


class Fake:
    """Groups that are loaded, with their states."""

    def __init__(self, programs):
        self.programs = programs
        self.loaded = {}
        self.log = ""
        self.calls = []

    def ask(self, method, *arguments, fine=()):
        self.calls.append((method, *arguments))
        return getattr(self, method)(*arguments)

    def reloadConfig(self):
        there = {}
        for path in self.programs.glob("*.conf"):
            for line in path.read_text().splitlines():
                if line.startswith("[program:"):
                    there[line[9:-1]] = path.read_text()
        added = [name for name in there if name not in self.loaded]
        changed = [name for name in there if name in self.loaded and self.loaded[name][1] != there[name]]
        self.there = there
        return [[added, changed, [name for name in self.loaded if name not in there]]]

    def addProcessGroup(self, name):
        if name in self.loaded:
            return ALREADY_ADDED
        self.loaded[name] = ["STOPPED", self.there[name]]
        return True

    def removeProcessGroup(self, name):
        if self.loaded.get(name, ["", ""])[0] == "RUNNING":
            return STILL_RUNNING
        return self.loaded.pop(name, None) is not None or BAD_NAME

    def startProcess(self, name, wait):
        self.loaded[name][0] = "RUNNING"

    def stopProcess(self, name, wait):
        self.loaded[name][0] = "STOPPED"

    def getAllProcessInfo(self):
        return [about(statename=state, name=name) for name, (state, _text) in self.loaded.items()]

    def readLog(self, offset, length):
        return self.log


@pytest.fixture
def manager(tmp_path):
    place = Place(str(tmp_path / "supervisord.conf"), str(tmp_path / "conf.d"), ".conf", str(tmp_path / "sock"))
    (tmp_path / "conf.d").mkdir()
    made = Supervisor(System(), str(tmp_path / "base"), place, str(tmp_path / "logs"), str(tmp_path / "run"))
    made._supervisord = Fake(tmp_path / "conf.d")
    return made


def about(**more):
    return {"name": NAME, "statename": "RUNNING", "pid": 0, "start": 5, "stop": 0, "spawnerr": "", **more}


def test_a_program_is_started_by_its_script_and_by_nothing_else(manager, tmp_path):
    manager.define(program(env={"A": "x"}, env_secrets=["T"], stop_grace=1.5, replicas=2, unit={"priority": 7}))
    text = (tmp_path / "conf.d" / "slipway-p.e.web.blue.conf").read_text()
    assert "s3cret" not in text and text.count("[program:") == text.count("autostart=false") == 2
    wanted = ["stopwaitsecs=2", "stopasgroup=true", "killasgroup=true", "priority=7", "autorestart=true"]
    assert set(wanted) <= set(text.splitlines())
    assert f"/bin/sh {tmp_path}/base/environment/slipway-p.e.web.blue/2" in text


def test_a_definition_is_the_same_until_anything_of_it_is_not(manager, tmp_path):
    assert not manager.is_defined(program())
    manager.define(program())
    assert manager.is_defined(program())
    for other in ({"env": {"A": "1"}}, {"stop_grace": 1}, {"ports": {"blue": [2]}}, {"unit": {"priority": 1}}):
        assert not manager.is_defined(program(**other))
    manager.forget(program().labels)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_runs_is_not_loaded_anew_and_what_stopped_is_before_it_starts(manager):
    fake = manager._supervisord
    manager.define(program())
    manager.start([NAME])
    assert fake.loaded[NAME][0] == "RUNNING"
    manager.define(program(env={"A": "1"}))
    manager.load()
    assert "export" not in fake.loaded[NAME][1] and fake.loaded[NAME][0] == "RUNNING"
    manager.stop(list(manager.inspect([NAME]).values()))
    manager.define(program(stop_grace=77))
    manager.start([NAME])
    assert "stopwaitsecs=77" in fake.loaded[NAME][1]
    manager.stop(list(manager.inspect([NAME]).values()))
    manager.forget(program().labels)
    manager.load()
    assert fake.loaded == {}


def test_groups_of_other_people_are_never_touched(manager, tmp_path):
    fake = manager._supervisord
    (tmp_path / "conf.d" / "other.conf").write_text("[program:other]\n")
    (tmp_path / "conf.d" / "look-alike.conf").write_text(f"[program:{NAME}]\n")
    fake.loaded = {"gone": ["STOPPED", ""]}
    manager.define(program(replicas=2))
    manager.load()
    assert [call[1] for call in fake.calls if call[0] in ("addProcessGroup", "removeProcessGroup")] == [
        NAME,
        f"{NAME[:-1]}2",
    ]


def test_what_comes_back_is_a_program_that_starts_nothing_the_first_time(manager, tmp_path):
    manager.define(program())
    manager.set_boot([NAME], True)
    manager.set_boot([NAME], True)
    assert manager.inspect([NAME])[NAME].boot
    text = (tmp_path / "conf.d" / f"{NAME}.boot.conf").read_text()
    assert f"rm {tmp_path}/run/{NAME} " in text and f"start {NAME}" in text
    assert (tmp_path / "run" / NAME).exists() and f"{NAME}.boot" in manager._supervisord.loaded
    manager.set_boot([NAME], False)
    assert not manager.found(SCOPE)[0].boot
    assert (list((tmp_path / "run").iterdir()), list(manager._supervisord.loaded)) == ([], [NAME])


def test_a_program_of_somebody_else_is_left_alone(manager, tmp_path):
    path = tmp_path / "conf.d" / "slipway-p.e.web.blue.conf"
    path.write_text("[program:x]\n")
    with pytest.raises(SlipwayError) as caught:
        manager.define(program())
    assert (caught.value.cause, caught.value.obj, manager.found(SCOPE)) == ("foreign_unit", str(path), [])


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"user": ""}, "user"),
        ({"notify": True}, "notify"),
        ({"unit": {"command": "x"}}, "unit.command"),
        ({"unit": {"stopsignal": "KILL"}}, "unit.stopsignal"),
        ({"unit": {"stdout_logfile_maxbytes": "1 MB"}}, "unit.stdout_logfile_maxbytes"),
        ({"unit": {"exitcodes": [0, 1]}}, "unit.exitcodes"),
    ],
)
def test_what_supervisor_does_not_know_is_refused(manager, more, wrong):
    with pytest.raises(SlipwayError) as caught:
        manager.refuse_unknown(program(**more))
    assert (caught.value.cause, caught.value.obj) == ("invalid", f"services.web.{wrong}")
    manager.refuse_unknown(program(unit={"exitcodes": "0,2", "stdout_events_enabled": True, "priority": 3}))


LOG = f"""
1 INFO exited: {NAME} (exit status 1; not expected)
1 INFO stopped: {NAME} (terminated by SIGTERM)
2 INFO spawned: '{NAME}' with pid 7
2 WARN exited: {NAME} (exit status 3; not expected)
3 WARN exited: {NAME} (exit status 127; not expected)
3 WARN exited: slipway-p.e.web.blue-12 (terminated by SIGSEGV (core dumped); not expected)
"""


@pytest.mark.parametrize(
    ("log", "said", "expected"),
    [
        ("", {}, ("running", 0, None, "")),
        ("", {"statename": "STARTING"}, ("running", 0, None, "")),
        ("", {"statename": "STOPPING"}, ("stopping", 0, None, "")),
        ("", {"statename": "FATAL", "spawnerr": "why"}, ("failed", 0, None, "why")),
        ("", {"statename": "UNKNOWN"}, ("failed", 0, None, "")),
        (LOG[:140], {"statename": "STOPPED"}, ("stopped", 0, None, "")),
        (LOG[:250], {"statename": "BACKOFF"}, ("starting", 1, 3, "")),
        (LOG, {"statename": "RUNNING"}, ("running", 2, 127, "its program cannot be executed (exit status 127)")),
    ],
)
def test_what_supervisor_says_in_the_words_of_a_process(log, said, expected):
    labels = program().labels
    found = item(NAME, about(**said), read_ends(log).get(NAME, NEVER), labels, False)
    assert (found.status, found.restarts, found.exit_code, found.ended_by) == expected


def test_ends_are_told_apart_by_the_whole_name():
    ends = read_ends(LOG + f"4 WARN stopped: {NAME} (terminated by SIGKILL)\n")
    assert (ends[NAME].signal, ends[NAME].restarts, ends[f"{NAME}2"].signal) == ("SIGKILL", 0, "SIGSEGV")
    assert (program_of(f"{NAME}2"), program_of(f"{NAME}.boot"), program_of("slipway")) == (
        "slipway-p.e.web.blue",
        "",
        "",
    )
    assert item(NAME, None, NEVER, program().labels, True).status == "stopped"


class Server(socketserver.UnixStreamServer, xmlrpc.server.SimpleXMLRPCDispatcher):
    """XML-RPC on a Unix socket, as supervisord has it."""

    def __init__(self, path):
        class Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
            disable_nagle_algorithm = False
            wbufsize = 0

            def log_request(self, *_arguments):
                self.server.logins.append(self.headers.get("Authorization"))

            def address_string(self):
                return ""

        xmlrpc.server.SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        socketserver.UnixStreamServer.__init__(self, path, Handler)
        self.logins = []
        self.register_function(self.fail, "supervisor.startProcess")
        self.register_function(lambda: "4.2.5", "supervisor.getSupervisorVersion")

    def fail(self, name):
        raise xmlrpc.client.Fault(BAD_NAME, f"BAD_NAME: {name}")


@pytest.fixture
def place(tmp_path):
    configuration = tmp_path / "supervisord.conf"
    configuration.write_text(
        f"[unix_http_server]\nfile={tmp_path}/sock ; where\nusername=me\npassword=pass\n[x]\n%y=%(z)s\n"
    )
    return Place(str(configuration), str(tmp_path), ".conf", "/nowhere")


def test_it_is_asked_on_the_socket_of_its_configuration_with_its_password(place, tmp_path):
    server = Server(str(tmp_path / "sock"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        supervisord = Supervisord(place)
        assert supervisord.ask("getSupervisorVersion") == "4.2.5"
        assert server.logins == ["Basic " + base64.b64encode(b"me:pass").decode()]
        assert supervisord.ask("startProcess", "x", fine=(BAD_NAME,)) is None
        with pytest.raises(SlipwayError) as caught:
            supervisord.ask("startProcess", "x", fine=(NO_FILE,))
        assert (caught.value.cause, caught.value.actual) == ("manager", "BAD_NAME: x")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_one_that_does_not_answer_or_is_too_old_is_told(place, manager):
    with pytest.raises(SlipwayError) as caught:
        Supervisord(place).ask("getSupervisorVersion")
    assert (caught.value.cause, "package supervisor" in caught.value.remedy) == ("manager_missing", True)
    manager._supervisord.getSupervisorVersion = lambda: "3.3.1"
    with pytest.raises(SlipwayError) as caught:
        manager.facts()
    assert (caught.value.cause, caught.value.actual) == ("manager_missing", "Supervisor 3.3.1 is too old")


def test_the_place_is_that_of_the_package_that_is_there(tmp_path):
    first, second = (Place("", str(tmp_path / name), "", "") for name in ("a", "b"))
    assert find_place([first, second]) == first
    (tmp_path / "b").mkdir()
    assert find_place([first, second]) == second
