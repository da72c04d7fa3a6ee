# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks the version that still runs, or locks: tables and what stands beside them (private to the collection)."""

from __future__ import annotations

from .rule import CONTRACT, LATER, MYSQL, POSTGRESQL, SQLITE, UNSAFE_LOCK, Rule

_UNUSED = f"Release a version that does without {{name}}; then {LATER}"
_DROPS = "takes away the {what} {{name}}, which the version that still runs may use"
_RENAMES = "renames the {what} {{name}}, which the version that still runs may use"


OBJECTS = [
    *(
        Rule(f"drop-{what}", CONTRACT, (f"drop {what}",), _DROPS.format(what=what), _UNUSED)
        for what in ("table", "view", "type", "schema", "sequence", "routine", "trigger", "extension")
    ),
    *(
        Rule(
            f"rename-{what}",
            CONTRACT,
            (f"rename {what}",),
            _RENAMES.format(what=what),
            f"Make a second {what} {{to}}, release a version that uses it, then drop {{name}} in the contract phase.",
        )
        for what in ("view", "type", "schema", "sequence", "routine", "trigger")
    ),
]

TABLES = [
    Rule(
        "rename-table",
        CONTRACT,
        ("rename table",),
        _RENAMES.format(what="table"),
        "In the same migration, behind it: CREATE VIEW {name} AS SELECT * FROM {to}; it is read and written as the table was. Drop"
        " the view in the contract phase.",
        POSTGRESQL,
    ),
    Rule(
        "rename-table",
        CONTRACT,
        ("rename table",),
        _RENAMES.format(what="table"),
        "Begin with CREATE VIEW {to} AS SELECT * FROM {name}; and let the new version use {to}. In the contract phase:"
        " RENAME TABLE {to} TO {to}_view, {name} TO {to}; DROP VIEW {to}_view;",
        MYSQL,
    ),
    Rule(
        "rename-table",
        CONTRACT,
        ("rename table",),
        _RENAMES.format(what="table"),
        f"Keep the name until no version that runs uses {{name}}; then {LATER}",
        SQLITE,
    ),
    Rule(
        "rebuild-table",
        CONTRACT,
        ("rename table",),
        "puts {name} in the place of {to}: columns that it leaves out are gone, and nobody writes while the rows are copied",
        "ALTER TABLE {to} ADD COLUMN … for what is new, and leave what is old as it is until the contract phase; then"
        f" {LATER}",
        when=lambda action, known: known.taken_over(action),
        fresh=True,
    ),
    Rule(
        "move-table",
        CONTRACT,
        ("move table",),
        "moves the table {name} to another schema, where the version that still runs does not look for it",
        "In the same migration, behind it: CREATE VIEW {name} AS SELECT * FROM {to}.{short}; drop the view in the contract phase.",
        POSTGRESQL,
    ),
    Rule(
        "enable-row-security",
        CONTRACT,
        ("enable row security",),
        "hides all rows of {table} from the version that still runs, where no policy shows them",
        f"Make the policies first, release a version that fits them, then {LATER}",
    ),
    Rule(
        "detach-partition",
        CONTRACT,
        ("detach partition",),
        "takes the rows of {name} out of {table}",
        f"Once no version needs them, {LATER} Say CONCURRENTLY: ALTER TABLE {{table}} DETACH PARTITION {{name}} CONCURRENTLY;",
    ),
    Rule(
        "drop-partition",
        CONTRACT,
        ("drop partition",),
        "deletes the rows of the partition {name} of {table}",
        f"Once no version needs them, {LATER}",
    ),
    Rule(
        "truncate",
        CONTRACT,
        ("truncate",),
        "deletes all rows of {table}, which the version that still runs may need",
        f"Once no version needs them, {LATER}",
    ),
    Rule(
        "delete-all",
        CONTRACT,
        ("delete all",),
        "deletes all rows of {table}, which the version that still runs may need",
        f"Say which with WHERE; or, once no version needs any, {LATER}",
    ),
    Rule(
        "update-all",
        UNSAFE_LOCK,
        ("update all",),
        "locks every row of {table} until all are written",
        "Write them in batches of some thousand, each with a commit of its own: UPDATE {table} SET … WHERE id IN (SELECT id FROM"
        " {table} WHERE … LIMIT 5000);",
        (*POSTGRESQL, *MYSQL),
    ),
    Rule(
        "lock-table",
        UNSAFE_LOCK,
        ("lock table",),
        "locks {table} ({body})",
        "Leave it out: each statement takes the lock that it needs of {table}, and waits for it no longer than lock_timeout.",
    ),
    Rule(
        "rewrite-table",
        UNSAFE_LOCK,
        ("rewrite table",),
        "writes {table} anew ({body}), and nobody can use it meanwhile",
        "Make a second table and fill it in batches, or use pg_repack, which locks {table} for a moment only.",
        POSTGRESQL,
    ),
    Rule(
        "refresh",
        UNSAFE_LOCK,
        ("refresh",),
        "locks the view {name} until it is filled",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY {name}; it needs a unique index.",
    ),
    Rule(
        "tighten-domain",
        UNSAFE_LOCK,
        ("tighten domain",),
        "looks through every table with a column of {name} while nobody can write it",
        "ALTER DOMAIN {name} ADD CONSTRAINT {to} {body} NOT VALID; and in a migration of its own"
        " ALTER DOMAIN {name} VALIDATE CONSTRAINT {to};",
        unless=("not valid",),
    ),
    Rule(
        "rename-value",
        CONTRACT,
        ("rename value",),
        "renames the value {body} of {name}, which the version that still runs may read and write",
        "ALTER TYPE {name} ADD VALUE … for the new one, release a version that understands both and writes the new one, then"
        " update the rows.",
    ),
    Rule(
        "change-attribute",
        CONTRACT,
        ("change attribute",),
        "changes an attribute of the type {name}, which the version that still runs may use",
        "Make a second type, and a column of it, and move over to it as to any other column.",
    ),
]
