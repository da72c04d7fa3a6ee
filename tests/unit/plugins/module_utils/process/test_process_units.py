# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units as text, and what systemd says of them."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.manager import not_running
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import (
    Order,
    Scope,
    SecretPlaces,
    wanted_program,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.systemd import Systemd
from ansible_collections.slipway.deploy.plugins.module_utils.process.systemd_state import (
    item,
    not_started,
    number_of,
    parse,
    program_of,
    refuse_ignored,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.systemd_unit import (
    environment_text,
    read_labels,
    unit_text,
)
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System

NAME = "slipway-p.e.web.blue@1.service"
SHOWN = {
    "Id": NAME,
    "ActiveState": "active",
    "MainPID": "7",
    "ExecMainPID": "7",
    "ExecMainCode": "0",
    "ExecMainStatus": "0",
    "NRestarts": "0",
    "Result": "success",
    "InvocationID": "a",
    "ControlGroup": "/system.slice/x",
    "Job": "",
}


def program(**more):
    option = {"source": {"kind": "directory"}, "command": ["run"], "port": 1, "ports": {"blue": [1]}, **more}
    service = parse_services({"web": option}, "blue")[0]
    order = Order(Scope("p", "e", "/state", "/code"), "blue", "r1", "1", "i", "", [service], {"T": "x"})
    places = SecretPlaces(
        {name: f"/stored/{name}" for name in service.secrets}, lambda number, name: f"/{number}/{name}"
    )
    return wanted_program(order, service, "/tree", "digest", places)


def lines(**more):
    return unit_text(program(**more), "/environment").splitlines()


def test_a_unit_says_of_itself_what_it_is():
    text = unit_text(program(), "/environment")
    assert read_labels(text) == program().labels
    for foreign in (
        "",
        "[Unit]\n",
        text.replace("# slipway: ", "# "),
        text.replace('"release"', '"more"'),
        "# slipway: {\n",
    ):
        assert read_labels(foreign) is None


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "DynamicUser=yes"),
        ({}, "Type=exec"),
        ({}, "ProtectSystem=strict"),
        ({}, "EnvironmentFile=/environment/%i"),
        ({"user": "app"}, "User=app"),
        ({"notify": True}, "Type=notify"),
        ({"stop_grace": 0.5}, "TimeoutStopSec=0.5"),
        ({"secrets": ["T"]}, "LoadCredential=T:/stored/T"),
        ({"unit": {"ProtectSystem": False}}, "ProtectSystem=no"),
        ({"unit": {"MemoryMax": "1G"}}, "MemoryMax=1G"),
        ({"unit": {"BindPaths": ["/a", "/b"]}}, "BindPaths=/b"),
        (
            {"user": "app", "shared": {"directories": ["x"]}, "unit": {"ReadWritePaths": "/y"}},
            "ReadWritePaths=/code/shared/web",
        ),
        ({"user": "app", "shared": {"directories": ["x"]}, "unit": {"ReadWritePaths": "/y"}}, "ReadWritePaths=/y"),
        (
            {"command": ["bin/run", "a b", 'q"', "\\", "%", "$X", "${PORT}"]},
            r'ExecStart="/tree/bin/run" "a b" "q\"" "\\" "%%" "$$X" "${PORT}"',
        ),
        ({"command": ["/bin/run", "a\nb"]}, r'ExecStart="/bin/run" "a\nb"'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_directive(more, expected):
    assert expected in lines(**more)


def test_an_override_is_there_once():
    assert len([line for line in lines(unit={"UMask": "0022"}) if line.startswith("UMask=")]) == 1


def test_what_is_decided_by_options_of_the_service_is_no_directive():
    for key in ("ExecStart", "memory_max"):
        with pytest.raises(SlipwayError) as caught:
            Systemd(Silent(), "/code").refuse_unknown(program(unit={"MemoryMax": "1G", key: "x"}))
        assert (caught.value.cause, caught.value.obj) == ("invalid", f"services.web.unit.{key}")


def test_variables_are_quoted_and_what_cannot_be_is_refused():
    assert environment_text({"B": 'x"\\$`', "A": "1\n2"}) == 'A="1\n2"\nB="x\\"\\\\\\$\\`"\n'
    with pytest.raises(SlipwayError) as caught:
        environment_text({"A": "\0"})
    assert (caught.value.cause, caught.value.obj) == ("invalid", "A")


@pytest.mark.parametrize(
    ("shown", "status", "code", "words"),
    [
        ({}, "running", None, ""),
        (
            {"ActiveState": "activating", "MainPID": "0", "ExecMainCode": "1", "ExecMainStatus": "3", "NRestarts": "2"},
            "starting",
            3,
            "",
        ),
        (
            {"ActiveState": "failed", "MainPID": "0", "ExecMainCode": "2", "ExecMainStatus": "11", "Result": "signal"},
            "failed",
            None,
            "SIGSEGV",
        ),
        (
            {"ActiveState": "failed", "MainPID": "0", "ExecMainCode": "2", "ExecMainStatus": "9", "Result": "oom-kill"},
            "failed",
            None,
            "out of memory",
        ),
        (
            {
                "ActiveState": "failed",
                "MainPID": "0",
                "ExecMainCode": "1",
                "ExecMainStatus": "203",
                "Result": "exit-code",
            },
            "failed",
            203,
            "executed",
        ),
        ({"ActiveState": "inactive", "MainPID": "0", "ExecMainPID": "0"}, "stopped", None, ""),
        ({"ActiveState": "deactivating"}, "stopping", None, ""),
        ({"ActiveState": "maintenance"}, "failed", None, ""),
    ],
)
def test_what_systemd_says_in_the_words_of_a_process(shown, status, code, words):
    found = item({**SHOWN, **shown}, program().labels, False)
    assert (found.status, found.exit_code, words in found.ended_by) == (status, code, True)
    error = not_running(NAME, found, Systemd(System(), "/code"))
    assert error.cause == ("oom" if "memory" in words else "exited")
    assert not_started(found, "", "log").cause == (
        "oom" if "memory" in words else "start_failed" if code == 203 else "exited"
    )


def test_several_units_are_told_apart():
    said = "Id=a\nJob=5\nEnvironment=A=b\n\nId=b\nActiveState=active\n"
    assert [(about["Id"], about["Job"]) for about in parse(said)] == [("a", "5"), ("b", "")]
    assert (program_of(NAME), number_of(NAME), program_of("ssh.service")) == ("slipway-p.e.web.blue", "1", "")


def test_what_systemd_would_ignore_is_named():
    text = "[Service]\nMemoryMaxx=1G\n"
    with pytest.raises(SlipwayError) as caught:
        refuse_ignored(
            "/x/unit:2: Unknown key 'MemoryMaxx' in section [Service], ignoring.\n",
            "/x/unit",
            text,
            "services.web.unit",
        )
    assert (caught.value.obj, caught.value.actual) == (
        "services.web.unit.MemoryMaxx",
        "Unknown key 'MemoryMaxx' in section [Service]",
    )
    refuse_ignored("ssh.service: something else\n", "/x/unit", text, "services.web.unit")


def test_a_unit_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "slipway-p.e.web.blue@.service").write_text("[Service]\n")
    manager = Systemd(Silent(), str(tmp_path / "base"), units=str(tmp_path))
    with pytest.raises(SlipwayError) as caught:
        manager.define(program())
    assert (caught.value.cause, manager.found(Scope("p", "e", "", ""))) == ("foreign_unit", [])


def test_a_definition_is_the_same_until_anything_of_it_is_not(tmp_path):
    manager = Systemd(Silent(), str(tmp_path / "base"), units=str(tmp_path))
    assert not manager.is_defined(program())
    manager.define(program())
    assert manager.is_defined(program())
    for other in ({"env": {"A": "1"}}, {"user": "app"}, {"ports": {"blue": [2]}}):
        assert not manager.is_defined(program(**other))
    manager.forget(program().labels)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


class Silent(System):
    """Commands that say nothing."""

    def run(self, argv, **options):
        return Completed(0, "", "")
