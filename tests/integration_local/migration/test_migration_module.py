# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module migration_runner as people run it, by ansible-playbook: what it says it would do, does, and refuses."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t
from urllib.parse import quote

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked

from tests.integration_local.backup.conftest import PASSWORD, free_port

from .projects import Project, SQLiteProject

Results = dict[str, dict[str, t.Any]]

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "strategy": "free",
        "tasks": [
            {
                "slipway.deploy.migration_runner": "{{ given }}",
                "environment": "{{ with_these }}",
                "check_mode": "{{ ansible_check_mode or foresees }}",
            }
        ],
    }
]
ANSWER = re.compile(r"^(\S+) \| [A-Z]+!? => (\{.*?^\})", re.MULTILINE | re.DOTALL)


class Playbook:
    """One task of the module for each of several machines, all of them this one and at once."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.said = ""  # by the last run
        self.log: list[str] = []  # of all runs
        self.seen: set[str] = set()  # command lines of all processes meanwhile
        (directory / "play.yml").write_text(json.dumps(PLAY))

    def run(self, cases: t.Mapping[str, t.Mapping[str, t.Any]], *options: str) -> Results:
        """What the module answered, by the name of the case."""
        hosts = {
            name: {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "with_these": case.get("with_these", {}),
                "foresees": case.get("foresees", False),
                "given": {key: value for key, value in case.items() if key not in ("with_these", "foresees")},
            }
            for name, case in cases.items()
        }
        (self.directory / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
        words = [program, str(self.directory / "play.yml"), "-i", str(self.directory / "hosts.json"), *options]
        settings = {"HOME": str(self.directory), "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_FORKS": "4"}
        log = self.directory / "said"
        with log.open("wb") as stream:
            process = subprocess.Popen(words, stdout=stream, stderr=stream, env={**os.environ, **settings})
            while process.poll() is None:
                self.seen |= command_lines()
                with contextlib.suppress(subprocess.TimeoutExpired):  # the module needs the processor, too
                    process.wait(0.05)
        self.said = log.read_text()
        self.log.append(self.said)
        return {name: json.loads(answer) for name, answer in ANSWER.findall(self.said)}


def command_lines() -> set[str]:
    """As ``ps`` shows them."""
    found = set()
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return found


@pytest.fixture(name="playbook")
def _playbook(tmp_path: pathlib.Path) -> Playbook:
    return Playbook(tmp_path)


@pytest.fixture(name="projects")
def _projects(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> dict[str, Project]:
    """One on each kind of database, by the name of its engine."""
    found: dict[str, Project] = {}
    for engine in ("postgresql", "mariadb", "sqlite"):
        project: Project = request.getfixturevalue(f"on_{engine}")
        project.files = tmp_path / engine
        project.files.mkdir()
        project.write(**project.usual)
        found[engine] = project
    return found


def foreseen(case: t.Mapping[str, t.Any], *, check: bool = True) -> dict[str, t.Any]:
    """What the module answers, in this process."""
    given = {key: value for key, value in case.items() if key not in ("with_these", "foresees")}
    return perform(checked({**given, "url": base64.b64encode(given["url"].encode()).decode()}, MIGRATION_RUNNER), check)


def test_what_it_would_do_it_does_once_and_tells_no_secret(playbook: Playbook, projects: dict[str, Project]) -> None:
    secrets = {name: f"pä@s:{one.database}{os.getpid()}'\\" for name, one in projects.items() if name != "sqlite"}
    for name, secret in secrets.items():
        projects[name].as_owner(f"u{os.getpid()}", secret)
    cases = {name: {"engine": name, "url": one.url, "locations": [str(one.files)]} for name, one in projects.items()}
    empty = {name: one.schema() for name, one in projects.items()}

    before = playbook.run(cases, "--check", "--diff", "-vvvv")
    assert {name: one.schema() for name, one in projects.items()} == empty
    for name, one in projects.items():
        sql = "".join(f"-- {file}.sql\n{text}\n" for file, text in one.usual.items())
        assert (before[name]["changed"], before[name]["sql"], before[name]["recorded"]) == (True, sql, False)
        assert "\n+".join(sql.splitlines()) in playbook.said  # the diff

    done = playbook.run(cases, "-vvvv")
    again = playbook.run({**cases, **{f"{name}_check": {**case, "foresees": True} for name, case in cases.items()}})
    for name, one in projects.items():
        scripts = [f"{file}.sql" for file in one.usual]
        assert (done[name]["changed"], [row["script"] for row in done[name]["applied"]]) == (True, scripts)
        assert (done[name]["current_before"], done[name]["current_after"]) == ("", "4")
        assert (again[name]["changed"], again[name]["applied"]) == (False, [])
        assert (again[f"{name}_check"]["changed"], again[f"{name}_check"]["sql"]) == (False, "")

    assert any("AnsiballZ_migration_runner" in line for line in playbook.seen)
    for name, secret in secrets.items():
        url = cases[name]["url"]
        forms = [
            secret,
            json.dumps(secret)[1:-1],
            quote(secret, safe=""),
            url,
            base64.b64encode(str(url).encode()).decode(),
        ]
        assert not [(form, where) for form in forms for where in (*playbook.log, *playbook.seen) if form in where]


def test_what_it_foresees_of_repair_and_baseline_is_what_happens(tmp_path: pathlib.Path) -> None:
    projects = {name: SQLiteProject(tmp_path, tmp_path / name) for name in ("dirty", "clean", "new", "begun", "full")}
    for project in projects.values():
        project.write(**project.usual)
    for name in ("dirty", "clean", "full"):
        projects[name].run()
    projects["begun"].run("baselined", "3")
    projects["dirty"].write(V5__apart="-- slipway: transaction=off\nSELECT absent FROM item;")
    with pytest.raises(SlipwayError, match="no such column"):
        projects["dirty"].run()
    changes = {"dirty": True, "clean": False, "new": True, "begun": False}
    for name, project in projects.items():
        state = "repaired" if name in ("dirty", "clean") else "baselined"
        case = {
            "engine": "sqlite",
            "url": project.url,
            "locations": [str(project.files)],
            "state": state,
            "target": "3",
        }
        before = project.path.read_bytes()
        told = foreseen(case)
        assert project.path.read_bytes() == before
        for answer in (told, foreseen(case, check=False)):
            assert answer.get("changed") == changes.get(name)
            assert answer.get("error", {}).get("cause") == (None if name in changes else "exists")


# What is wrong, the cause, and what the message says of it; {} stands for the directory of the case.
WRONG = {
    "down": (
        "unreachable",
        r"cannot be reached; found .*onnection refused.*Check host, port, database and that it runs",
    ),
    "password": ("login", r"cannot log in; found .*password authentication failed.*Check user, password"),
    "database": ("unreachable", r'database "nowhere" does not exist'),
    "reader": (
        "denied",
        r"does not let this user do that; found .*permission denied for schema public.*Give the user the right",
    ),
    "driver": (
        "driver_missing",
        r"psycopg2: cannot be imported.*Install python3-psycopg2 \(Debian, Ubuntu\) or psycopg2 \(PyPI\)",
    ),
    "encoding": ("bad_input", r"V2__b\.sql:1: is not encoded as it should be; found .*f6.*wanted 'UTF-8'.*encoding=…"),
    "gap": ("out_of_order", r"V2__late\.sql in .*is not applied, and later ones are.*out_of_order: true"),
    "twice": ("bad_input", r"two versioned migrations have the version 1; found .*V1\.0__b\.sql.*V1__a\.sql"),
    "edited": ("edited", r"V1__a\.sql in .*was changed after it had been applied.*state: repaired"),
    "missing": ("missing_file", r"V1__a\.sql in .*its file is no longer there.*Bring the file back"),
    "misnamed": ("bad_input", r"V2_b\.sql: has '2_b' where a version should be\. Name it in this way: V2__b\.sql"),
    "nowhere": ("missing", r"cannot read the migrations: No such file or directory.*Name the directory"),
    "tables": ("not_baselined", r"has tables, and no history.*state: baselined"),
}


@pytest.fixture(name="wrong")
def _wrong(on_postgresql: t.Any, tmp_path: pathlib.Path) -> dict[str, dict[str, t.Any]]:
    """A project in which 1 and 3 are applied, and what may go wrong with it."""
    on_postgresql.write(V1__a="CREATE TABLE a (b int);", V3__c="CREATE TABLE c (d int);")
    on_postgresql.run()
    other, reader = on_postgresql.another(), f"reader_{on_postgresql.database}"
    other.execute("CREATE TABLE other (a int)")
    on_postgresql.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'x'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    empty, server = on_postgresql.another(), on_postgresql.server
    (tmp_path / "no" / "psycopg2").mkdir(parents=True)
    (tmp_path / "no" / "psycopg2" / "__init__.py").write_text("raise ImportError(\"No module named 'psycopg2'\")\n")
    files = {
        "encoding": {"V2__b.sql": "SELECT 'größer';".encode("iso-8859-1")},
        "gap": {"V2__late.sql": b"SELECT 1;"},
        "twice": {"V1.0__b.sql": b"SELECT 1;"},
        "edited": {"V1__a.sql": b"CREATE TABLE a (b bigint);"},
        "misnamed": {"V2_b.sql": b"SELECT 1;"},
    }
    cases: dict[str, dict[str, t.Any]] = {}
    for name in WRONG:
        place = tmp_path / name
        place.mkdir()
        for path in on_postgresql.files.iterdir():
            (place / path.name).write_bytes(path.read_bytes())
        for file, text in files.get(name, {}).items():
            (place / file).write_bytes(text)
        cases[name] = {"url": on_postgresql.url, "locations": [str(place)], "lint": "off"}
    (tmp_path / "missing" / "V1__a.sql").unlink()
    cases["down"]["url"] = server.url(on_postgresql.database, port=free_port())
    cases["password"]["url"] = server.url(on_postgresql.database, password=PASSWORD + "!")
    cases["database"]["url"] = server.url("nowhere")
    cases["reader"]["url"] = server.url(empty.database, reader, "x")
    cases["driver"]["with_these"] = {"PYTHONPATH": str(tmp_path / "no")}
    cases["nowhere"]["locations"] = [str(tmp_path / "not there")]
    cases["tables"]["url"] = other.url
    empty.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    return cases


def test_whatever_is_wrong_has_its_cause_and_a_message_that_says_what_to_do(
    playbook: Playbook, wrong: dict[str, dict[str, t.Any]]
) -> None:
    said = playbook.run(wrong)
    assert {name: one["error"]["cause"] for name, one in said.items()} == {
        name: cause for name, (cause, _words) in WRONG.items()
    }
    assert {name: one["msg"] for name, one in said.items() if not re.search(WRONG[name][1], one["msg"])} == {}
    unforeseen = {"reader", "driver"}  # whether it may write nobody knows before; this process has a driver
    told = {name: foreseen(case)["msg"] for name, case in wrong.items() if name not in unforeseen}
    assert told == {name: one["msg"] for name, one in said.items() if name not in unforeseen}
