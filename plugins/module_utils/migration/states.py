# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is pending, applied, missing or ahead: files and history compared (private to the collection).

Source of the rules: Flyway documentation, "Migrations" and "Info"; C(ahead) and C(dirty) are Slipway's.
"""

from __future__ import annotations

import typing as t

from . import history, model
from .history import Row
from .model import Migration
from .names import Version
from .scripts import Script


class Rules(t.NamedTuple):
    """What decides where files and history differ.

    :param target: the highest version that may be applied; empty for all.
    :param out_of_order: whether what is below the highest applied version may still be applied.
    :param compatible: scripts that a later version applied and this one can live with, by the journal of releases.
    """

    target: str = ""
    out_of_order: bool = False
    compatible: frozenset[str] = frozenset()


class Ledger:
    """The history, read from its first line to its last."""

    def __init__(self, rows: t.Sequence[Row]) -> None:
        self.versions: dict[Version, Row] = {}
        self.repeatables: dict[str, Row] = {}
        self.baseline: Version | None = None
        self.past: list[tuple[Row, str]] = []  # lines that a later one has made void, and how
        self.out_of_order: set[int] = set()
        self.current: Version | None = None  # the highest version in force
        for row in sorted(rows, key=lambda one: one.rank):
            self._read(row)

    def _read(self, row: Row) -> None:
        if row.type == history.SCHEMA:
            return
        if row.version is None:
            self._read_repeatable(row)
            return
        version = Version(row.version)
        before = self.versions.get(version)
        if row.type in (history.UNDO_SQL, history.DELETE):
            if not row.success:
                self.versions[version] = row  # nobody knows how much of it is there still
            elif before is not None:
                self.past.append((before, model.UNDONE if row.type == history.UNDO_SQL else model.DELETED))
                del self.versions[version]
            self.current = max((known for known, one in self.versions.items() if one.success), default=None)
            return
        if row.type in (history.BASELINE, history.SQL_BASELINE):
            self.baseline = version
        if self.current is not None and version < self.current:
            self.out_of_order.add(row.rank)
        elif row.success:
            self.current = version
        self.versions[version] = row

    def _read_repeatable(self, row: Row) -> None:
        before = self.repeatables.get(row.description)
        if row.type == history.DELETE:
            if before is not None:
                self.past.append((before, model.DELETED))
                del self.repeatables[row.description]
            return
        if before is not None:
            self.past.append((before, model.SUPERSEDED))
        self.repeatables[row.description] = row


def resolve(scripts: t.Sequence[Script], rows: t.Sequence[Row], rules: Rules) -> list[Migration]:
    """Each migration that a file or the history knows: the applied ones first, in the order in which they were applied, then
    the others in the order in which they are to be.

    :param scripts: in the order of RV(names.order).
    """
    ledger = Ledger(rows)
    versioned = {one.name.version: one for one in scripts if one.name.kind == model.VERSIONED}
    baselines = {one.name.version: one for one in scripts if one.name.kind == model.BASELINE}
    repeatable = {one.name.description: one for one in scripts if one.name.kind == model.REPEATABLE}
    highest = max([version for version in versioned if version], default=None)
    found = [_voided(row, state) for row, state in ledger.past]
    for version, row in ledger.versions.items():
        script = baselines.get(version) if row.type == history.SQL_BASELINE else versioned.get(version)
        found.append(_applied(row, script, _state(row, script, ledger, highest, rules)))
    for description, row in ledger.repeatables.items():
        script = repeatable.get(description)
        found.append(_applied(row, script, _repeated(row, script, rules)))
    found.sort(key=lambda one: one.rank)
    return [*found, *_unapplied(scripts, ledger, rules)]


def _state(row: Row, script: Script | None, ledger: Ledger, highest: Version | None, rules: Rules) -> str:
    if not row.success:
        goes_on = script is not None and script.phase == "backfill" and script.has(row.checksum)
        return model.BACKFILLING if goes_on and row.type == history.SQL else model.DIRTY
    if row.type == history.BASELINE:
        return model.BASELINE
    if script is None:
        version = Version(t.cast(str, row.version))
        if ledger.baseline is not None and version <= ledger.baseline:
            return model.SUCCESS
        later = highest is None or version > highest
        return model.AHEAD if later or row.script in rules.compatible else model.MISSING
    return model.OUT_OF_ORDER if row.rank in ledger.out_of_order else model.SUCCESS


def _repeated(row: Row, script: Script | None, rules: Rules) -> str:
    if not row.success:
        return model.DIRTY
    if script is None:
        return model.AHEAD if row.script in rules.compatible else model.MISSING
    return model.SUCCESS if script.has(row.checksum) else model.OUTDATED


def _unapplied(scripts: t.Sequence[Script], ledger: Ledger, rules: Rules) -> t.Iterator[Migration]:
    start = _baseline_to_apply(scripts, ledger, rules)
    floor = start.name.version if start else ledger.baseline
    if start is not None:
        yield _of_file(start, model.PENDING)
    for script in (one for one in scripts if one.name.kind == model.VERSIONED):
        row = ledger.versions.get(t.cast(Version, script.name.version))
        if row is None or row.type in (history.BASELINE, history.SQL_BASELINE):
            yield _of_file(script, _pending(script, floor, ledger, rules))
    for script in (one for one in scripts if one.name.kind == model.REPEATABLE):
        if script.name.description not in ledger.repeatables:
            yield _of_file(script, model.PENDING)
    for script in (one for one in scripts if one.name.kind == model.UNDO):
        row = ledger.versions.get(t.cast(Version, script.name.version))
        if row is not None and row.success:
            yield _of_file(script, model.AVAILABLE)


def _baseline_to_apply(scripts: t.Sequence[Script], ledger: Ledger, rules: Rules) -> Script | None:
    """The newest baseline script stands for all before it, in a database that has no history yet."""
    if ledger.versions:
        return None
    target = Version(rules.target) if rules.target else None
    fitting = [
        one
        for one in scripts
        if one.name.kind == model.BASELINE and (target is None or t.cast(Version, one.name.version) <= target)
    ]
    return fitting[-1] if fitting else None


def _pending(script: Script, floor: Version | None, ledger: Ledger, rules: Rules) -> str:
    version = t.cast(Version, script.name.version)
    if floor is not None and version <= floor:
        return model.BELOW_BASELINE
    if rules.target and version > Version(rules.target):
        return model.ABOVE_TARGET
    current = ledger.current
    late = current is not None and version < current
    # What contracts has waited for its own run while later ones expanded.
    return model.IGNORED if late and script.phase == "expand" and not rules.out_of_order else model.PENDING


def _voided(row: Row, state: str) -> Migration:
    return _applied(row, None, state)


def _applied(row: Row, script: Script | None, state: str) -> Migration:
    kind = model.REPEATABLE if row.version is None else model.VERSIONED
    return Migration(
        kind=model.BASELINE if row.type in (history.BASELINE, history.SQL_BASELINE) else kind,
        version=row.version or "",
        description=row.description,
        script=row.script,
        state=state,
        checksum=script.checksum if script else None,
        applied=row.checksum,
        phase=script.phase if script else "expand",
        rank=row.rank,
        installed_on=row.on,
        milliseconds=row.milliseconds,
    )


def _of_file(script: Script, state: str) -> Migration:
    return Migration(
        kind=script.name.kind,
        version=str(script.name.version or ""),
        description=script.name.description,
        script=script.name.script,
        state=state,
        checksum=script.checksum,
        transactional=script.transactional,
        phase=script.phase,
    )
