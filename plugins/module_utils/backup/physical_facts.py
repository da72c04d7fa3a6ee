# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a copy of a cluster, at a restore point, is what the live one was then (private to the collection).

No question can be asked at the very point: it is a record in the WAL, not a snapshot. So the live database is asked shortly before
and shortly after it. What was the same both times must be exactly so in the copy; what changed meanwhile must be there and be
readable to its end, and is named. A table can change and be as before again: where the copy has something else, the server's own
counts of what was written tell whether it did.
"""

from __future__ import annotations

import typing as t

from ..system import System
from .compare import compare, rows_differ
from .engine import Facts

AHEAD = 32  # numbers that a sequence writes to the WAL ahead of those that it gives out (PostgreSQL, C(SEQ_LOG_VALS))
SETTLED = 15.0  # seconds in which what was written is counted (PostgreSQL, C(PGSTAT_IDLE_INTERVAL), and some more)
PAUSE = 0.5  # seconds between two looks at these counts

# Sessions count late, not wrong: see above.
_WRITTEN = """
SELECT format('%I.%I', schemaname, relname), n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables
"""

# Emptied by every recovery (PostgreSQL manual, CREATE TABLE, C(UNLOGGED)).
_UNLOGGED = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'S')
"""

_STEPS = """
SELECT format('%I.%I', schemaname, sequencename), increment_by * (%s + cache_size) FROM pg_sequences WHERE NOT cycle
"""

_AMCHECK = """
SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'
"""

_INDEXES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisvalid ORDER BY 2
"""


class Around(t.NamedTuple):
    """What a live database had around a restore point.

    :param written: table to how much was ever written to it, before.
    :param unlogged: tables and sequences that no physical backup has.
    :param steps: sequence to how far its copy may be ahead; none of those that begin anew by themselves.
    """

    before: Facts
    after: Facts
    written: dict[str, int]
    unlogged: set[str]
    steps: dict[str, int]


class Verdict(t.NamedTuple):
    """What a comparison found.

    :param differences: in words.
    :param changed: what was written to around the restore point, so that it was only read.
    :param doubtful: tables whose differences count only where nothing was written to them.
    """

    differences: list[str]
    changed: list[str]
    doubtful: list[str]


def ask(cursor: t.Any) -> tuple[dict[str, int], set[str], dict[str, int]]:
    """What RV(Around) has beside the facts."""
    written = written_to(cursor)
    cursor.execute(_UNLOGGED)
    unlogged = {str(row[0]) for row in cursor.fetchall()}
    cursor.execute(_STEPS.replace("%s", str(AHEAD)))
    return written, unlogged, {str(name): int(step) for name, step in cursor.fetchall()}


def written_to(cursor: t.Any) -> dict[str, int]:
    """Table to how much was ever written to it, as far as that is counted yet."""
    cursor.execute(_WRITTEN)
    return {str(name): int(count) for name, count in cursor.fetchall()}


def indexes_out_of_order(link: t.Any) -> list[str]:
    """B-tree indexes whose order is wrong, as it is on a machine that sorts in another way; nothing without amcheck.

    :param link: a connection as superuser.
    """
    link.set_session(autocommit=True, isolation_level="READ COMMITTED")
    said = []
    with link.cursor() as cursor:
        cursor.execute(_AMCHECK)
        schema = cursor.fetchone()
        cursor.execute(_INDEXES)
        for number, name in cursor.fetchall() if schema else ():
            try:
                cursor.execute(f"SELECT {schema[0]}.bt_index_check({number}::regclass)")
            except Exception as error:  # the driver's own, which is only imported where it is needed
                said.append(f"index {name}: {str(error).splitlines()[0]}")
    return said


def judge(around: Around, copy: Facts) -> Verdict:
    """The copy against what was around the restore point."""
    differences: list[str] = []
    changed: list[str] = []
    doubtful: list[str] = []
    for kind, key, tell in (
        ("object", "schema", _other),
        ("table", "tables", rows_differ),
        ("large objects", "large_objects", _other),
    ):
        before, after, found = (_without(facts[key], around.unlogged) for facts in (around.before, around.after, copy))
        moved = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        changed += [f"{kind} {name}" for name in sorted(moved)]
        steady = {name: value for name, value in before.items() if name not in moved}
        differences += compare(kind, steady, {name: found[name] for name in found if name not in moved}, tell)
        if key == "tables":
            both = sorted(name for name in moved if name in before and name in after)
            differences += [f"table {name}: is missing" for name in both if name not in found]
            doubtful = [name for name, value in steady.items() if found.get(name, value) != value]
    return Verdict(differences + _astray(around, copy), changed, doubtful)


def settled(
    around: Around,
    verdict: Verdict,
    copy: Facts,
    look: t.Callable[[], t.Mapping[str, int]],
    system: System,
    *,
    moves: bool = True,
) -> Verdict:
    """The verdict, without tables that were written to after all and only looked the same both times.

    :param look: tells how much was ever written to each table.
    :param moves: whether that may be more when it is asked again.
    """
    deadline = system.monotonic() + (SETTLED if moves else 0.0)
    while verdict.doubtful:
        now = look()
        busy = {name for name in verdict.doubtful if now.get(name, 0) != around.written.get(name, 0)}
        if busy:
            tables = {name: ["written to"] for name in busy}
            verdict = judge(
                around._replace(after={**around.after, "tables": {**around.after["tables"], **tables}}), copy
            )
        elif system.monotonic() >= deadline:
            break
        else:
            system.sleep(PAUSE)
    return verdict


def _without(names: t.Mapping[str, t.Any], unlogged: set[str]) -> dict[str, t.Any]:
    return {name: value for name, value in names.items() if name not in unlogged}


def _other(_wanted: t.Any, _found: t.Any) -> str:
    return "is not the same"


def _astray(around: Around, copy: Facts) -> list[str]:
    """Sequences that stand behind, or further ahead than the WAL lets them be."""
    said = []
    for name, step in around.steps.items():
        ends = [*around.before["sequences"].get(name, ()), *around.after["sequences"].get(name, ())]
        if name not in around.before["sequences"] or name not in around.after["sequences"] or name in around.unlogged:
            continue
        low, high = min(ends) + min(step, 0), max(ends) + max(step, 0)
        found = copy["sequences"].get(name, [None])[0]
        if found is None or not low <= found <= high:
            said.append(
                f"sequence {name}: {'is missing' if found is None else f'stands at {found}, wanted {low} to {high}'}"
            )
    return said
