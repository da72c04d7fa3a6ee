# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""squawk, a linter of PostgreSQL's migrations, asked for a second opinion where it is installed (private to the collection).

Source: squawk 2.70, "Rules" and "CLI". It knows neither which tables are new in an earlier migration nor what a later statement
makes good; where our rules have looked at the same and spared it, it is not heard. What it says of style is left out.
"""

from __future__ import annotations

import bisect
import json
import os
import re
import shutil
import tempfile
import typing as t

from ...errors import SlipwayError
from ...system import System
from .check import Finding, Judged, Reading, finding_of, overruled
from .rules import RULES

PROGRAM = "squawk"
PARTS = {"file", "line", "column", "rule_name", "message"}  # that we read of a violation
TIMEOUT = 120.0  # seconds; it reads a thousand files in one
LINE = re.compile(r"\r\n?|\n")

# Its rules that are ours, and the ones of ours that judge the same; the first is told where none has. All others are of style.
SAME: dict[str, tuple[str, ...]] = {
    "adding-field-with-default": ("add-column-rewrites",),
    "adding-foreign-key-constraint": ("add-foreign-key",),
    "adding-not-nullable-field": ("not-null-scan", "add-column-not-null"),
    "adding-required-field": ("add-column-not-null",),
    "adding-serial-primary-key-field": ("add-primary-key", "add-column-rewrites"),
    "ban-alter-domain-with-add-constraint": ("tighten-domain",),
    "ban-drop-column": ("drop-column",),
    "ban-drop-database": ("drop-schema",),
    "ban-drop-table": ("drop-table",),
    "ban-truncate-cascade": ("truncate",),
    "changing-column-type": ("change-type",),
    "constraint-missing-not-valid": (
        "add-check",
        "add-foreign-key",
        "add-unique",
        "add-primary-key",
        "add-exclusion",
        "validate-in-transaction",
    ),
    "disallowed-unique-constraint": ("add-unique", "add-primary-key"),
    "renaming-column": ("rename-column",),
    "renaming-object": (
        "rename-type",
        "rename-value",
        "rename-view",
        "rename-schema",
        "rename-sequence",
        "rename-routine",
    ),
    "renaming-table": ("rename-table", "rebuild-table"),
    "require-concurrent-index-creation": ("index-blocks-writes",),
    "require-concurrent-index-deletion": ("drop-index-locks",),
    "require-concurrent-partition-detach": ("detach-partition",),
    "require-concurrent-reindex": ("reindex",),
}


class Squawk:
    """The program.

    :param program: its path.
    :raises SlipwayError: C(command_missing), C(command_failed).
    """

    def __init__(self, program: str, system: System) -> None:
        self._program = program
        self._system = system
        self.version = self._run("--version").strip() or PROGRAM

    @classmethod
    def found(cls, named: str | None, system: System) -> Squawk | None:
        """The one that is named, or else the one on the path; None where there is none, or it is named with nothing."""
        if named is not None:
            return cls(named, system) if named else None
        program = shutil.which(PROGRAM)
        return cls(program, system) if program else None

    def judged(self, readings: t.Sequence[Reading], ours: t.Sequence[Judged], server: int) -> list[Judged]:
        """What it finds and we have not looked at.

        :param server: major version.
        """
        looked = {(one.at, one.finding.rule) for one in ours}
        found = []
        places: dict[int, list[tuple[int, int]]] = {}
        for number, violation in self._violations(readings, server):
            mapped, one = SAME.get(violation["rule_name"]), readings[number]
            if mapped is None:
                continue
            if number not in places:
                places[number] = [(line, column) for line, column, _text in _laid_out(one)]
            where = (int(violation["line"]), int(violation["column"]))
            at = (number, max(0, bisect.bisect_right(places[number], where) - 1))
            if not any((at, rule) in looked for rule in mapped):
                found.append(Judged(_finding(one, at[1], violation, mapped[0]), at, spared=False))
                looked.add((at, mapped[0]))
        return found

    def _violations(self, readings: t.Sequence[Reading], server: int) -> t.Iterator[tuple[int, dict[str, t.Any]]]:
        with tempfile.TemporaryDirectory(prefix="slipway-lint-") as directory:
            config = os.path.join(directory, "config.toml")  # an empty one, lest it look for one where we happen to be
            _write(config, "")
            for whole in (True, False):
                files = []
                for number, one in enumerate(readings):
                    if one.text.whole == whole and one.statements:
                        files.append(os.path.join(directory, f"{number}.sql"))
                        _write(files[-1], "".join(text for _line, _column, text in _laid_out(one)))
                options = ["--reporter", "json", "--config", config]
                options += ["--pg-version", f"{server}.0"] if server else []
                options += ["--assume-in-transaction"] if whole else []
                for violation in self._answer([*options, *files]) if files else ():
                    yield int(os.path.basename(violation["file"])[: -len(".sql")]), violation

    def _answer(self, options: t.Sequence[str]) -> list[dict[str, t.Any]]:
        said = self._run(*options)
        try:
            found = json.loads(said)
        except ValueError:
            raise self._failed(said) from None
        if not isinstance(found, list) or not all(isinstance(one, dict) and set(one) >= PARTS for one in found):
            raise self._failed(said)
        return found

    def _run(self, *options: str) -> str:
        done = self._system.run([self._program, *options], timeout=TIMEOUT)
        if done.rc not in (0, 1):  # 1 when it has found something
            raise self._failed(done.stderr or done.stdout)
        return done.stdout

    def _failed(self, said: str) -> SlipwayError:
        return SlipwayError(
            "does not answer as squawk does",
            obj=self._program,
            actual=said.strip()[-200:],
            remedy="Mend it, or do without: lint_squawk: ''.",
            cause="command_failed",
        )


def _write(path: str, text: str) -> None:
    with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
        stream.write(text)


def _laid_out(one: Reading) -> list[tuple[int, int, str]]:
    """Its statements, each on the line that it is on in the file: line and column as squawk counts them, and what is written."""
    found, line, column = [], 0, 0
    for statement, _actions in one.statements:
        text = LINE.sub("\n", statement.text)
        down = max(0, statement.line - 1 - line)
        line, column = line + down, 0 if down else column
        found.append((line, column, "\n" * down + text + ";"))
        line, _newline, last = line + text.count("\n"), *text.rpartition("\n")[1:]
        column = len(last) + 1 + (0 if "\n" in text else column)
    return found


def _finding(one: Reading, place: int, violation: t.Mapping[str, t.Any], name: str) -> Finding:
    """In our words where we have read the same, and otherwise in its own."""
    _statement, actions = one.statements[place]
    rules = [rule for rule in RULES if rule.name == name and "postgresql" in rule.dialects]
    for action in actions:
        for rule in rules:
            if action.kind in rule.on:
                return finding_of(one.text, action, rule)._replace(message=str(violation["message"]))
    rule = rules[0]
    recipe = str(violation.get("help") or "See what squawk says of it: " + str(violation["rule_name"]))
    line, message = int(violation["line"]) + 1, str(violation["message"])
    return Finding(one.text.script, line, name, rule.kind, message, recipe, overruled(one.text.notes, rule))
