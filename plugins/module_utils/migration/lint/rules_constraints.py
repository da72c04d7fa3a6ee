# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks the version that still runs, or locks: constraints and indexes (private to the collection)."""

from __future__ import annotations

from .action import Action
from .known import Known
from .rule import CONTRACT, LATER, MYSQL, POSTGRESQL, UNSAFE_LOCK, Rule


def _just_added(action: Action, known: Known) -> bool:
    """Whether its lock is held still, by the same transaction."""
    thing = known.find("constraint", action.name, action.table)
    return thing is not None and "not valid" in thing.flags and thing.text == known.text and known.whole


CONSTRAINTS = [
    Rule(
        "drop-constraint",
        CONTRACT,
        ("drop constraint", "drop primary key"),
        "drops the constraint {name} of {table}, which the version that still runs may rely on",
        f"Release a version that does without it; then {LATER} To replace it, drop it and add the new one, of the same name, in one"
        " migration.",
    ),
    Rule(
        "rename-constraint",
        CONTRACT,
        ("rename constraint",),
        "renames the constraint {name} of {table}, by which the version that still runs may know an error or a conflict",
        f"Keep the name {{name}} until no version that runs knows it; then {LATER}",
    ),
    Rule(
        "add-foreign-key",
        UNSAFE_LOCK,
        ("add foreign key",),
        "looks through {table} while nobody can write there, or in {to}",
        "ALTER TABLE {table} ADD CONSTRAINT {name} {body} NOT VALID; and in a migration of its own"
        " ALTER TABLE {table} VALIDATE CONSTRAINT {name};",
        POSTGRESQL,
        unless=("not valid", "not enforced"),
    ),
    Rule(
        "add-foreign-key",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name} with a reference, and looks through {table} while nobody can use it",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; ALTER TABLE {table} ADD CONSTRAINT {short}_{name}_fkey FOREIGN KEY ({name})"
        " REFERENCES … NOT VALID; and in a migration of its own ALTER TABLE {table} VALIDATE CONSTRAINT {short}_{name}_fkey;",
        POSTGRESQL,
        needs=("references",),
    ),
    Rule(
        "add-check",
        UNSAFE_LOCK,
        ("add check", "add not null"),
        "looks through {table} while nobody can use it",
        "ALTER TABLE {table} ADD CONSTRAINT {name} {body} NOT VALID; and in a migration of its own"
        " ALTER TABLE {table} VALIDATE CONSTRAINT {name};",
        POSTGRESQL,
        unless=("not valid", "not enforced"),
    ),
    Rule(
        "add-check",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name} with a check, and looks through {table} while nobody can use it",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; ALTER TABLE {table} ADD CONSTRAINT {short}_{name}_check CHECK (…) NOT VALID;"
        " and in a migration of its own ALTER TABLE {table} VALIDATE CONSTRAINT {short}_{name}_check;",
        POSTGRESQL,
        needs=("check",),
    ),
    Rule(
        "validate-in-transaction",
        UNSAFE_LOCK,
        ("validate constraint",),
        "looks through {table} while the transaction that added {name} still locks it",
        "Give it a migration of its own: ALTER TABLE {table} VALIDATE CONSTRAINT {name};",
        POSTGRESQL,
        when=_just_added,
    ),
    Rule(
        "add-unique",
        UNSAFE_LOCK,
        ("add unique",),
        "builds an index of {table}, and nobody can use it meanwhile",
        "CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {body}; in a migration of its own, then"
        " ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name};",
        POSTGRESQL,
        unless=("using index",),
    ),
    Rule(
        "add-unique",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name} with an index, and nobody can use {table} while it is built",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; CREATE UNIQUE INDEX CONCURRENTLY {short}_{name}_key ON {table} ({name}); in"
        " a migration of its own, then ALTER TABLE {table} ADD CONSTRAINT {short}_{name}_key UNIQUE USING INDEX"
        " {short}_{name}_key;",
        POSTGRESQL,
        needs=("unique",),
    ),
    Rule(
        "add-primary-key",
        UNSAFE_LOCK,
        ("add primary key",),
        "builds an index of {table}, and nobody can use it meanwhile",
        "CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {body}; in a migration of its own, then"
        " ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name};",
        POSTGRESQL,
        unless=("using index",),
    ),
    Rule(
        "add-primary-key",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name} as primary key, and nobody can use {table} while it is written anew",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; fill it in batches; CREATE UNIQUE INDEX CONCURRENTLY {short}_pkey ON {table}"
        " ({name}); then ALTER TABLE {table} ADD CONSTRAINT {short}_pkey PRIMARY KEY USING INDEX {short}_pkey;",
        POSTGRESQL,
        needs=("primary",),
    ),
    Rule(
        "add-exclusion",
        UNSAFE_LOCK,
        ("add exclusion",),
        "builds an index of {table}, and nobody can use it meanwhile",
        "No exclusion can be added without a lock: make a second table that has it, keep both equal with a trigger, and move over;"
        " or close the platform for {table}.",
        POSTGRESQL,
    ),
]

INDEXES = [
    Rule(
        "index-blocks-writes",
        UNSAFE_LOCK,
        ("create index",),
        "builds an index of {table}, which nobody can write meanwhile",
        "{body}; in a migration of its own.",
        POSTGRESQL,
        unless=("concurrently",),
    ),
    Rule(
        "index-blocks-writes",
        UNSAFE_LOCK,
        ("create index",),
        "builds a full-text or spatial index of {table}, which nobody can write meanwhile",
        "Make a second table that has the index, fill it in batches and keep both equal with triggers; or close the platform.",
        MYSQL,
        needs=("blocks",),
    ),
    Rule(
        "drop-index",
        CONTRACT,
        ("drop index",),
        "drops the index {name}, without which queries of the version that still runs may be slow or fail",
        f"Release a version that does without it; then {LATER}",
    ),
    Rule(
        "drop-index-locks",
        UNSAFE_LOCK,
        ("drop index",),
        "locks the table of the index {name}",
        "DROP INDEX CONCURRENTLY {name}; in a migration of its own.",
        POSTGRESQL,
        unless=("concurrently",),
    ),
    Rule(
        "reindex",
        UNSAFE_LOCK,
        ("reindex",),
        "builds {name} anew, and nobody can write its table meanwhile",
        "REINDEX {body} CONCURRENTLY {name}; in a migration of its own.",
        POSTGRESQL,
    ),
]

COPIES = [
    Rule(
        "copies-table",
        UNSAFE_LOCK,
        ("change type", "rewrite table", "add primary key", "drop primary key", "add check"),
        "may copy {table}, which nobody can write meanwhile",
        "ALTER TABLE {table} …, ALGORITHM=INPLACE, LOCK=NONE; is refused where it cannot be done so. Then make a second table or"
        " column, keep both equal with triggers, and fill it in batches (gh-ost, pt-online-schema-change).",
        MYSQL,
        unless=("no copy", "copy"),
    ),
    Rule(
        "copies-table",
        UNSAFE_LOCK,
        ("add foreign key",),
        "copies {table}, which nobody can write meanwhile",
        "See that no row is an orphan; then SET foreign_key_checks = 0; ALTER TABLE {table} ADD CONSTRAINT {name} {body},"
        " ALGORITHM=INPLACE, LOCK=NONE; SET foreign_key_checks = 1;",
        MYSQL,
        unless=("no copy", "copy"),
    ),
    Rule(
        "copies-table",
        UNSAFE_LOCK,
        ("add column",),
        "copies {table}, which nobody can write meanwhile, to number its rows",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; fill it in batches.",
        MYSQL,
        needs=("auto_increment",),
        unless=("no copy", "copy"),
    ),
    Rule(
        "copies-table",
        UNSAFE_LOCK,
        ("add column",),
        "adds {table}.{name} with another value in each row, so {table} is copied, which nobody can write meanwhile",
        "ALTER TABLE {table} ADD COLUMN {name} {body}; ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT …; and fill the rows"
        " that are there in batches.",
        MYSQL,
        needs=("volatile",),
        unless=("no copy", "copy"),
    ),
    Rule(
        "copies-table",
        UNSAFE_LOCK,
        (),
        "copies {table}, as it says, and nobody can write meanwhile",
        "Say ALGORITHM=INPLACE, LOCK=NONE instead: it fails where it cannot be done so.",
        MYSQL,
        needs=("copy",),
    ),
    Rule(
        "lock-table",
        UNSAFE_LOCK,
        (),
        "locks {table}, as it says",
        "Say LOCK=NONE instead: it fails where it cannot be done so.",
        MYSQL,
        needs=("locks",),
    ),
]
