# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project whose migrations another tool applies, on a real PostgreSQL or MariaDB."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import pathlib
import re
import subprocess
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.migration import factory
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Fence
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Tool
from ansible_collections.slipway.deploy.plugins.module_utils.stages import migration_arguments
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.backup.conftest import BIN, PASSWORD

ROOT = pathlib.Path(__file__).parents[3]
PYTHON = str(ROOT / ".venv-migration-tools/bin/python")
HISTORIES = (
    "alembic_version",
    "django_migrations",
    "flyway_schema_history",
    "databasechangelog",
    "databasechangeloglock",
    "knex_migrations",
    "knex_migrations_lock",
)

_numbers = itertools.count(1)


class Project:
    """A database, a directory, and the options of the module."""

    engine = "postgresql"
    present = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"

    def __init__(self, server: t.Any, directory: pathlib.Path, tool: str, **project: t.Any) -> None:
        self.server, self.directory, self.tool = server, directory, tool
        directory.mkdir(exist_ok=True, parents=True)
        self.database = f"o{next(_numbers)}_{os.getpid()}"
        self._create()
        self.project: dict[str, t.Any] = {"directory": str(directory), **project}
        self.url = server.url(self.database)

    def _create(self) -> None:
        self.server.execute("postgres", f"CREATE DATABASE {self.database}")

    def options(self, **given: t.Any) -> dict[str, t.Any]:
        """As the module has them, every default filled in."""
        usual = {name: option.get("default") for name, option in migration_arguments.MIGRATION_RUNNER.options.items()}
        url = base64.b64encode(self.url.encode()).decode()
        own = {"tool": self.tool, "engine": self.engine, "url": url, "project": self.project}
        return {**usual, **own, "retry": 30, "lint": "off", **given}

    def run(self, state: str = "latest", *, check: bool = False, **given: t.Any) -> dict[str, t.Any]:
        """What the module returns; it has to end well."""
        told = perform(self.options(state=state, **given), check)
        assert not told.get("failed"), told
        return told

    def refused(self, state: str = "latest", *, check: bool = False, **given: t.Any) -> dict[str, t.Any]:
        """Its error; no word of the password is in the result."""
        told = perform(self.options(state=state, **given), check)
        assert told.get("failed"), told
        assert "exception" not in told, told["exception"]
        assert "wörd" not in str(told)
        return t.cast("dict[str, t.Any]", told["error"])

    def fenced(self, token: int) -> Tool:
        """As a release has it."""
        return factory.tool(self.options(), self.url, System(), Fence("shop/test", token))

    def ask(self, question: str) -> list[tuple[t.Any, ...]]:
        """Behind the tool's back."""
        with contextlib.closing(self.server.connect(self.database)) as link, link.cursor() as cursor:
            cursor.execute(question)
            return [*cursor.fetchall()] if cursor.description else []

    def tables(self) -> set[str]:
        """All but those of histories."""
        return {name for (name,) in self.ask(self.present) if name.lower() not in HISTORIES}

    def empty(self) -> bool:
        """Whether there is nothing at all in it, of no history either."""
        return self.ask("SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []

    def schema(self, database: str = "") -> list[str]:
        """All that it has but rows."""
        dump = [str(BIN / "pg_dump"), "-s", "-d", self.server.url(database or self.database)]
        text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
        return [line for line in text.splitlines() if not line.startswith(("--", "\\"))]

    def by_hand(self, *argv: str, **env: str) -> str:
        """The tool itself, as people use it."""
        server = self.server
        login = {"HOST": "127.0.0.1", "PORT": str(server.port), "USER": "admin", "PASSWORD": PASSWORD}
        done = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env={**os.environ, "LOGIN": json.dumps(login), **env},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def write(self, name: str, text: str) -> pathlib.Path:
        """A file of the project."""
        path = self.directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
        return path


class MariaDBProject(Project):
    """The same on MariaDB."""

    engine = "mariadb"
    present = "SHOW TABLES"

    def _create(self) -> None:
        self.server.execute(None, f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")

    def empty(self) -> bool:
        return self.ask(self.present) == []

    def schema(self, database: str = "") -> list[str]:
        dump = ["mariadb-dump", "--no-defaults", f"--socket={self.server.socket}", "--user=root", "--no-data"]
        words = [*dump, "--skip-comments", database or self.database]
        text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        return re.sub(r" AUTO_INCREMENT=\d+", "", text).splitlines()


def states(told: dict[str, t.Any]) -> dict[str, str]:
    """State by version, or by script where there is none."""
    return {one.get("version") or one["script"]: one["state"] for one in told["migrations"]}
