# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script is called, its checksum and what its statements do: as with the real Flyway, over a corpus, on a real server."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration import conf, names, source
from ansible_collections.slipway.deploy.plugins.module_utils.migration.checksum import checksum
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import BASELINE, REPEATABLE, UNDO
from ansible_collections.slipway.deploy.plugins.module_utils.migration.placeholders import Own, Placeholders
from ansible_collections.slipway.deploy.plugins.module_utils.migration.split import (
    expect_uncontrolled,
    split,
    transactional,
)

from tests.integration_local.backup.conftest import BIN, Server, free_port

from . import corpus
from .flyway import flyway

OWN = Own("public", "admin", "flyway", "flyway_schema_history", "never", "nowhere")


class File:
    """One script, read as the engines read it."""

    def __init__(self, location: pathlib.Path, name: names.FileName) -> None:
        path = location / name.script
        self.name = name
        self.conf = conf.beside(str(path))
        self._raw = lambda: source.read(str(path), self.conf.encoding or "UTF-8")

    def text(self) -> t.Iterator[str]:
        if self.conf.replacement is False:
            return self._raw()
        return Placeholders(corpus.PLACEHOLDERS, OWN).replace(self._raw(), self.name.script)

    @property
    def row(self) -> tuple[t.Any, ...]:
        name = self.name
        version = None if name.version is None else str(name.version)
        kind = "SQL_BASELINE" if name.kind == BASELINE else "SQL"
        return (
            version,
            name.description,
            kind,
            name.script,
            checksum(self.text() if name.kind == REPEATABLE else self._raw()),
        )

    def run(self, cursor: t.Any) -> None:
        """In a transaction, unless the file or a statement in it says otherwise."""
        statements = [one._replace(data=list(one.data)) for one in split(self.text(), "postgresql", self.name.script)]
        one_by_one = self.conf.transaction is False or not all(transactional(one, "postgresql") for one in statements)
        if not one_by_one:
            for one in statements:
                expect_uncontrolled(one, "postgresql", self.name.script)
            cursor.execute("BEGIN")
        for one in statements:
            if one.kind == "copy":
                cursor.copy_expert(one.text, Rows(one.data))
            else:
                cursor.execute(one.text)
        if not one_by_one:
            cursor.execute("COMMIT")


class Rows:
    """The data of a COPY, as the driver reads it."""

    def __init__(self, rows: t.Iterable[str]) -> None:
        self._text = "".join(rows)

    def read(self, _size: int) -> str:
        text, self._text = self._text, ""
        return text


class Both(t.NamedTuple):
    """Two databases that should be one like the other."""

    server: Server
    files: list[File]

    def ask(self, database: str, question: str) -> list[tuple[t.Any, ...]]:
        with contextlib.closing(self.server.connect(database)) as link, link.cursor() as cursor:
            cursor.execute(question)
            return t.cast("list[tuple[t.Any, ...]]", cursor.fetchall())

    def schema(self, database: str) -> list[str]:
        dump = [str(BIN / "pg_dump"), "-s", "-T", "flyway_schema_history", "-d", self.server.url(database)]
        text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
        return [line for line in text.splitlines() if not line.startswith(("--", "\\"))]


@pytest.fixture(name="both", scope="module")
def _both() -> t.Iterator[Both]:
    place = pathlib.Path(tempfile.mkdtemp(prefix="slipway-pg-"))
    place.chmod(0o755)  # the server is another user
    location = corpus.lay("postgresql", place / "sql")
    (place / "server").mkdir()
    server = Server(place / "server", free_port())
    server.start()
    try:
        server.execute("postgres", "CREATE DATABASE flyway", "CREATE DATABASE ours")
        given = [f"-placeholders.{name}={value}" for name, value in corpus.PLACEHOLDERS.items()]
        assert flyway(server, "flyway", location, "migrate", *given)["migrationsExecuted"]
        files = [File(location, name) for name in names.scan(str(location)) if name.kind != UNDO]
        with contextlib.closing(server.connect("ours")) as link, link.cursor() as cursor:
            for file in files:
                file.run(cursor)
        yield Both(server, files)
    finally:
        server.stop()
        shutil.rmtree(place)


def test_the_history_of_flyway_is_ours(both: Both) -> None:
    columns = "version, description, type, script, checksum"
    history = both.ask("flyway", f"SELECT {columns} FROM flyway_schema_history WHERE success ORDER BY installed_rank")
    assert [file.row for file in both.files] == history
    assert len(history) >= 60


def test_a_hidden_folder_is_left_out(both: Both) -> None:
    assert not [file.name for file in both.files if "hidden" in file.name.script]


@pytest.mark.parametrize("table", ["seen", "placed", "copied", "product"])
def test_the_statements_leave_the_same_rows(both: Both, table: str) -> None:
    question = f"SELECT * FROM {table} ORDER BY 1, 2" if table != "placed" else "SELECT * FROM placed ORDER BY 1"
    assert both.ask("ours", question) == both.ask("flyway", question) != []


def test_the_statements_leave_the_same_schema(both: Both) -> None:
    assert both.schema("ours") == both.schema("flyway")
