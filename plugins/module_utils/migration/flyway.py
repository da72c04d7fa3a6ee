# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flyway's command line (private to the collection).

Files and history are read here as for plain SQL, and so is the preview: the free edition takes C(-dryRunOutput), and migrates.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import typing as t

from .address import session
from .model import Migration, Status
from .outside import Outside, Run, Setup, failed, unable
from .runner import SqlRunner
from .tool import Order, Sources

# What its message says of a statement that was refused.
SAID = {
    "script": re.compile(r"(?m)^Location\s*: (\S+)"),
    "line": re.compile(r"(?m)^Line\s*: (\d+)"),
    "code": re.compile(r"(?m)^SQL State\s*: (\w+)"),
}


class Files(t.NamedTuple):
    """What of the module's options Flyway is told."""

    locations: tuple[str, ...]
    encoding: str = "UTF-8"
    out_of_order: bool = False
    placeholders: t.Mapping[str, str] = {}
    prefix: str = ""
    suffix: str = ""


class Flyway(Outside):
    """See RV(Tool).

    :param sql: the same files and history, up to a target.
    """

    name = "flyway"
    states = ("latest", "target", "status", "baselined", "repaired")

    def __init__(self, setup: Setup, files: Files, sql: t.Callable[[str], SqlRunner]) -> None:
        super().__init__(setup)
        self._files = files
        self._sql = sql
        self._readers: dict[str, SqlRunner] = {}

    def _read(self, target: str, _run: Run) -> Status:
        if target not in self._readers:
            self._readers[target] = self._sql(target)
        return self._readers[target].status()

    def sources(self, order: Order) -> Sources:
        return self._sql(order.target if order.state == "target" else "").sources(order)

    def _prepare(self, before: Status) -> None:
        """Flyway takes a schema with any table in it for one that is not its own, so the history comes first."""
        if self._database.settings.fence is not None and not before.recorded and not self._database.tables():
            self._database.create_history()
        if before.recorded or not self._database.tables() - {self._database.settings.table}:
            super()._prepare(before)

    def _carry_out(self, order: Order, before: Status, wanted: t.Sequence[Migration], run: Run) -> t.Mapping[str, int]:
        if order.state == "repaired":
            self._flyway(run, "repair")
        elif order.state == "baselined":
            if self._expect_no_history(before):
                self._flyway(run, "baseline", f"-baselineVersion={order.target or '1'}")
        else:
            if any(one.phase == "backfill" for one in wanted):
                raise unable(self.name, "run a backfill in batches", "Use tool: sql for it; the history is the same.")
            versions = [one.version for one in wanted if one.version]
            whole = len(wanted) == len(before.pending) and order.state == "latest"
            self._flyway(run, "migrate", *([] if whole or not versions else [f"-target={versions[-1]}"]))
        return {}

    def _show(self, order: Order, _status: Status, _wanted: t.Sequence[Migration], _run: Run) -> str:
        return self._sql("").preview(order)

    def _flyway(self, run: Run, command: str, *words: str) -> None:
        """Of a script that failed it may end with 0 all the same, so its JSON is looked at.

        :raises SlipwayError: C(migration_failed).
        """
        with self._settings_file() as path:
            ended = run(
                "-outputType=json",
                "-skipCheckForUpdate",
                f"-configFiles={path}",
                *words,
                command,
                env=self._login(),
                mine=[path],
            )
        error: dict[str, t.Any] = {}
        with contextlib.suppress(ValueError):
            error = json.loads(ended.stdout).get("error") or {}
        if ended.rc == 0 and not error:
            return
        said = str(error.get("message") or ended.said or f"exit status {ended.rc}").strip()
        found = {name: (match[1] if (match := rule.search(said)) else "") for name, rule in SAID.items()}
        script = os.path.basename(str(error.get("path") or found["script"]))
        line = int(error.get("lineNumber") or found["line"] or 0)
        where = f"{script} line {line}" if script and line else script or self.name
        raise failed(where, said, script=script, line=line, code=found["code"])

    def _login(self) -> dict[str, str]:
        setup = self._setup
        began = session(setup.address, setup.database.settings)
        return {
            "FLYWAY_URL": setup.address.jdbc(**({"options": began} if began else {})),
            "FLYWAY_USER": setup.address.user,
            "FLYWAY_PASSWORD": setup.address.password,
            "REDGATE_DISABLE_TELEMETRY": "true",
        }

    @contextlib.contextmanager
    def _settings_file(self) -> t.Iterator[str]:
        """For this user alone, since values of placeholders may be secrets."""
        settings = self._setup.database.settings
        given = {
            "locations": ",".join(f"filesystem:{os.path.abspath(path)}" for path in self._files.locations),
            "table": settings.table,
            "defaultSchema": settings.schema,
            "encoding": self._files.encoding,
            "outOfOrder": str(self._files.out_of_order).lower(),
            "placeholderPrefix": self._files.prefix,
            "placeholderSuffix": self._files.suffix,
            # Its other lock is a transaction, for which CREATE INDEX CONCURRENTLY would wait for ever.
            "postgresql.transactional.lock": "false",
            "validateMigrationNaming": "true",
            **{f"placeholders.{name}": value for name, value in self._files.placeholders.items()},
        }
        with tempfile.NamedTemporaryFile("w", prefix="slipway-", suffix=".conf", encoding="utf-8") as file:  # 0600
            if self._setup.config:
                path = os.path.join(self._setup.child.directory, self._setup.config)
                with open(path, encoding="utf-8") as own:
                    file.write(own.read() + "\n")
            for name, value in given.items():
                if "\n" in value:
                    raise unable(self.name, f"take a value of several lines: {name}", "Write it into one line.")
                if value:
                    file.write(f"flyway.{name}={value}\n")
            file.flush()
            yield file.name
