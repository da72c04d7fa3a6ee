# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same small migrations for each tool, in its own form, and how it is run."""

from __future__ import annotations

import abc
import base64
import json
import os
import subprocess
import sys
import typing as t
import urllib.parse
import zlib
from pathlib import Path

from ansible_collections.slipway.deploy.plugins.module_utils.stages import migration_arguments
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked

from tests.integration_local.backup.conftest import BIN, PASSWORD

from .cluster import Cluster, run

ROOT = Path(__file__).resolve().parents[2]
OTHERS = ROOT / ".venv-bench" / "bin"
FLYWAY = ROOT / ".cache" / "tools" / "flyway"
ENGINES = Path(migration_arguments.__file__).parents[1]
# A machine has the engines compiled, whatever the environment says here.
COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(ROOT / ".cache" / "compiled")}

# A table, a column with an index, rows.
KINDS = (
    "CREATE TABLE t{table} (id serial PRIMARY KEY, name text NOT NULL);",
    "ALTER TABLE t{table} ADD COLUMN price integer;\nCREATE INDEX t{table}_price ON t{table} (price);",
    "INSERT INTO t{table} (name, price) VALUES ('a', 1), ('b', 2);",
)


def small(count: int) -> list[str]:
    """The SQL of so many."""
    return [KINDS[number % len(KINDS)].format(table=number // len(KINDS)) for number in range(count)]


class Migrating(abc.ABC):
    """A tool with its migrations, which never change.

    :param place: a new directory for them.
    """

    name: t.ClassVar[str]
    how: t.ClassVar[str]

    def __init__(self, server: Cluster, place: Path, count: int) -> None:
        self.server, self.place = server, place
        place.mkdir()
        self.write(small(count))

    @abc.abstractmethod
    def write(self, texts: t.Sequence[str]) -> None:
        """The migrations, as it wants them."""

    @abc.abstractmethod
    def migrate(self, database: str) -> None:
        """Apply what is pending, in a process of its own."""

    def address(self, scheme: str, database: str) -> str:
        """As a URL."""
        password = urllib.parse.quote(PASSWORD, safe="")
        return f"{scheme}://admin:{password}@127.0.0.1:{self.server.port}/{database}"


class Slipway(Migrating):
    """Ours."""

    name = "slipway"
    how = "a process with the engine, lint included; each in a transaction with its line of the history"
    memory = 0.0  # MiB, the most that the last process had

    def __init__(self, server: Cluster, place: Path, count: int) -> None:
        super().__init__(server, place, count)
        run([sys.executable, "-m", "compileall", "-q", ENGINES], env={**os.environ, **COMPILED})

    def write(self, texts: t.Sequence[str]) -> None:
        for number, text in enumerate(texts, 1):
            (self.place / f"V{number}__small.sql").write_text(f"{text}\n")

    def migrate(self, database: str) -> None:
        url = base64.b64encode(self.server.url(database).encode()).decode()
        params = checked({"url": url, "locations": [str(self.place)], "lint_squawk": ""}, MIGRATION_RUNNER)
        order = json.dumps({"module": "migration_runner", "params": params, "check": False})
        words = [sys.executable, "-m", "tests.bench.migrate_once"]
        given = {**os.environ, **COMPILED}
        done = subprocess.run(words, input=order, capture_output=True, text=True, check=True, cwd=ROOT, env=given)
        if json.loads(done.stdout).get("failed"):
            raise RuntimeError(done.stdout)
        self.memory = float(done.stderr)


class Psql(Migrating):
    """The floor."""

    name, how = "psql", "one session with the same statements, a commit for each migration, no history"

    def write(self, texts: t.Sequence[str]) -> None:
        (self.place / "all.sql").write_text("".join(f"BEGIN;\n{text}\nCOMMIT;\n" for text in texts))

    def migrate(self, database: str) -> None:
        run([BIN / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", self.place / "all.sql", self.server.url(database)])


class Recorded(Psql):
    """What of it is the history's: a line with each migration, in a table as Flyway makes it."""

    name, how = "psql with the history", "the same, with a line of the history in each transaction"

    def write(self, texts: t.Sequence[str]) -> None:
        parts = [f"{LINES};\n"]
        for number, text in enumerate(texts, 1):
            known = f"'V{number}__small.sql', {zlib.crc32(text.encode()) >> 1}, 'admin', 1, true"
            values = f"{number}, '{number}', 'small', 'SQL', {known}"
            parts.append(f"BEGIN;\n{text}\nINSERT INTO lines ({COLUMNS}) VALUES ({values});\nCOMMIT;\n")
        (self.place / "all.sql").write_text("".join(parts))


COLUMNS = "installed_rank, version, description, type, script, checksum, installed_by, execution_time, success"
LINES = (
    "CREATE TABLE lines (installed_rank int PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL,"
    " type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer, installed_by varchar(100) NOT NULL,"
    " installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL, success boolean NOT NULL);\n"
    "CREATE INDEX ON lines (success)"
)


class Flyway(Migrating):
    """Its few jars alone, which tools/bootstrap.sh puts there."""

    name, how = "Flyway 10", "its few jars alone, with the JVM's quickest start"
    write = Slipway.write

    def migrate(self, database: str) -> None:
        java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{FLYWAY}/*"]
        options = ["-skipCheckForUpdate", f"-locations=filesystem:{self.place}", "migrate"]
        given = {
            "FLYWAY_URL": f"jdbc:postgresql://127.0.0.1:{self.server.port}/{database}",
            "FLYWAY_USER": "admin",
            "FLYWAY_PASSWORD": PASSWORD,
            "REDGATE_DISABLE_TELEMETRY": "true",
            "LC_ALL": "C.UTF-8",
        }
        run([*java, "org.flywaydb.commandline.Main", *options], env={**os.environ, **given})


ENVIRONMENT = """\
import os
import sqlalchemy
from alembic import context

engine = sqlalchemy.create_engine(os.environ["DATABASE_URL"])
with engine.connect() as link:
    context.configure(connection=link, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """\
from alembic import op

revision, down_revision = {revision!r}, {before!r}


def upgrade():
    op.execute({text!r})
"""


class Alembic(Migrating):
    """Revisions that execute the same SQL."""

    name, how = "Alembic 1.20", "transaction_per_migration; op.execute of the same SQL"

    def write(self, texts: t.Sequence[str]) -> None:
        versions = self.place / "versions"
        versions.mkdir()
        (self.place / "alembic.ini").write_text(f"[alembic]\nscript_location = {self.place}\n")
        (self.place / "env.py").write_text(ENVIRONMENT)
        for number, text in enumerate(texts, 1):
            named = {"revision": f"{number:04}", "before": f"{number - 1:04}" if number > 1 else None, "text": text}
            (versions / f"{number:04}_small.py").write_text(REVISION.format(**named))

    def migrate(self, database: str) -> None:
        given = {"DATABASE_URL": self.address("postgresql+psycopg2", database)}
        run([OTHERS / "alembic", "-c", self.place / "alembic.ini", "upgrade", "head"], env={**os.environ, **given})


class Dbmate(Migrating):
    """A program written in Go."""

    name, how = "dbmate 2.37", "a transaction each, without the dump of the schema that follows by default"

    def write(self, texts: t.Sequence[str]) -> None:
        for number, text in enumerate(texts, 1):
            (self.place / f"{number:04}_small.sql").write_text(f"-- migrate:up\n{text}\n-- migrate:down\n")

    def migrate(self, database: str) -> None:
        given = {"DATABASE_URL": self.address("postgres", database) + "?sslmode=disable"}
        options = ["--no-dump-schema", "--migrations-dir", self.place]
        run([OTHERS / "dbmate", *options, "migrate"], env={**os.environ, **given})
