# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Liquibase's command line (private to the collection).

It has no listing that a program could read. But it keeps the history of a database that it cannot reach in a CSV file
(Liquibase documentation, "Using offline mode"): begun with an empty one, that lists all changesets with their checksums; begun
with the lines of DATABASECHANGELOG, it shows what is pending. Neither touches the database.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import tempfile
import typing as t

from ..errors import SlipwayError
from . import model
from .address import session
from .model import Migration, Status
from .outside import Outside, Run, Setup, compared, failed
from .tool import Order
from .validate import problems_of

COLUMNS = (
    "ID",
    "AUTHOR",
    "FILENAME",
    "DATEEXECUTED",
    "ORDEREXECUTED",
    "EXECTYPE",
    "MD5SUM",
    "DESCRIPTION",
    "COMMENTS",
    "TAG",
    "LIQUIBASE",
    "CONTEXTS",
    "LABELS",
    "DEPLOYMENT_ID",
)
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
FAILED = re.compile(r"[Mm]igration failed for changeset ([^\n]+?::[^\n]+?::[^\s:]+):")
# What its log says of a changeset that it leaves as it is and tries again the next time: onFail="CONTINUE", failOnError="false".
PASSED = re.compile(
    r"(?:Continuing past: (.+?::.+?::.+?) despite precondition failure|Changeset (.+?::.+?::.+?) failed, but failOnError)"
)

Line = dict[str, str]


class Liquibase(Outside):
    """See RV(Tool). A migration is called C(FILE::ID::AUTHOR)."""

    name = "liquibase"

    def __init__(self, setup: Setup, table: str = "") -> None:
        super().__init__(setup)
        self._table = table
        self._passed: set[str] = set()

    def _read(self, target: str, run: Run) -> Status:
        known = [_known(line) for line in self._once("", lambda: self._offline(run, [], "update-sql"))[1]]
        lines = self._lines()
        applied = [_applied(rank, line) for rank, line in enumerate(lines or [], 1)]
        found = compared(known, applied, self._up_to(known, target) if target else None)
        if any(_differs(one) for one in found):
            found = self._judged(found, lines or [], run)
        problems = [problem.told() for problem in problems_of(found)]
        current = applied[-1].version if applied else ""
        return Status(current, lines is not None, tuple(found), tuple(problems), len(applied))

    def _judged(self, found: list[Migration], lines: list[Line], run: Run) -> list[Migration]:
        """Whether what was changed is run again when it changes; else nothing may be run until it is changed back."""
        try:
            self._offline(run, lines, "update-sql")
        except SlipwayError:
            return found
        return [one._replace(state=model.OUTDATED, kind=model.REPEATABLE) if _differs(one) else one for one in found]

    def _carry_out(self, order: Order, before: Status, wanted: t.Sequence[Migration], run: Run) -> t.Mapping[str, int]:
        words = self._words(order, before, wanted)
        if order.state == "undone":
            self._show(
                order, before, wanted, run
            )  # by itself it would undo others until it comes to one without a rollback
        if words:
            if self._locked():
                self._liquibase(run, "release-locks")
            self._passed = self._liquibase(run, *words)
            if self._passed:
                self.say(f"{self.name} has passed over {', '.join(sorted(self._passed))}")
        return {}

    def _expect_applied(self, order: Order, after: Status) -> None:
        """What it passed over, as the changelog lets it, stays pending."""
        rest = tuple(one for one in after.migrations if one.version not in self._passed)
        super()._expect_applied(order, after._replace(migrations=rest))

    def _show(self, order: Order, status: Status, wanted: t.Sequence[Migration], run: Run) -> str:
        command, *rest = self._words(order, status, wanted)
        return self._offline(run, self._lines() or [], f"{command}-sql", *rest)[0]

    def _words(self, order: Order, before: Status, wanted: t.Sequence[Migration]) -> list[str]:
        if order.state == "undone":
            return ["rollback-count", f"--count={len(self._undoing(order, before))}"]
        if order.state == "baselined":
            if not self._expect_no_history(before):
                return []
            return ["changelog-sync-to-tag", f"--tag={order.target}"] if order.target else ["changelog-sync"]
        whole = order.state == "latest" and len(wanted) == len(before.pending)
        return ["update"] if whole else ["update-count", f"--count={len(wanted)}"]

    def _undoing(self, order: Order, before: Status) -> list[Migration]:
        applied = [one for one in before.migrations if one.rank]
        undoing = applied[-1:]
        if order.target:
            undoing = applied[_position(applied, order.target) + 1 :]
        self._expect_known(undoing)
        return undoing

    def _up_to(self, known: t.Sequence[Migration], target: str) -> set[str]:
        return {one.version for one in known[: _position(known, target) + 1]}

    # What there is ------------------------------------------------------------------------------------------

    def _lines(self) -> list[Line] | None:
        wanted = ("ORDEREXECUTED", *(name for name in COLUMNS if name != "ORDEREXECUTED"))
        names = [name.lower() if self._database.dialect == "postgresql" else name for name in wanted]
        rows = self._database.lines(*names)
        return None if rows is None else [dict(zip(wanted, map(_text, row))) for row in rows]

    def _locked(self) -> bool:
        """By a run that was killed: whoever else is at work here has our lock."""
        table = f"{self._database.settings.table}lock"
        table = table if self._database.dialect == "postgresql" else table.upper()
        return any(row[0] for row in self._database.lines("locked", table=table) or [])

    # The program --------------------------------------------------------------------------------------------

    def _liquibase(self, run: Run, *words: str) -> set[str]:
        """Let it work; what it passed over."""
        setup = self._setup
        began = session(setup.address, setup.database.settings)
        with tempfile.TemporaryDirectory(prefix="slipway-") as place:
            log = os.path.join(place, "log")
            env = {
                "LIQUIBASE_COMMAND_URL": setup.address.jdbc(**({"options": began} if began else {})),
                "LIQUIBASE_COMMAND_USERNAME": setup.address.user,
                "LIQUIBASE_COMMAND_PASSWORD": setup.address.password,
                "LIQUIBASE_LOG_FILE": log,
                "LIQUIBASE_LOG_LEVEL": "INFO",
            }
            self._run_it(run, env, *words, mine=[place])
            return _passed_over(log)

    def _offline(self, run: Run, lines: list[Line], *words: str) -> tuple[str, list[Line]]:
        """SQL, and the history as it would be then."""
        with tempfile.TemporaryDirectory(prefix="slipway-") as place:
            path = os.path.join(place, "history.csv")
            with open(path, "w", encoding="utf-8", newline="") as stream:
                writer = csv.DictWriter(stream, COLUMNS)
                writer.writeheader()
                writer.writerows(lines)
            url = f"offline:{self._setup.address.engine}?changeLogFile={path}&outputLiquibaseSql=none"
            sql = self._run_it(run, {"LIQUIBASE_COMMAND_URL": url}, *words, mine=[place])
            with open(path, encoding="utf-8", newline="") as stream:
                return sql, list(csv.DictReader(stream))

    def _run_it(self, run: Run, env: t.Mapping[str, str], *words: str, mine: t.Sequence[str] = ()) -> str:
        setup = self._setup
        given = {"LIQUIBASE_SHOW_BANNER": "false", "JAVA_OPTS": os.environ.get("JAVA_OPTS") or QUICK, **env}
        if self._table:
            given["LIQUIBASE_DATABASE_CHANGELOG_TABLE_NAME"] = self._table
            given["LIQUIBASE_DATABASE_CHANGELOG_LOCK_TABLE_NAME"] = f"{self._table}lock"
        schema = setup.database.settings.schema
        if schema:
            given["LIQUIBASE_LIQUIBASE_SCHEMA_NAME"] = schema
            given["LIQUIBASE_COMMAND_DEFAULT_SCHEMA_NAME"] = schema
        changelog = [] if words[0] == "release-locks" else [f"--changelog-file={setup.config}"]
        ended = run(words[0], *changelog, *words[1:], env=given, mine=mine)
        if ended.rc == 0:
            return ended.stdout
        found = FAILED.search(ended.said)
        where = found[1] if found else f"{self.name} {words[0]}"
        raise failed(where, _words_of(ended.said) or f"exit status {ended.rc}", script=found[1] if found else "")


def _passed_over(log: str) -> set[str]:
    if not os.path.exists(log):
        return set()
    with open(log, encoding="utf-8", errors="replace") as stream:
        return {name for line in stream for found in PASSED.finditer(line) for name in found.groups() if name}


def _words_of(said: str) -> str:
    """Without what it says of itself: from its error on, and not where its log was."""
    index = max(said.find("ERROR:"), 0)
    return said[index:].partition("\nLogs saved to")[0].rstrip()


def _position(migrations: t.Sequence[Migration], target: str) -> int:
    """Of a changeset by its whole name, or by its id where no other one has that."""
    fitting = [
        index for index, one in enumerate(migrations) if target == one.version or target == one.version.split("::")[1]
    ]
    if len(fitting) == 1:
        return fitting[0]
    raise SlipwayError(
        "is no changeset" if not fitting else "is the id of more than one changeset",
        obj=target,
        remedy="Write it as FILE::ID::AUTHOR.",
        cause="bad_input",
    )


def _differs(one: Migration) -> bool:
    """By checksums of the same kind."""
    mine, theirs = str(one.checksum or ""), str(one.applied or "")
    same_kind = mine.partition(":")[0] == theirs.partition(":")[0]
    return one.state == model.SUCCESS and bool(mine and theirs) and same_kind and mine != theirs


def _named(line: Line) -> str:
    return f"{line['FILENAME']}::{line['ID']}::{line['AUTHOR']}"


def _known(line: Line) -> Migration:
    name = _named(line)
    return Migration(
        model.VERSIONED, name, line["DESCRIPTION"], name, model.PENDING, checksum=line["MD5SUM"], transactional=True
    )


def _applied(rank: int, line: Line) -> Migration:
    name = _named(line)
    return Migration(
        model.VERSIONED,
        name,
        line["DESCRIPTION"],
        name,
        model.SUCCESS,
        applied=line["MD5SUM"],
        rank=rank,
        installed_on=line["DATEEXECUTED"],
    )


def _text(value: t.Any) -> str:
    if value is None:
        return ""
    with contextlib.suppress(AttributeError):
        return str(value.isoformat())
    return str(value)
