# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of process_deploy."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible_collections.slipway.deploy.plugins.action import process_deploy as process_deploy_action
from ansible_collections.slipway.deploy.plugins.action.process_deploy import ActionModule, keys
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.modules import process_deploy
from ansible_collections.slipway.deploy.plugins.plugin_utils.builds import Builds
from ansible_collections.slipway.deploy.plugins.plugin_utils.packages import Depot


def test_the_key_of_a_repository_is_a_secret_that_is_handed_over():
    services = yaml.safe_load(process_deploy.EXAMPLES)[0]["slipway.deploy.process_deploy"]["services"]
    assert keys(services.values()) == [{"secrets": ["DEPLOY_KEY"]}]


@pytest.mark.parametrize(
    ("state", "kept", "sends"),
    [("prepared", "", True), ("fetched", "", True), ("prepared", "r1", False), ("decided", "", False)],
)
def test_the_code_of_the_controller_is_sent_with_the_state_that_needs_it(monkeypatch, tmp_path, state, kept, sends):
    """Also where it is fetched before anything stops; and not once more after that."""
    action = object.__new__(ActionModule)
    action._task, action._templar = SimpleNamespace(check_mode=False), None
    monkeypatch.setattr(process_deploy_action, "Depot", lambda _directory: Depot(str(tmp_path)))
    monkeypatch.setattr(process_deploy_action, "local_sources", lambda services, *_: dict.fromkeys(services, tmp_path))
    monkeypatch.setattr(ActionModule, "_there", lambda self, args: set())
    monkeypatch.setattr(ActionModule, "_sent", lambda self, files: dict.fromkeys(files, "/there"))
    services = {"web": {"source": {"kind": "controller", "content": "c0ffee"}}}
    args = {"state": state, "kept_release": kept, "services": services, "identity": "i", "release": {"id": "r2"}}
    monkeypatch.setattr(Depot, "package", lambda self, content, one: "/here")
    assert action._handed_over(args, {}).get("packages") == ({"c0ffee": "/there"} if sends else None)


class Hostvars(dict):
    """What Ansible gives for hostvars."""

    raw_get = dict.__getitem__


BUILDS = {
    "services": {"web": {"on": "app1", "for": ["app2", "app3"]}, "api": {"on": "app2", "for": ["app3"]}},
    "register": "built",
    "read": "read",
}
SAID = {"package": "a" * 64, "size": 9, "source": {"kind": "git", "commit": "c0ffee"}}


def hostvars(**packages):
    """What three machines have said: what came of the build, and what they had before."""
    found = {name: {"read": {"process": {"packages": packages.get(name, [])}}} for name in ("app1", "app2", "app3")}
    found["app1"]["built"] = {"built": {"web": SAID}}
    return {"inventory_hostname": "app1", "hostvars": Hostvars(found)}


def test_each_machine_builds_what_is_its_own_and_the_others_are_told():
    services = {"web": {"source": {"kind": "git"}}, "api": {"source": {"kind": "git"}}, "job": {"code": "web"}}
    builds = Builds.of({"builds": BUILDS})
    assert list(builds.services_of("app1", services)) == ["web"]
    assert list(builds.services_of("app2", {"api": {}})) == ["api"]
    told = builds.told(services, hostvars())
    assert told["web"]["built"] == {"by": "app1", "package": "a" * 64, "source": SAID["source"]}
    assert (told["api"], told["job"]) == (services["api"], services["job"])
    assert Builds.of({"builds": {"services": {}, "register": "built", "read": "read"}}) is None


@pytest.mark.parametrize(
    ("have", "lacking"),
    [({}, {"a" * 64}), ({"app2": ["a" * 64]}, {"a" * 64}), ({"app2": ["a" * 64], "app3": ["a" * 64]}, set())],
)
def test_only_what_some_machine_lacks_is_brought_to_the_controller(have, lacking):
    assert Builds.of({"builds": BUILDS}).lacking({"web": SAID}, hostvars(**have)) == lacking


class Connection:
    """One that a file can be fetched over."""

    def __init__(self, data=b"", error=None):
        self.data, self.error, self.asked = data, error, []
        self._shell = SimpleNamespace(tmpdir="/home/deploy/.ansible/tmp/x", join_path=lambda *parts: "/".join(parts))

    def fetch_file(self, source, target):
        self.asked.append(source)
        if self.error is not None:
            raise self.error
        with open(target, "wb") as file:
            file.write(self.data)


def builder(monkeypatch, tmp_path, connection, *, rc=0, check_mode=False):
    """The action on the machine that builds, and the commands that it runs there."""
    action, commands = object.__new__(ActionModule), []
    action._task, action._connection = SimpleNamespace(check_mode=check_mode), connection
    monkeypatch.setattr(process_deploy_action, "Depot", lambda _directory: Depot(str(tmp_path)))

    def execute(self, command, _data):
        commands.append(command)
        return {"rc": rc if command.startswith("cp") else 0, "stdout": "", "stderr": "cp: No space left on device"}

    monkeypatch.setattr(ActionModule, "_execute", execute)
    return action, commands


DATA = b"what was built"
NAME = hashlib.sha256(DATA).hexdigest()
ARGS = {"state": "built", "platform": "shop", "environment": "test", "builds": BUILDS}
OUTCOME = {"built": {"web": {**SAID, "package": NAME}}}


def test_what_was_built_passes_through_a_file_of_whoever_logs_in(monkeypatch, tmp_path):
    connection = Connection(DATA)
    action, commands = builder(monkeypatch, tmp_path, connection)
    assert action._collected(OUTCOME, ARGS, hostvars()) is OUTCOME
    passing = f"{connection._shell.tmpdir}/{NAME}"
    assert (connection.asked, Depot(str(tmp_path)).brought(NAME) != "") == ([passing], True)
    assert commands[0].startswith(f"cp -- /srv/slipway/shop/test/packages/{NAME} {passing} && chown ")
    assert commands[1] == f"rm -f -- {passing}"
    action._collected(OUTCOME, ARGS, hostvars())
    assert connection.asked == [passing], "it is here already"


@pytest.mark.parametrize(
    ("data", "error", "rc", "cause"),
    [
        (b"something else", None, 0, "checksum"),
        (DATA, AnsibleError("failed to transfer file"), 0, "not_handed_on"),
        (DATA, OSError(28, "No space left on device"), 0, "not_handed_on"),
        (DATA, None, 1, "not_handed_on"),
    ],
)
def test_what_does_not_get_there_whole_ends_the_release(monkeypatch, tmp_path, data, error, rc, cause):
    action, commands = builder(monkeypatch, tmp_path, Connection(data, error), rc=rc)
    with pytest.raises(SlipwayError) as caught:
        action._collected(OUTCOME, ARGS, hostvars())
    assert (caught.value.cause, Depot(str(tmp_path)).brought(NAME)) == (cause, "")
    assert rc or commands[-1].startswith("rm -f -- ")


@pytest.mark.parametrize(
    ("args", "outcome", "have", "check_mode"),
    [
        (ARGS, OUTCOME, {"app2": [NAME], "app3": [NAME]}, False),
        (ARGS, OUTCOME, {}, True),
        (ARGS, {"failed": True, "msg": "a build step ended with 1"}, {}, False),
        ({**ARGS, "state": "prepared"}, OUTCOME, {}, False),
    ],
    ids=["all have it", "a preview", "a build that failed", "another state"],
)
def test_nothing_is_fetched_that_nobody_lacks(monkeypatch, tmp_path, args, outcome, have, check_mode):
    connection = Connection(DATA)
    action, _commands = builder(monkeypatch, tmp_path, connection, check_mode=check_mode)
    assert action._collected(outcome, args, hostvars(**have)) is outcome
    assert connection.asked == []


def test_a_machine_is_sent_what_another_one_has_built_and_no_code_of_the_controller(monkeypatch, tmp_path):
    action, _commands = builder(monkeypatch, tmp_path, Connection())
    action._templar = None
    monkeypatch.setattr(ActionModule, "_there", lambda self, args: set())
    monkeypatch.setattr(ActionModule, "_sent", lambda self, files: dict(files))
    (tmp_path / f"slipway-handed-on-{SAID['package']}").write_bytes(b"x")
    services = {"web": {"source": {"kind": "directory", "path": "/nowhere"}}}
    args = {**ARGS, "state": "prepared", "services": services, "identity": "i", "release": {"id": "r2"}}
    found = action._handed_over(args, {**hostvars(), "inventory_hostname": "app2"})
    assert found["packages"] == {"a" * 64: str(tmp_path / f"slipway-handed-on-{'a' * 64}")}
    assert found["services"]["web"]["built"]["by"] == "app1"


# What new machines get of releases before


KEPT = {"services": {}, "kept": {NAME: {"on": "app1", "for": ["app3"], "of": ["web 1.0"], "whole": True}}}
RETAINED = [
    {"release": "r1", "version": "1.0", "services": {"web": {"source": {"kind": "directory", "content": NAME}}}},
    {"release": "r2", "version": "1.1", "services": {"web": {"built": {"package": "b" * 64}}, "job": {"code": "web"}}},
]


def test_who_only_hands_on_builds_nothing():
    builds = Builds.of({"builds": KEPT})
    assert builds.services_of("app1", {"web": {"source": {"kind": "git"}}}) == {}
    assert (list(builds.kept_on("app1")), list(builds.kept_on("app2"))) == ([NAME], [])
    assert builds.lacking({}, hostvars()) == set()


@pytest.mark.parametrize(
    ("machine", "check_mode", "brings"), [("app1", False, 1), ("app2", False, 0), ("app1", True, 0)]
)
def test_a_package_of_a_release_before_passes_by_who_has_it(monkeypatch, tmp_path, machine, check_mode, brings):
    connection = Connection(DATA)
    action, commands = builder(monkeypatch, tmp_path, connection, check_mode=check_mode)
    found = action._collected({}, {**ARGS, "builds": KEPT}, {**hostvars(), "inventory_hostname": machine})
    assert (found, len(connection.asked), len(commands)) == ({}, brings, 2 * brings)
    assert bool(Depot(str(tmp_path)).brought(NAME)) == bool(brings)


@pytest.mark.parametrize(
    ("data", "error", "rc", "cause"),
    [
        (b"something else", None, 0, "checksum"),
        (DATA, OSError(28, "full"), 0, "not_handed_on"),
        (DATA, None, 1, "not_handed_on"),
    ],
)
def test_what_cannot_be_handed_on_of_a_release_before_is_a_warning(monkeypatch, tmp_path, data, error, rc, cause):
    action, _commands = builder(monkeypatch, tmp_path, Connection(data, error), rc=rc)
    found = action._collected({"warnings": ["w"]}, {**ARGS, "builds": KEPT}, hostvars())
    assert found["warnings"][0] == "w"
    assert found["warnings"][1].startswith(
        f"web 1.0 cannot be handed on to app3 [{cause}]: /srv/slipway/shop/test/packages/"
    )
    assert Depot(str(tmp_path)).brought(NAME) == ""


def test_the_package_of_a_directory_is_compared_where_it_is_unpacked(monkeypatch, tmp_path):
    kept = {"kept": {NAME: {**KEPT["kept"][NAME], "whole": False}}}
    action, _commands = builder(monkeypatch, tmp_path, Connection(b"a tar with that content"))
    assert action._collected({}, {**ARGS, "builds": kept}, hostvars()) == {}
    assert Depot(str(tmp_path)).brought(NAME) != ""


def sends(monkeypatch, tmp_path, there=(), sent=None, **more):
    """What the new machine is told, where both packages are on the controller."""
    action, _commands = builder(monkeypatch, tmp_path, Connection(), **more)
    action._templar = None
    monkeypatch.setattr(ActionModule, "_there", lambda self, args: set(there))
    monkeypatch.setattr(ActionModule, "_sent", sent or (lambda self, files: dict(files)))
    for name in (NAME, "b" * 64):
        (tmp_path / f"slipway-handed-on-{name}").write_bytes(b"x")
    args = {"state": "prepared", "services": {}, "identity": "i", "release": {"id": "r3"}, "retained": RETAINED}
    return action._handed_over(args, {"inventory_hostname": "app3"})["retained"]


def test_a_new_machine_is_sent_each_package_with_the_release_that_it_is_of(monkeypatch, tmp_path):
    found = sends(monkeypatch, tmp_path)
    assert [one["packages"] for one in found] == [
        {name: str(tmp_path / f"slipway-handed-on-{name}")} for name in (NAME, "b" * 64)
    ]
    assert [one["packages"] for one in sends(monkeypatch, tmp_path, there=["b" * 64])][1] == {}
    assert sends(monkeypatch, tmp_path, check_mode=True) == RETAINED


def test_no_room_for_a_release_before_is_a_warning_and_what_is_released_goes_on(monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(process_deploy_action.display, "warning", said.append)

    def no_room(self, files):
        if files:
            raise AnsibleError("failed to transfer file: No space left on device")
        return {}

    assert [one["packages"] for one in sends(monkeypatch, tmp_path, sent=no_room)] == [{}, {}]
    assert said[0].startswith("1.0 (r1): what is handed on of it cannot be sent: failed to transfer")
