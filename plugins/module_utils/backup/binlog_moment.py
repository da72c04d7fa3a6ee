# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The moment at which a binary log ends, with what the database had then (private to the collection).

While commits are kept waiting, the log is closed and a transaction begun: what that sees is what the logs up to there lead to. It
takes some milliseconds; the questions are asked afterwards, while everybody goes on.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..database.mysql_login import rows
from ..system import System
from . import binlog, mysql_facts
from .engine import Facts
from .mysql_snapshot import KINDS, freeze

if t.TYPE_CHECKING:
    from .mysql import MySQL


class Moment(t.NamedTuple):
    """The end of a binary log.

    :param at: seconds since the epoch.
    :param files: the closed logs up to there by name, with their sizes.
    :param schema: objects of the database, without those that were changed at that moment.
    :param facts: what a database must have that was brought on to there; empty where nobody asked.
    """

    at: float
    files: dict[str, int]
    schema: dict[str, str]
    facts: Facts


def noted(engine: MySQL, vendor: str, since: binlog.Place, _before: Facts, system: System) -> Moment:
    """Close the log that is being written; nobody waits.

    :raises SlipwayError: C(denied), C(binlog_missing).
    """
    with contextlib.closing(engine.login.connect()) as link:
        before = mysql_facts.schema_now(link)
        at, files = system.wall(), binlog.closed(link, vendor, since)
        schema = _unchanged(before, mysql_facts.schema_now(link))
    return Moment(at, files, schema, {})


def reached(engine: MySQL, vendor: str, since: binlog.Place, before: Facts, system: System) -> Moment:
    """Close the log that is being written, and ask what the database has at this moment.

    :param before: facts of the dump that the logs lead on from.
    :raises SlipwayError: C(busy), C(denied), C(binlog_missing), C(question_failed) where a table was altered meanwhile.
    """
    database = engine.database
    with contextlib.closing(engine.login.connect()) as link:
        rows(link, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with contextlib.closing(engine.login.connect()) as locker:
            freeze(engine, locker)
            counters = mysql_facts.counters(link, database)
            kinds = rows(link, KINDS)
            at, files = system.wall(), binlog.closed(locker, vendor, since)
            rows(link, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        known = {"database": database, "counters": _reachable(counters, before.get("counters", {}))}
        facts = mysql_facts.of_source(link, known, engine.progress)
        rows(link, "COMMIT")
        after = mysql_facts.schema_now(link)
    schema = _unchanged(facts["schema"], after)
    changed = sorted({*facts["schema"], *after} - {*schema})
    without = [name for name, _kind, transactions in kinds if transactions != "YES"]
    return Moment(at, files, schema, {**facts, "apart": {"objects": changed, "rows": without}})


def _unchanged(before: t.Mapping[str, str], after: t.Mapping[str, str]) -> dict[str, str]:
    return {name: made for name, made in before.items() if after.get(name) == made}


def _reachable(counters: t.Mapping[str, int], before: t.Mapping[str, t.Sequence[int]]) -> dict[str, list[int]]:
    """Between what each counter stands: a number that was given out and rolled back is in no log."""
    return {
        title: [min(before.get(title, [now])) if title.startswith(mysql_facts.SEQUENCE) else 1, now]
        for title, now in counters.items()
    }
