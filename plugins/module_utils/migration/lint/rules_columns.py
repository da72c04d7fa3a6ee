# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks the version that still runs, or locks: columns (private to the collection)."""

from __future__ import annotations

from .action import Action
from .known import Known
from .rule import CONTRACT, LATER, MYSQL, POSTGRESQL, SQLITE, UNSAFE_LOCK, Rule


def _missed(action: Action, known: Known) -> bool:
    """Whether the version that still runs leaves the column out, and nothing fills it."""
    column = known.column(action)
    return column is None or "default" not in column


def _required(action: Action, known: Known) -> bool:
    column = known.column(action)
    return column is None or "not null" in column


_TOGETHER = (
    "keep both equal with a trigger, fill the rows that are there in batches, release a version that reads and writes {to} alone,"
    " and drop {name} in the contract phase."
)

COLUMNS = [
    Rule(
        "drop-column",
        CONTRACT,
        ("drop column",),
        "drops the column {table}.{name}, which the version that still runs may read or write",
        f"Release a version that neither reads nor writes {{name}} (no SELECT *, either); then {LATER} Where the column is NOT NULL"
        " and has no default, give it one before: ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT …;",
        (*POSTGRESQL, *MYSQL),
    ),
    Rule(
        "drop-column",
        CONTRACT,
        ("drop column",),
        "drops the column {table}.{name}, which the version that still runs may read or write",
        f"Release a version that does not read {{name}}; then {LATER}",
        SQLITE,
    ),
    Rule(
        "rename-column",
        CONTRACT,
        ("rename column",),
        "renames the column {table}.{name}, which the version that still runs reads and writes by this name",
        f"ALTER TABLE {{table}} ADD COLUMN {{to}} …; of the type of {{name}}; {_TOGETHER}",
    ),
    Rule(
        "change-type",
        CONTRACT,
        ("change type",),
        "changes the type of {table}.{name} to {body}, which the version that still runs may not read or write, and often writes"
        " the whole table anew",
        "ALTER TABLE {table} ADD COLUMN {name}_new {body}; keep both equal with a trigger, fill the rows that are there in batches,"
        " release a version that reads and writes {name}_new alone, and drop {name} in the contract phase.",
        unless=("no copy",),
    ),
    Rule(
        "add-column-not-null",
        CONTRACT,
        ("add column",),
        "adds {table}.{name}, which may not be null and has no default: the version that still runs cannot insert any more",
        "ALTER TABLE {table} ADD COLUMN {name} {body} NOT NULL DEFAULT …; or without NOT NULL, and that in the contract phase.",
        needs=("not null",),
        unless=("default",),
    ),
    Rule(
        "set-not-null",
        CONTRACT,
        ("set not null",),
        "forbids NULL in {table}.{name}: the version that still runs may not fill it",
        f"Release a version that always fills {{name}}, and fill the rows that are there; then {LATER}",
        when=_missed,
    ),
    Rule(
        "set-not-null",
        CONTRACT,
        ("add check", "add not null"),
        "forbids NULL in {table}.{to}: the version that still runs may not fill it",
        f"Release a version that always fills {{to}}, and fill the rows that are there; then {LATER}",
        needs=("is not null",),
        when=lambda action, known: _missed(action._replace(name=action.to), known),
    ),
    Rule(
        "set-not-null",
        CONTRACT,
        ("change type",),
        "forbids NULL in {table}.{name}: the version that still runs may not fill it",
        f"Release a version that always fills {{name}}, and fill the rows that are there; then {LATER}",
        MYSQL,
        needs=("no copy", "not null"),
        unless=("default",),
    ),
    Rule(
        "not-null-scan",
        UNSAFE_LOCK,
        ("set not null",),
        "looks through {table} for a NULL in {name}, and nobody can use it meanwhile",
        "ALTER TABLE {table} ADD CONSTRAINT {short}_{name}_filled CHECK ({name} IS NOT NULL) NOT VALID; in a migration of its own"
        " ALTER TABLE {table} VALIDATE CONSTRAINT {short}_{name}_filled; behind it SET NOT NULL looks at no row, and the check can"
        " be dropped.",
        POSTGRESQL,
        when=lambda action, known: not known.never_null(action),
    ),
    Rule(
        "drop-default",
        CONTRACT,
        ("drop default",),
        "takes the default of {table}.{name} away: the version that still runs may leave the column out",
        f"Keep the default until no version that runs leaves {{name}} out; then {LATER}",
        when=_required,
    ),
    Rule(
        "add-column-rewrites",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name} with another value in each row, so the whole table is written anew and nobody can use it meanwhile",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT …; and fill the rows"
        " that are there in batches.",
        POSTGRESQL,
        needs=("volatile",),
        unless=("serial", "identity"),
    ),
    Rule(
        "add-column-rewrites",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name} with a number for each row, so the whole table is written anew and nobody can use it meanwhile",
        "CREATE SEQUENCE {short}_{name}_seq; ALTER TABLE {table} ADD COLUMN {name} bigint; ALTER TABLE {table} ALTER COLUMN {name}"
        " SET DEFAULT nextval('{short}_{name}_seq'); and fill the rows that are there in batches.",
        POSTGRESQL,
        needs=("volatile", "serial"),
    ),
    Rule(
        "add-column-rewrites",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name} with a number for each row, so the whole table is written anew and nobody can use it meanwhile",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; fill the rows that are there in batches, and make it an identity in the"
        " contract phase.",
        POSTGRESQL,
        needs=("volatile", "identity"),
    ),
    Rule(
        "add-column-rewrites",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name}, which is computed and stored, so the whole table is written anew and nobody can use it meanwhile",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; let a trigger fill it, and fill the rows that are there in batches.",
        (*POSTGRESQL, *MYSQL),
        needs=("stored",),
        unless=("no copy",),
    ),
]
