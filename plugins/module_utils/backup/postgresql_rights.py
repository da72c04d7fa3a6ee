# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a role may read all that a PostgreSQL dump has (private to the collection).

pg_dump locks each table, partitioned ones too, and reads each sequence, but looks at no table of an extension unless that says
that it is its configuration. Row security is of the table that is read, which a partitioned one is not.
"""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError

SHOWN = 5  # objects that are named

_UNREADABLE = """
SELECT what, missing FROM (
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || format('%I.%I', n.nspname, c.relname) AS what,
    CASE WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN 'USAGE on its schema'
      WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'SELECT'
      WHEN c.relkind = 'r' AND row_security_active(c.oid) THEN 'rows that row security hides' END AS missing
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
        AND NOT (c.oid = ANY (coalesce(e.extconfig, '{}'))))) AS readable
WHERE missing IS NOT NULL ORDER BY 1
"""

# Opens each and reads nothing: only the server knows all its rules for them.
_LARGE_OBJECTS = """
SELECT count(lo_get(oid, 0, 0)) FROM pg_largeobject_metadata
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
"""


def expect_readable(cursor: t.Any, database: str) -> None:
    """That a dump by this role will lack nothing and meet nothing that it may not read.

    :param cursor: of a connection to the database.
    :raises SlipwayError: C(denied), with what may not be read.
    :raises psycopg2.Error: of a large object that may not be read; it names that.
    """
    cursor.execute(_UNREADABLE)
    found = [f"{what} ({missing})" for what, missing in cursor.fetchall()]
    if found:
        raise SlipwayError(
            "may not be read whole by this role, and what it may not read would be missing from a backup",
            obj=database,
            actual="; ".join(found[:SHOWN] + ([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])),
            wanted="SELECT on every table and sequence, USAGE on their schemas, and rows that nothing hides",
            remedy="GRANT it what is missing (against row security: ALTER ROLE … BYPASSRLS), or let their owner,"
            " or a superuser, take the backup.",
            cause="denied",
        )
    cursor.execute(_LARGE_OBJECTS)
