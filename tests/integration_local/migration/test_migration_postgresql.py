# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of plain SQL on a real PostgreSQL: at once, killed anywhere, locked out, and in turn with the real Flyway."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import signal
import subprocess
import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.postgresql_login import Login
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Settings
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import Report
from ansible_collections.slipway.deploy.plugins.module_utils.migration.placeholders import Placeholders
from ansible_collections.slipway.deploy.plugins.module_utils.migration.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.migration.runner import Patience, SqlRunner
from ansible_collections.slipway.deploy.plugins.module_utils.migration.scripts import Reader, Scripts
from ansible_collections.slipway.deploy.plugins.module_utils.migration.states import Rules
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests import sampling
from tests.integration_local.backup.conftest import BIN, Server, free_port

FILES = {
    "V1__item": "CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL);\nINSERT INTO item (name) VALUES ('a');",
    "V2__rows": "COPY item (name) FROM stdin;\nb\nc\n\\.\nINSERT INTO item (name) VALUES ('d');",
    "V3__index": "CREATE INDEX CONCURRENTLY IF NOT EXISTS item_name ON item (name);",
    "V4__price": "ALTER TABLE item ADD COLUMN price integer;\nUPDATE item SET price = 1;",
    "R__names": "CREATE OR REPLACE VIEW names AS SELECT name FROM item;",
}
AT_ONCE = 8
TIMES = 50 if sampling.SOAK else 3

_numbers = itertools.count(1)


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Server]:
    place = tmp_path_factory.mktemp("migrated")
    for path in (place, *place.parents[:2]):
        path.chmod(0o755)  # the server is another user
    (place / "server").mkdir()
    server = Server(place / "server", free_port())
    server.start()
    yield server
    server.stop()


class Project:
    """A database, and the files of a program."""

    def __init__(self, server: Server, files: pathlib.Path) -> None:
        self.server, self.files = server, files
        self.files.mkdir(exist_ok=True)
        self.database = f"m{next(_numbers)}"
        server.execute("postgres", f"CREATE DATABASE {self.database}")

    def write(self, **files: str) -> None:
        """Files by their names without the ending."""
        for name, text in files.items():
            (self.files / f"{name}.sql").write_text(text)

    def runner(self, *, lock_timeout: float = 0.05, retry: float = 30.0) -> SqlRunner:
        """A new one, with a connection of its own."""
        login = Login(self.server.url(self.database))
        base = PostgreSQL(login.open, Settings(lock_timeout=lock_timeout), System())
        scripts = Scripts([str(self.files)], Reader("postgresql", Placeholders({})))
        return SqlRunner(base, scripts, System(), Rules(), Patience(lock=60.0, retry=retry))

    def run(self, state: str = "latest", **options: t.Any) -> Report:
        """Do what is wanted."""
        return self.runner(**options).apply(Order(state))

    def ask(self, question: str) -> list[tuple[t.Any, ...]]:
        """Behind the runner's back."""
        with contextlib.closing(self.server.connect(self.database)) as link, link.cursor() as cursor:
            cursor.execute(question)
            return t.cast("list[tuple[t.Any, ...]]", cursor.fetchall())

    def whole(self) -> tuple[list[str], list[tuple[t.Any, ...]]]:
        """Its schema and its rows, without the history's own moments."""
        dump = [str(BIN / "pg_dump"), "-s", "-d", self.server.url(self.database)]
        text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
        schema = [line for line in text.splitlines() if not line.startswith(("--", "\\"))]
        history = self.ask(
            "SELECT version, description, type, script, checksum, success FROM flyway_schema_history ORDER BY 4"
        )
        return schema, [*self.ask("SELECT id, name, price FROM item ORDER BY id"), *history]


@pytest.fixture(name="project")
def _project(server: Server, tmp_path: pathlib.Path) -> Project:
    project = Project(server, tmp_path / "sql")
    project.write(**FILES)
    return project


def test_runners_that_begin_together_apply_each_migration_once(project: Project, server: Server) -> None:
    for _time in range(TIMES):
        other = Project(server, project.files)
        done: list[list[str]] = []

        def work(other: Project = other, done: list[list[str]] = done) -> None:
            done.append([one.script for one in other.run().done])

        threads = [threading.Thread(target=work) for _number in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(itertools.chain(*done)) == sorted(f"{name}.sql" for name in FILES)
        assert len(done) == AT_ONCE


def killed(project: Project, number: int, *, after: bool) -> bool:
    """A run that is killed at a statement of its own; whether it came so far."""
    child = os.fork()
    if not child:
        counted = itertools.count()
        run = PostgreSQL.run

        def counting(self: PostgreSQL, statement: str, *values: t.Any) -> list[tuple[t.Any, ...]]:
            here = next(counted) == number
            if here and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = run(self, statement, *values)
            if here:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        PostgreSQL.run = counting  # type: ignore[method-assign]
        with contextlib.suppress(BaseException):
            project.run()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


STATEMENTS = 60  # more than a run has


@pytest.mark.sample(6, of="kills")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(STATEMENTS))
def test_killed_at_any_statement_the_next_run_ends_well(
    project: Project, server: Server, number: int, after: bool
) -> None:
    undisturbed = Project(server, project.files)
    undisturbed.run()
    killed(project, number, after=after)
    try:
        project.run()
    except SlipwayError as error:
        assert error.cause == "dirty"
        assert [one.script for one in project.runner().status().of("dirty")] == ["V3__index.sql"]
        project.run("repaired")
        project.run()
    assert project.whole() == undisturbed.whole()
    assert not project.ask("SELECT 1 FROM pg_index WHERE NOT indisvalid")


def test_a_run_has_fewer_statements_than_are_tried(project: Project) -> None:
    assert not killed(project, STATEMENTS, after=False)


def test_a_table_in_use_is_waited_for_and_the_whole_script_tried_again(project: Project) -> None:
    project.run()
    project.write(V5__more="INSERT INTO item (name) VALUES ('e');\nALTER TABLE item ADD COLUMN size integer;")
    blocker = project.server.connect(project.database)
    blocker.autocommit = False
    with contextlib.closing(blocker), blocker.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM item")
        tried = threading.Event()
        runner = project.runner()
        pauses = runner._pauses

        def told(deadline: float | None) -> t.Iterator[bool]:
            for pause in pauses(deadline):
                tried.set()
                yield pause

        runner._pauses = told  # type: ignore[method-assign]
        reports: list[Report] = []
        thread = threading.Thread(target=lambda: reports.append(runner.apply(Order())))
        thread.start()
        assert tried.wait(30)
        blocker.rollback()
        thread.join()
    assert [one.script for one in reports[0].done] == ["V5__more.sql"]
    assert project.ask("SELECT count(*) FROM item WHERE name = 'e'") == [(1,)]


def test_a_table_that_stays_in_use_is_named_and_nothing_is_changed(project: Project) -> None:
    project.run()
    project.write(V5__more="ALTER TABLE item ADD COLUMN size integer;")
    blocker = project.server.connect(project.database)
    blocker.autocommit = False
    with contextlib.closing(blocker), blocker.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM item")
        with pytest.raises(SlipwayError, match=r"V5__more.sql line 1: waited too long for a lock") as caught:
            project.run(retry=0.0)
    assert caught.value.cause == "lock_timeout"
    assert project.run().done


def test_an_index_that_was_left_invalid_is_built_again(project: Project) -> None:
    project.write(V3__index="CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS item_name ON item (name);")
    project.write(V2__rows="INSERT INTO item (name) VALUES ('a');")  # twice, so that the index cannot be
    with pytest.raises(SlipwayError, match=r"V3__index\.sql line 1.*could not create unique index"):
        project.run()
    assert project.ask("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(1,)]
    project.server.execute(project.database, "DELETE FROM item WHERE id = 2")
    project.run("repaired")
    project.run()
    assert project.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'item_name'::regclass") == [(True,)]


def test_a_message_has_the_line_of_the_statement_s_own_error(project: Project) -> None:
    project.write(V5__wrong="SELECT 1;\n\nSELECT\n  nothing\nFROM item;")
    with pytest.raises(SlipwayError, match=r'V5__wrong\.sql line 4: .*column "nothing" does not exist'):
        project.run()


def test_looking_creates_nothing(project: Project) -> None:
    project.runner().status()
    project.runner().preview(Order())
    assert project.ask("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]
