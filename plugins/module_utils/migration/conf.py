# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about a migration beside its SQL: Flyway's C(.conf) and Slipway's annotations (private to the collection).

A C(V2__x.sql.conf) beside C(V2__x.sql) has lines C(key=value); blank ones and those with C(#) or C(!) before are comments. Keys
(Flyway 10 Community, C(SqlScriptMetadata)): C(executeInTransaction) and C(placeholderReplacement), true or false, and C(encoding).

Annotations stand in comments of one line above the first statement::

    -- slipway: phase=contract transaction=off
    -- slipway: allow=drop-column,drop-table reason=nobody has read it since 1.3.0
    -- slipway: phase=backfill batch=1000 pause=0.1 slow=0.5 max_lag=10

    annotation = ("--" | "#") "slipway:" pair (" " pair)*
    pair       = "phase=" ("expand" | "contract" | "backfill") | "transaction=" ("on" | "off") | "allow=" rule ("," rule)*
               | "reason=" the rest | ("batch" | "pause" | "slow" | "max_lag") "=" number

C(reason) belongs to the C(allow) of its line, and each C(allow) needs one; numbers belong to C(phase=backfill), before them on
their line. Unknown keys are errors in both.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..errors import SlipwayError
from .source import lines, read

PHASES = ("expand", "contract", "backfill")

_TRUTH = {"true": True, "false": False, "on": True, "off": False}
_PROPERTY = re.compile(r"([^=:\s]+)\s*[=:\s]?\s*(.*)")
MARK = "slipway"  # of an annotation, in any case
NOTE = re.compile(rf"(?:--|#)\s*{MARK}\s*:\s*(.*)", re.IGNORECASE)
_RULE = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)


class Conf(t.NamedTuple):
    """None where the file does not say."""

    transaction: t.Optional[bool] = None
    encoding: t.Optional[str] = None
    replacement: t.Optional[bool] = None


class Allowed(t.NamedTuple):
    """A rule of the lint that does not hold here, and why."""

    rule: str
    reason: str
    line: int


class Backfill(t.NamedTuple):
    """How a statement is run again and again until it changes no more rows.

    :param batch: rows that it changes at most, as it says itself with C(${slipway:batch}).
    :param pause: seconds between two batches.
    :param slow: seconds; a batch that takes longer is followed by a pause of as long.
    :param max_lag: seconds that a replica may be behind; None for the usual, where replicas can be seen.
    """

    batch: int = 1000
    pause: float = 0.0
    slow: float = 0.5
    max_lag: t.Optional[float] = None


class Notes(t.NamedTuple):
    """Annotations; empty or None where there are none."""

    phase: str = ""
    transaction: t.Optional[bool] = None
    allowed: tuple[Allowed, ...] = ()
    backfill: t.Optional[Backfill] = None


def beside(script: str) -> Conf:
    """Of a script's path: what its C(.conf) says, if it has one.

    :raises SlipwayError: as RV(read_conf) and RV(source.read).
    """
    path = script + ".conf"
    return read_conf(read(path), path) if os.path.exists(path) else Conf()


def read_conf(pieces: t.Iterable[str], where: str) -> Conf:
    """:raises SlipwayError: C(bad_input) with file and line."""
    found: dict[str, t.Any] = {}
    for number, line in enumerate(lines(pieces), 1):
        match = _PROPERTY.fullmatch(line.strip())
        if match is None or line.lstrip()[0] in "#!":
            continue
        key, value = match.groups()
        spot = f"{where}:{number}"
        name = {
            "executeInTransaction": "transaction",
            "placeholderReplacement": "replacement",
            "encoding": "encoding",
        }.get(key)
        if name is None:
            paid = " (Flyway reads it in a paid edition)" if key == "shouldExecute" else ""
            raise _wrong(f"unknown key{paid}", spot, key, "executeInTransaction, encoding, placeholderReplacement")
        if name in found:
            raise _wrong("is said twice", spot, key)
        found[name] = _value(name, value, spot)
    return Conf(**found)


def read_notes(pieces: t.Iterable[str], where: str) -> Notes:
    """The annotations above the first statement, and no more is read.

    :raises SlipwayError: C(bad_input) with file and line.
    """
    notes = Notes()
    for number, comment in _comments(pieces):
        match = NOTE.fullmatch(comment.strip())
        if match is not None:
            notes = _noted(notes, match[1], f"{where}:{number}", number)
    return notes


def in_transaction(conf: Conf, notes: Notes, where: str) -> bool | None:
    """What both say together; None where neither says anything.

    :raises SlipwayError: C(bad_input) when one says yes and the other no.
    """
    if None not in (conf.transaction, notes.transaction) and conf.transaction != notes.transaction:
        raise SlipwayError(
            "its .conf and its annotation contradict each other",
            obj=where,
            actual=f"executeInTransaction={str(conf.transaction).lower()}",
            wanted=f"transaction={'on' if notes.transaction else 'off'}",
            remedy="Take one of them away.",
            cause="bad_input",
        )
    return notes.transaction if conf.transaction is None else conf.transaction


def _value(name: str, value: str, where: str) -> t.Any:
    if "${" in value:
        raise _wrong("placeholders are not replaced here", where, value, "the value itself")
    if name == "encoding" and value:
        return value
    if name == "encoding":
        raise _wrong("has no value", where, name, "such as encoding=ISO-8859-1")
    if value.lower() not in ("true", "false"):
        raise _wrong("is neither true nor false", where, value, "true or false")
    return _TRUTH[value.lower()]


def _comments(pieces: t.Iterable[str]) -> t.Iterator[tuple[int, str]]:
    """Those of one line, above the first statement, each with its number."""
    inside = False
    for number, line in enumerate(lines(pieces), 1):
        rest = line.strip()
        while rest:
            if inside:
                inside, rest = "*/" not in rest, rest.partition("*/")[2].strip()
            elif rest.startswith("/*") and not rest.startswith(("/*!", "/*M!")):
                inside, rest = True, rest[2:]
            elif rest.startswith(("--", "#")):
                yield number, rest
                rest = ""
            else:
                return


def _noted(notes: Notes, text: str, where: str, line: int) -> Notes:
    text, _separator, reason = text.partition("reason=")
    rules: list[str] = []
    for pair in text.split():
        key, _equals, value = pair.partition("=")
        if key == "phase" and value in PHASES and not notes.phase:
            notes = notes._replace(phase=value, backfill=Backfill() if value == "backfill" else None)
        elif key in Backfill._fields and notes.backfill is not None and _number(key, value) is not None:
            notes = notes._replace(backfill=notes.backfill._replace(**{key: _number(key, value)}))
        elif key == "transaction" and value in ("on", "off") and notes.transaction is None:
            notes = notes._replace(transaction=_TRUTH[value])
        elif key == "allow" and not rules and all(_RULE.fullmatch(rule) for rule in value.split(",")):
            rules = value.split(",")
        else:
            known = (
                "phase=expand, phase=contract, phase=backfill with batch=, pause=, slow= and max_lag= behind it,"
                " transaction=on, transaction=off, or allow=RULE reason=…, each once"
            )
            raise _wrong("is no annotation", where, pair, known)
    if bool(rules) != bool(reason.strip()):
        raise _wrong(
            "allow and reason need each other", where, text.strip() or f"reason={reason}", "allow=RULE reason=why"
        )
    if not text.strip():
        raise _wrong("an annotation that says nothing", where)
    allowed = tuple(Allowed(rule, reason.strip(), line) for rule in rules)
    return notes._replace(allowed=notes.allowed + allowed)


def _number(key: str, value: str) -> t.Any:
    """A whole one from 1 up for C(batch), and seconds for the others; None for what is neither."""
    if key == "batch":
        return int(value) if re.fullmatch(r"[1-9][0-9]{0,8}", value) else None
    return float(value) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) else None


def _wrong(what: str, where: str, actual: object = None, wanted: object = None) -> SlipwayError:
    return SlipwayError(what, obj=where, actual=actual, wanted=wanted, remedy="Correct the line.", cause="bad_input")
