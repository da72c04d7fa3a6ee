# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lint of migrations that are pending: of their SQL, whichever tool they are written for (private to the collection)."""

from __future__ import annotations

import typing as t

from ...errors import SlipwayError
from ..conf import Notes
from ..split import split
from ..splitter import Statement
from ..tool import Sources, Text
from .action import Action
from .known import Known
from .reader import concerned, read
from .rule import CONTRACT, Rule, filled
from .rules import NAMES, rules_of

if t.TYPE_CHECKING:
    from .squawk import Squawk

OWN = "slipway"


class Finding(t.NamedTuple):
    """A rule that a statement breaks.

    :param kind: C(contract) or C(unsafe_lock).
    :param overruled: the annotation that allows it; empty where none does.
    """

    script: str
    line: int
    rule: str
    kind: str
    message: str
    recipe: str
    overruled: str = ""

    def told(self) -> dict[str, t.Any]:
        """For a module's result."""
        return {"class" if name == "kind" else name: value for name, value in self._asdict().items()}


class Linted(t.NamedTuple):
    """What was found.

    :param phases: C(expand) or C(contract) by the name of each script: what its statements make it, whatever it says of itself.
    :param by: who has looked: C(slipway), and squawk with its version.
    """

    findings: tuple[Finding, ...] = ()
    phases: t.Mapping[str, str] = {}
    by: tuple[str, ...] = (OWN,)

    @property
    def standing(self) -> list[Finding]:
        """Those that no annotation allows."""
        return [one for one in self.findings if not one.overruled]


class Reading(t.NamedTuple):
    """A migration as it was read.

    :param statements: those of which a rule may speak.
    """

    text: Text
    statements: tuple[tuple[Statement, tuple[Action, ...]], ...]


def reading(text: Text, dialect: str, *, skimmed: bool = False) -> Reading:
    """What a migration does.

    :param skimmed: what its statements do is left out.
    :raises SlipwayError: as RV(split); C(bad_input) for an annotation that allows a rule which there is not.
    """
    for allowed in text.notes.allowed:
        if allowed.rule not in NAMES:
            import difflib

            near = difflib.get_close_matches(allowed.rule, NAMES, 1)
            raise SlipwayError(
                "there is no such rule" + (f"; did you mean {near[0]}?" if near else ""),
                obj=f"{text.script}:{allowed.line}",
                actual=allowed.rule,
                remedy="Name one that the lint has told.",
                cause="bad_input",
            )
    statements = []
    for one in split(text.pieces, dialect, text.script) if text.statements is None else text.statements:
        if concerned(one):
            statements.append((one, () if skimmed else tuple(read(one, dialect))))
    return Reading(text, tuple(statements))


class Judged(t.NamedTuple):
    """What a rule says of an action.

    :param at: number of the migration, and of the statement in it.
    :param spared: whether it does no harm here.
    """

    finding: Finding
    at: tuple[int, int]
    spared: bool


def own(readings: t.Sequence[Reading], dialect: str, tables: frozenset[str] | None = None) -> list[Judged]:
    """By the rules of Slipway.

    :param readings: of all pending migrations, in order.
    """
    known, rules = Known(tables), rules_of(dialect)
    found = []
    for number, one in enumerate(readings):
        whole = one.text.whole and dialect not in ("mysql", "mariadb")
        known.begin(number, [action for _statement, actions in one.statements for action in actions], whole)
        for place, (_statement, actions) in enumerate(one.statements):
            for action in actions:
                for rule in rules:
                    if rule.speaks(action):
                        finding = finding_of(one.text, action, rule)
                        found.append(Judged(finding, (number, place), rule.spares(action, known)))
                known.learn(action)
    return found


def finding_of(text: Text, action: Action, rule: Rule) -> Finding:
    """A rule's texts for an action."""
    words = filled(action)
    message, recipe = rule.says.format(**words), rule.recipe.format(**words)
    return Finding(text.script, action.line, rule.name, rule.kind, message, recipe, overruled(text.notes, rule))


def spelled(finding: Finding, comment: str) -> Finding:
    """With annotations as the files of that migration take them."""
    return finding._replace(recipe=finding.recipe.replace("-- slipway:", f"{comment} slipway:"))


def overruled(notes: Notes, rule: Rule) -> str:
    """By which annotation; empty when by none."""
    for allowed in notes.allowed:
        if allowed.rule == rule.name:
            return f"allow={rule.name} reason={allowed.reason}"
    return f"phase={notes.phase}" if notes.phase in ("expand", "contract") and rule.kind == CONTRACT else ""


def lint(sources: Sources, squawk: t.Callable[[], Squawk | None] = lambda: None) -> Linted:
    """Look at all migrations that are pending, in the order in which they are applied.

    Where the database has no table yet, nothing runs that they could break.

    :param squawk: asked as well, on PostgreSQL.
    :raises SlipwayError: as RV(reading); C(command_failed) for a squawk that does not answer.
    """
    empty = sources.tables is not None and not sources.tables
    readings = [reading(text, sources.dialect, skimmed=empty) for text in sources.texts]
    phases = {one.text.script: "expand" for one in readings}
    if not readings or empty:
        return Linted((), phases)
    judged = own(readings, sources.dialect, sources.tables)
    second = squawk() if sources.dialect == "postgresql" else None
    if second is not None:
        judged += second.judged(readings, judged, sources.server)
        judged.sort(key=lambda one: (*one.at, one.finding.line))
    findings = tuple(dict.fromkeys(spelled(one.finding, sources.comment) for one in judged if not one.spared))
    phases.update({one.script: CONTRACT for one in findings if one.kind == CONTRACT})
    return Linted(findings, phases, (OWN,) if second is None else (OWN, second.version))


def expect_safe(linted: Linted, comment: str = "--") -> None:
    """:raises SlipwayError: C(contract) or C(unsafe_lock), with the safe recipe; all findings are its evidence."""
    standing = linted.standing
    if not standing:
        return
    first = next((one for one in standing if one.kind == CONTRACT), standing[0])
    rest = len(standing) - 1
    raise SlipwayError(
        f"{first.message} ({first.rule}" + (f"; and {rest} more findings)" if rest else ")"),
        obj=f"{first.script}:{first.line}",
        remedy=f"{first.recipe} Where it does no harm, write above the first statement: {comment} slipway: allow={first.rule}"
        " reason=… Nothing was applied.",
        cause=first.kind,
        evidence={"lint": [one.told() for one in linted.findings]},
    )
