# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program with migrations and a database, the same for each kind of database."""

from __future__ import annotations

import abc
import contextlib
import itertools
import pathlib
import re
import sqlite3
import subprocess
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.database import mysql_login, postgresql_login
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Database, Fence, Settings
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import Report
from ansible_collections.slipway.deploy.plugins.module_utils.migration.mysql import MySQL
from ansible_collections.slipway.deploy.plugins.module_utils.migration.placeholders import Placeholders
from ansible_collections.slipway.deploy.plugins.module_utils.migration.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.migration.runner import Patience, SqlRunner
from ansible_collections.slipway.deploy.plugins.module_utils.migration.scripts import Reader, Scripts
from ansible_collections.slipway.deploy.plugins.module_utils.migration.sqlite import SQLite, opener
from ansible_collections.slipway.deploy.plugins.module_utils.migration.states import Rules
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.backup.conftest import BIN
from tests.integration_local.backup.conftest import Server as PostgreSQLServer
from tests.integration_local.mysql.conftest import Server as MariaDBServer

HISTORY = "SELECT version, description, type, script, checksum, success FROM flyway_schema_history ORDER BY 4, 3"

Rows = list[tuple[t.Any, ...]]

_numbers = itertools.count(1)


class Project(abc.ABC):
    """A database, the files of a program, and runners of them."""

    dialect: t.ClassVar[str]
    base: t.ClassVar[type[Database]]
    # V1 makes the table item, V2 puts rows in it, V3 stands outside a transaction, R is a view; each can be run again after a
    # part of it was, where the database may leave a part.
    usual: t.ClassVar[t.Mapping[str, str]]
    outside: t.ClassVar[tuple[str, ...]]  # those of them that may be dirty after a kill
    slow: t.ClassVar[str]  # a statement that takes for ever

    url: str

    def __init__(self, files: pathlib.Path) -> None:
        self.files = files
        self.files.mkdir(exist_ok=True)
        self.database = f"m{next(_numbers)}"

    @abc.abstractmethod
    def another(self) -> Project:
        """The same files, and an empty database."""

    def as_owner(self, user: str, password: str) -> None:
        """Let what runs from now on log in as a new user who may do everything here; who has an account has one by the url."""
        raise NotImplementedError

    @abc.abstractmethod
    def open(self, settings: Settings) -> Database:
        """What the engine works with."""

    @abc.abstractmethod
    def connect(self) -> t.Any:
        """Behind the runner's back; each statement stands alone."""

    @abc.abstractmethod
    def schema(self) -> list[str]:
        """All definitions."""

    @abc.abstractmethod
    def blocking(self) -> t.ContextManager[t.Any]:
        """Somebody who uses the table item, so that nobody can change it."""

    def write(self, **files: str) -> None:
        """Files by their names without the ending."""
        for name, text in files.items():
            (self.files / f"{name}.sql").write_text(text)

    def runner(
        self,
        *,
        token: int = 0,
        lock_wait: float = 60.0,
        retry: float = 60.0,
        lock_timeout: float = 0.05,
        statement_timeout: float = 0.0,
    ) -> SqlRunner:
        """A new one, with a connection of its own."""
        fence = Fence("shop/production", token) if token else None
        settings = Settings(lock_timeout=lock_timeout, statement_timeout=statement_timeout, fence=fence)
        scripts = Scripts([str(self.files)], Reader(self.dialect, Placeholders({})))
        return SqlRunner(self.open(settings), scripts, System(), Rules(), Patience(lock_wait, retry))

    def run(self, state: str = "latest", target: str = "", timeout: float = 0.0, **options: t.Any) -> Report:
        """Do what is wanted."""
        return self.runner(**options).apply(Order(state, target, "all", timeout))

    def ask(self, question: str) -> Rows:
        """One question on a connection of its own."""
        with contextlib.closing(self.connect()) as link, contextlib.closing(link.cursor()) as cursor:
            cursor.execute(question)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def execute(self, *statements: str) -> None:
        """Behind the runner's back, one after the other on one connection."""
        with contextlib.closing(self.connect()) as link, contextlib.closing(link.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def states(self) -> dict[str, str]:
        """Script to state; of several lines of one script the last."""
        return {one.script: one.state for one in self.runner().status().migrations}

    def whole(self) -> tuple[list[str], Rows, Rows]:
        """Definitions, rows, and the history without its moments."""
        return self.schema(), self.ask("SELECT * FROM item ORDER BY id"), self.ask(HISTORY)


class PostgreSQLProject(Project):
    """On a server of the tests."""

    dialect = "postgresql"
    base = PostgreSQL
    outside = ("V3__index.sql",)
    slow = "SELECT pg_sleep(3600)"
    usual: t.ClassVar = {
        "V1__item": "CREATE TABLE item (id int GENERATED BY DEFAULT AS IDENTITY (START 100) PRIMARY KEY, name text NOT NULL);\n"
        "INSERT INTO item VALUES (1, 'a');",  # what a sequence has given is not taken back
        "V2__rows": "COPY item (id, name) FROM stdin;\n2\tb\n3\tc\n\\.\nINSERT INTO item VALUES (4, 'd');",
        "V3__index": "CREATE INDEX CONCURRENTLY IF NOT EXISTS item_name ON item (name);",
        "V4__price": "ALTER TABLE item ADD COLUMN price integer;\nUPDATE item SET price = 1;",
        "R__names": "CREATE OR REPLACE VIEW names AS SELECT name FROM item;",
    }

    def __init__(self, server: PostgreSQLServer, files: pathlib.Path) -> None:
        super().__init__(files)
        self.server = server
        self.url = server.url(self.database)
        server.execute("postgres", f"CREATE DATABASE {self.database}")

    def as_user(self, user: str, password: str) -> None:
        """Of what runs from now on."""
        self.url = self.server.url(self.database, user, password)

    def as_owner(self, user: str, password: str) -> None:
        said = "'" + password.replace("'", "''") + "'"
        self.execute(f"CREATE ROLE {user} LOGIN PASSWORD {said}", f"ALTER SCHEMA public OWNER TO {user}")
        self.as_user(user, password)

    def another(self) -> PostgreSQLProject:
        return PostgreSQLProject(self.server, self.files)

    def open(self, settings: Settings) -> PostgreSQL:
        return PostgreSQL(postgresql_login.Login(self.url).open, settings, System())

    def connect(self) -> t.Any:
        return self.server.connect(self.database)

    @contextlib.contextmanager
    def blocking(self) -> t.Iterator[t.Any]:
        with contextlib.closing(self.connect()) as link, link.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE item")
            yield link

    def schema(self) -> list[str]:
        done = subprocess.run(
            [str(BIN / "pg_dump"), "-s", "-d", self.server.url(self.database)],
            check=True,
            capture_output=True,
            text=True,
        )
        return [line for line in done.stdout.splitlines() if not line.startswith(("--", "\\"))]


class MariaDBProject(Project):
    """On a server of the tests."""

    dialect = "mysql"
    base = MySQL
    outside = ("V1__item.sql", "V3__stored.sql", "V4__price.sql", "R__names.sql")
    slow = "SELECT BENCHMARK(1000000000000, MD5('a'))"
    usual: t.ClassVar = {
        "V1__item": "CREATE TABLE IF NOT EXISTS item (id int AUTO_INCREMENT PRIMARY KEY, name varchar(20) NOT NULL);\n"
        "INSERT IGNORE INTO item VALUES (1, 'a');",
        "V2__rows": "INSERT INTO item VALUES (2, 'b');\nINSERT INTO item VALUES (3, '100 %');",
        "V3__stored": "DROP PROCEDURE IF EXISTS more;\nDELIMITER //\nCREATE PROCEDURE more()\nBEGIN\n  UPDATE item SET name = 'c;'"
        " WHERE id = 3;\nEND//\nDELIMITER ;\nCALL more();",
        "V4__price": "ALTER TABLE item ADD COLUMN IF NOT EXISTS price int;\nUPDATE item SET price = 1;",
        "R__names": "CREATE OR REPLACE VIEW names AS SELECT name FROM item;",
    }

    def __init__(self, server: MariaDBServer, files: pathlib.Path) -> None:
        super().__init__(files)
        self.server = server
        self.url = server.url(self.database)
        server.execute(None, f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")

    def as_owner(self, user: str, password: str) -> None:
        said = "'" + password.replace("\\", "\\\\").replace("'", "''") + "'"
        self.execute(f"CREATE USER {user} IDENTIFIED BY {said}", f"GRANT ALL ON {self.database}.* TO {user}")
        self.url = self.server.url(self.database, user, password)

    def another(self) -> MariaDBProject:
        return MariaDBProject(self.server, self.files)

    def open(self, settings: Settings) -> MySQL:
        return MySQL(mysql_login.Login(self.url).open, settings, System())

    def connect(self) -> t.Any:
        return self.server.connect(self.database)

    @contextlib.contextmanager
    def blocking(self) -> t.Iterator[t.Any]:
        with contextlib.closing(self.connect()) as link, link.cursor() as cursor:
            cursor.execute("LOCK TABLES item WRITE")
            yield link

    def schema(self) -> list[str]:
        dump = ["mariadb-dump", "--no-defaults", f"--socket={self.server.socket}", "--user=root", "--no-data"]
        options = ["--routines", "--skip-comments", self.database]
        text = subprocess.run([*dump, *options], check=True, capture_output=True, text=True).stdout
        return re.sub(r" AUTO_INCREMENT=\d+", "", text.replace(f"`{self.database}`", "`its own`")).splitlines()


class SQLiteProject(Project):
    """In a file."""

    dialect = "sqlite"
    base = SQLite
    outside = ("V3__vacuum.sql",)
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    usual: t.ClassVar = {
        "V1__item": "CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL);\nINSERT INTO item (name) VALUES ('a');",
        "V2__rows": "INSERT INTO item (name) VALUES ('b');\nINSERT INTO item (name) VALUES ('c');",
        "V3__vacuum": "VACUUM;",
        "V4__price": "ALTER TABLE item ADD COLUMN price integer;\nUPDATE item SET price = 1;",
        "R__names": "DROP VIEW IF EXISTS names;\nCREATE VIEW names AS SELECT name FROM item;",
    }

    def __init__(self, directory: pathlib.Path, files: pathlib.Path) -> None:
        super().__init__(files)
        self.directory = directory
        self.path = directory / f"{self.database}.db"
        self.url = str(self.path)
        self.path.touch()

    def another(self) -> SQLiteProject:
        return SQLiteProject(self.directory, self.files)

    def open(self, settings: Settings) -> SQLite:
        return SQLite(opener(str(self.path)), settings, System())

    def connect(self) -> t.Any:
        return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)

    @contextlib.contextmanager
    def blocking(self) -> t.Iterator[t.Any]:
        with contextlib.closing(self.connect()) as link:
            link.execute("BEGIN IMMEDIATE")
            yield link

    def schema(self) -> list[str]:
        return [str(sql) for (sql,) in self.ask("SELECT sql FROM sqlite_master ORDER BY name")]
