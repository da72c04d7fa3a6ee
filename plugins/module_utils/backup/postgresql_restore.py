# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL backup restored for good: beside the live database, or in its place (private to the collection).

The copy is restored and compared under a name of its own while the live database goes on. Then connections are ended,
sequences are advanced past those of the database that is replaced, so that no id is given out twice, and both names change
in one transaction. The old database stays, under another name.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ..errors import SlipwayError
from . import postgresql_directory, postgresql_facts
from .engine import Facts, taken
from .pipeline import Chunks

if t.TYPE_CHECKING:
    from ..database.postgresql_login import Login
    from .postgresql import PostgreSQL

TRIES = 20  # times that connections are ended: a program may come back at once
PAUSE = 0.1  # seconds between them
ADMIN = "postgres"  # a database from which others are made and renamed

# Their values are lists whose elements are quoted already (pg_dump, C(variable_is_guc_list_quote)).
LISTS = ("local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces")

_RIGHTS = """
SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
  CASE WHEN is_grantable THEN 'WITH GRANT OPTION' ELSE '' END
FROM pg_database, aclexplode(datacl) WHERE datname = %s
"""

_OWN_SETTINGS = """
SELECT CASE setrole WHEN 0 THEN '' ELSE setrole::regrole::text END, unnest(setconfig)
FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = %s
"""


def restore_beside(engine: PostgreSQL, dump: Chunks, facts: Facts, name: str) -> list[str]:
    """Make a new database out of a dump, and compare it with what was backed up; see RV(Engine)."""
    with admin(engine.login) as cursor:
        cursor.execute(_create(name, facts["properties"]))
    return _filled(engine, dump, facts, name)


def give_name(engine: PostgreSQL, new: str, name: str) -> None:
    """Give a restored database its own name."""
    with admin(engine.login) as cursor:
        _end_connections(engine, cursor, new)  # those of its comparison may not have ended quite
        if exists(cursor, name):
            raise taken(name)
        cursor.execute(f"ALTER DATABASE {_quoted(new)} RENAME TO {_quoted(name)}")


def discard(engine: PostgreSQL, name: str) -> None:
    """Drop a restored database, if there is one."""
    with admin(engine.login) as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")


def take_the_place(engine: PostgreSQL, new: str, kept: str) -> list[str]:
    """Give a restored database the live one's name, owner, rights and settings, and the live one another name.

    :param kept: the name under which the live database stays.
    :return: the sequences that were advanced, in words.
    :raises SlipwayError: C(in_use); the live database is as it was then.
    """
    live = engine.login.database
    # Connected before the database is closed: no owner but a superuser gets in afterwards.
    with admin(engine.login) as cursor, contextlib.closing(engine.login.to(live).connect()) as inside:
        limit = _limit(cursor, live)
        _close(engine, cursor, live, limit)
        try:
            _end_connections(engine, cursor, live, spared=inside.get_backend_pid())
            advanced = _advance_sequences(engine.login, inside, new)
            inside.close()
            _make_alike(cursor, live, new)
            _set_limit(cursor, new, limit)
            _change_names(engine, cursor, live, new, kept)
        except BaseException:
            open_again(engine)
            raise
        _set_limit(cursor, kept, limit)
        engine.system.unlink(engine.closed_file)
    return [f"advanced {name} to {value}" for name, value in advanced.items()]


# --- beside


def _filled(engine: PostgreSQL, dump: Chunks, facts: Facts, name: str) -> list[str]:
    login = engine.login.to(name)
    server = _server(login)
    with engine.logged_in("pg_restore", server, "--exit-on-error", login=login) as restores:
        jobs = postgresql_directory.in_jobs(engine)
        postgresql_directory.restore(restores, dump, engine.scratch_dir, jobs)
    schema = engine.output("pg_dump", server, *postgresql_facts.SCHEMA, login=login)
    with contextlib.closing(login.connect()) as link:
        return postgresql_facts.differences(link, schema, facts, engine.progress)


def _create(name: str, properties: t.Mapping[str, t.Any]) -> str:
    words = [f"CREATE DATABASE {_quoted(name)} TEMPLATE template0"]
    for key, keyword in (("encoding", "ENCODING"), ("collate", "LC_COLLATE"), ("ctype", "LC_CTYPE")):
        words.append(f"{keyword} {_literal(properties[key])}")
    if properties.get("icu"):
        words.append(f"LOCALE_PROVIDER icu ICU_LOCALE {_literal(properties['icu'])}")
    return " ".join(words)


# --- in its place


def _close(engine: PostgreSQL, cursor: t.Any, live: str, limit: int) -> None:
    """Keep programs out. First it is written down, so that a killed run does not close the database for ever."""
    note = {"database": live, "connection_limit": limit}
    engine.system.make_directory(os.path.dirname(engine.closed_file))
    engine.system.replace_file(engine.closed_file, json.dumps(note).encode())
    _set_limit(cursor, live, 0)


def open_again(engine: PostgreSQL) -> list[str]:
    """Let programs in again that a run kept out which did not come to its end; what was done, in words."""
    note = json.loads(engine.system.read_file(engine.closed_file) or b"{}")
    done = []
    with admin(engine.login) as cursor:
        if note and exists(cursor, note["database"]) and _limit(cursor, note["database"]) == 0:
            _set_limit(cursor, note["database"], int(note["connection_limit"]))
            done.append(f"opened {note['database']} again, which a run that was cut off had closed to connections")
    engine.system.unlink(engine.closed_file)
    return done


def _set_limit(cursor: t.Any, database: str, limit: int) -> None:
    cursor.execute(f"ALTER DATABASE {_quoted(database)} CONNECTION LIMIT {limit}")


def _end_connections(engine: PostgreSQL, cursor: t.Any, database: str, spared: int = 0) -> None:
    others = "FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
    for _try in range(TRIES):
        cursor.execute(f"SELECT count(pg_terminate_backend(pid)) {others}", (database, spared))
        if not cursor.fetchone()[0]:
            return
        engine.system.sleep(PAUSE)
    cursor.execute(
        f"SELECT DISTINCT usename || ' from ' || coalesce(client_addr::text, 'a local socket') {others}",  # noqa: S608
        (database, spared),
    )
    users = [str(row[0]) for row in cursor.fetchall()]
    raise SlipwayError(
        "is still connected to",
        obj=database,
        actual=", ".join(users),
        wanted="no connection",
        remedy="Stop these programs: a superuser cannot be kept out.",
        cause="in_use",
    )


def _advance_sequences(login: Login, live: t.Any, new: str) -> dict[str, int]:
    """No id is given out again that the replaced database has given out.

    :param live: a connection to it.
    """
    with live.cursor() as cursor:
        given = postgresql_facts.sequences(cursor)
    advanced = {}
    with contextlib.closing(login.to(new).connect()) as link:
        link.set_session(readonly=False, autocommit=True)
        with link.cursor() as cursor:
            for name, value in postgresql_facts.sequences(cursor).items():
                cursor.execute("SELECT seqincrement FROM pg_sequence WHERE seqrelid = %s::regclass", (name,))
                ahead = (given.get(name, value) - value) * int(cursor.fetchone()[0])
                if ahead > 0:
                    cursor.execute("SELECT setval(%s::regclass, %s)", (name, given[name]))
                    advanced[name] = given[name]
    return advanced


def _make_alike(cursor: t.Any, live: str, new: str) -> None:
    """Owner, rights and settings are of the database, not of what is in it."""
    cursor.execute("SELECT datdba::regrole::text, datacl IS NOT NULL FROM pg_database WHERE datname = %s", (live,))
    owner, has_rights = cursor.fetchone()
    cursor.execute(f"ALTER DATABASE {_quoted(new)} OWNER TO {owner}")
    if has_rights:
        cursor.execute(f"REVOKE ALL ON DATABASE {_quoted(new)} FROM PUBLIC")
        cursor.execute(_RIGHTS, (live,))
        for right, grantee, option in cursor.fetchall():
            cursor.execute(f"GRANT {right} ON DATABASE {_quoted(new)} TO {grantee} {option}")
    cursor.execute(_OWN_SETTINGS, (live,))
    for role, setting in cursor.fetchall():
        name, _equals, value = setting.partition("=")
        given = value if name in LISTS else _literal(value)
        whose = f"ROLE {role} IN DATABASE" if role else "DATABASE"
        cursor.execute(f"ALTER {whose} {_quoted(new)} SET {name} = {given or _literal('')}")


def _change_names(engine: PostgreSQL, cursor: t.Any, live: str, new: str, kept: str) -> None:
    _end_connections(engine, cursor, live)
    _end_connections(engine, cursor, new)
    cursor.execute(
        f"BEGIN; ALTER DATABASE {_quoted(live)} RENAME TO {_quoted(kept)};"
        f" ALTER DATABASE {_quoted(new)} RENAME TO {_quoted(live)}; COMMIT"
    )


# --- words


@contextlib.contextmanager
def admin(login: Login) -> t.Iterator[t.Any]:
    """A cursor outside of the database, each of whose statements stands alone."""
    with contextlib.closing(login.to(ADMIN).connect()) as link:
        link.set_session(readonly=False, autocommit=True)
        with link.cursor() as cursor:
            yield cursor


def _server(login: Login) -> str:
    from .postgresql import version_of

    with contextlib.closing(login.connect()) as link:
        return version_of(link.server_version)


def exists(cursor: t.Any, database: str) -> bool:
    """Whether there is a database of this name."""
    cursor.execute("SELECT FROM pg_database WHERE datname = %s", (database,))
    return cursor.fetchone() is not None


def _limit(cursor: t.Any, database: str) -> int:
    cursor.execute("SELECT datconnlimit FROM pg_database WHERE datname = %s", (database,))
    return int(cursor.fetchone()[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
