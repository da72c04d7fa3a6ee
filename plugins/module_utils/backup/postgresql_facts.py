# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restored PostgreSQL database must have: its objects, rows, a sample of them (private to the collection).

All of the source is read in the dump's own snapshot. Sequences stand outside of snapshots (PostgreSQL manual, "Sequence
Manipulation Functions"), so they are read before and after, and the restored one must lie between.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from .compare import compare, rows_differ
from .engine import Facts
from .pipeline import Chunks
from .progress import SILENT, Progress

SCHEMA = ("--schema-only", "--no-tablespaces", "--encoding=UTF8")
ENDS, FEWEST = 500, 4  # rows at each end of the primary key that a sample has, at most and at least
SAMPLE = 4 << 20  # bytes of them that are enough, as text: long values take seconds to be made into text
ALL = 50_000  # rows up to which a table without a primary key is read whole
FIRST = 1 << 20  # bytes of a large object that a sample has; the server gives out no more than 1 GiB at once
SHARE = 64  # else one of so many rows, chosen by what is in it

_HEADER = re.compile(r"-- Name: (.*?)(?:; Owner: .*)?$")

# Tables with data in a dump: not those of an extension, unless it says that they are its configuration.
_TABLES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname),
  (SELECT array_agg(format('%I', a.attname) ORDER BY k.place) FROM pg_index i,
    unnest(i.indkey) WITH ORDINALITY AS k(number, place), pg_attribute a
    WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.number),
  (SELECT array_agg(a.attcollation <> 0 ORDER BY k.place) FROM pg_index i,
    unnest(i.indkey) WITH ORDINALITY AS k(number, place), pg_attribute a
    WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.number),
  greatest(c.reltuples, 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
      AND NOT (c.oid = ANY (coalesce(e.extconfig, '{}'))))
  AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
ORDER BY 2
"""

_SEQUENCES = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
      AND NOT (c.oid = ANY (coalesce(e.extconfig, '{}'))))
ORDER BY 1
"""

# An ordinary role may not read this setting, and hardly ever has an extension that needs it.
_PRELOAD = """
SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('shared_preload_libraries') ELSE '' END
"""

# What makes text out of values, alike on every server.
_SETTINGS = """
SET LOCAL search_path = pg_catalog; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'postgres';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL xmloption = 'content'
"""

_ROW = "('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint"


def of_source(link: t.Any, schema: Chunks, progress: Progress = SILENT) -> Facts:
    """Of the snapshot that a connection has."""
    with link.cursor() as cursor:
        cursor.execute(_SETTINGS)
        return {
            "sequences": {name: [value, value] for name, value in sequences(cursor).items()},
            "schema": objects_of(schema),
            "tables": _tables(cursor, progress),
            "large_objects": _large_objects(cursor),
            "roles": _roles(cursor),
            "members": _members(cursor),
            "database": _one(cursor, "SELECT current_database()"),
            "properties": _properties(cursor),
            "preload": _one(cursor, _PRELOAD),
        }


def with_sequences_after(link: t.Any, facts: Facts) -> Facts:
    """The facts, with where each sequence stands now, after the dump."""
    with link.cursor() as cursor:
        after = sequences(cursor)
    ends = {name: [first, after.get(name, first)] for name, (first, _same) in facts["sequences"].items()}
    return {**facts, "sequences": ends}


def differences(link: t.Any, schema: Chunks, facts: Facts, progress: Progress = SILENT) -> list[str]:
    """In what a restored database is not what the facts say."""
    with link.cursor() as cursor:
        cursor.execute(_SETTINGS)
        found = compare("object", facts["schema"], objects_of(schema))
        found += compare("table", facts["tables"], _tables(cursor, progress, facts["tables"]), rows_differ)
        found += compare("large objects", facts["large_objects"], _large_objects(cursor))
        found += _astray(facts["sequences"], sequences(cursor))
    return found


def objects_of(schema: Chunks) -> dict[str, str]:
    """Each object of a schema dump, with the checksum of what makes it."""
    made: dict[str, t.Any] = {}
    name = ""
    for line in b"".join(schema).decode(errors="surrogateescape").splitlines():
        match = _HEADER.match(line)
        if match:
            name = match[1]
        elif line and not line.startswith(("--", "\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog.set_config")):
            made.setdefault(name, hashlib.sha256()).update(line.encode(errors="surrogateescape") + b"\n")
    return {name: digest.hexdigest()[:16] for name, digest in made.items()}


def _tables(
    cursor: t.Any, progress: Progress, wanted: t.Mapping[str, t.Sequence[t.Any]] | None = None
) -> dict[str, list[t.Any]]:
    """Table to its number of rows, and the checksum of some of them.

    :param wanted: what they should be.
    """
    cursor.execute(_TABLES)
    found, what = {}, "counted" if wanted is None else "compared"

    def estimated(table: t.Sequence[t.Any]) -> int:
        return int(table[4] if wanted is None else wanted.get(table[1], [0])[0])

    for _oid, name, key, collated, _rows in progress.tables(what, cursor.fetchall(), estimated):
        cursor.execute(f"SELECT count(*) FROM ONLY {name}")
        rows = int(cursor.fetchone()[0])
        found[name] = [rows, _sample(cursor, name, list(zip(key or (), collated or ())), rows)]
    return found


def _sample(cursor: t.Any, name: str, key: t.Sequence[tuple[str, bool]], rows: int) -> str:
    """The checksum of the same rows on every server: by the primary key, else by content.

    :param key: its columns, and whether a locale has a part in their order.
    """
    if not key:
        share = "" if rows <= ALL else f" WHERE {_ROW} % {SHARE} = 0"
        return _one(cursor, f"SELECT coalesce(sum({_ROW}), 0) FROM ONLY {name} t{share}")
    # How many they are follows from what is in them, too, and from nothing that a restore does not bring back.
    longest = int(_one(cursor, f"SELECT coalesce(max(octet_length(t::text)), 1) FROM {_ends(name, key, FEWEST)}"))
    most = max(FEWEST, min(ENDS, SAMPLE // longest))
    return _one(cursor, f"SELECT coalesce(sum({_ROW}), 0) FROM {_ends(name, key, most)}")


def _ends(name: str, key: t.Sequence[tuple[str, bool]], most: int) -> str:
    """So many rows at each end of a table, C(t), in an order that no locale has a part in."""
    columns = [f'{column} COLLATE "C"' if collated else column for column, collated in key]
    ends = " UNION ALL ".join(
        f"(SELECT t FROM ONLY {name} t ORDER BY {', '.join(f'{column} {way}' for column in columns)} LIMIT {most})"
        for way in ("ASC", "DESC")
    )
    return f"({ends}) AS ends(t)"


def sequences(cursor: t.Any) -> dict[str, int]:
    """Sequence to its last value, the one before where nobody has been given that."""
    cursor.execute(_SEQUENCES)
    found = {}
    for (name,) in cursor.fetchall():
        cursor.execute(
            f"SELECT last_value, is_called, seqincrement FROM {name}, pg_sequence WHERE seqrelid = %s::regclass",
            (name,),
        )
        value, called, step = cursor.fetchone()
        found[name] = int(value) if called else int(value) - int(step)
    return found


def _large_objects(cursor: t.Any) -> dict[str, list[t.Any]]:
    cursor.execute("SELECT count(*) FROM pg_largeobject_metadata")
    count = int(cursor.fetchone()[0])
    cursor.execute(
        "SELECT coalesce(sum(('x' || substr(md5(lo_get(oid, 0, %s)), 1, 15))::bit(60)::bigint), 0)"
        f" FROM (SELECT oid FROM pg_largeobject_metadata ORDER BY oid LIMIT {ENDS}) AS first",
        (FIRST,),
    )
    return {"all": [count, str(cursor.fetchone()[0])]}


def _roles(cursor: t.Any) -> dict[str, bool]:
    """Role to whether it is a superuser (an event trigger's owner must be one)."""
    cursor.execute("SELECT rolname, rolsuper FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1")
    return {str(name): bool(is_super) for name, is_super in cursor.fetchall()}


def _members(cursor: t.Any) -> list[list[str]]:
    """Role and member of it, so that in a copy everybody may do what they may do here."""
    cursor.execute(
        "SELECT DISTINCT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members"
        " WHERE pg_get_userbyid(member) !~ '^pg_' ORDER BY 1, 2"
    )
    return [[str(role), str(member)] for role, member in cursor.fetchall()]


def _properties(cursor: t.Any) -> dict[str, t.Any]:
    """What a database must be created with; by the names of each version's C(pg_database)."""
    cursor.execute(
        "SELECT to_jsonb(d) || jsonb_build_object('encoding', pg_encoding_to_char(encoding))"
        " FROM pg_database d WHERE datname = current_database()"
    )
    row = cursor.fetchone()[0]
    icu = row.get("datlocprovider") == "i" and (row.get("daticulocale") or row.get("datlocale"))
    return {"encoding": row["encoding"], "collate": row["datcollate"], "ctype": row["datctype"], "icu": icu or ""}


def _one(cursor: t.Any, question: str) -> str:
    cursor.execute(question)
    return str(cursor.fetchone()[0])


def _astray(wanted: t.Mapping[str, t.Sequence[int]], found: t.Mapping[str, int]) -> list[str]:
    said = []
    for name, ends in wanted.items():
        if name not in found:
            said.append(f"sequence {name}: is missing")
        elif not min(ends) <= found[name] <= max(ends):
            said.append(f"sequence {name}: stands at {found[name]}, wanted {min(ends)} to {max(ends)}")
    return said
