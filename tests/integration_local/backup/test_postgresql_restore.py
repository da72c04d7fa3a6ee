# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real PostgreSQL server restored for good: beside the live database, and in its place."""

from __future__ import annotations

import contextlib
import pathlib
import threading
import typing as t

import psycopg2
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import postgresql_restore
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import Server
from .target import Target


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    """A database with 1,000 rows, backed up; since then 500 more were made and the first ones lost."""
    server.execute(database, "CREATE TABLE t (id serial PRIMARY KEY, word text)")
    server.execute(database, "INSERT INTO t (word) SELECT 'x' || n FROM generate_series(1, 1000) AS n")
    target = Target(server.url(database), tmp_path / "store", scratch)
    target.back_up()
    server.execute(database, "INSERT INTO t (word) SELECT 'y' FROM generate_series(1, 500)")
    server.execute(database, "DELETE FROM t WHERE id <= 900")
    return target


@pytest.fixture(autouse=True)
def others_are_dropped(server: Server, database: str) -> t.Iterator[None]:
    yield
    for name in databases(server, database):
        if name != database:
            server.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def databases(server: Server, beginning: str) -> list[str]:
    return [
        row[0] for row in ask(server, "postgres", f"SELECT datname FROM pg_database WHERE datname LIKE '{beginning}%'")
    ]


def ask(server: Server, database: str, question: str) -> list[t.Any]:
    return asked(server.url(database), question)


def asked(url: str, question: str) -> list[t.Any]:
    with contextlib.closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
        link.autocommit = True
        cursor.execute(question)
        found: list[t.Any] = cursor.fetchall()
        return found


def replace(target: Target, database: str, *, safety: bool = True) -> list[str]:
    return target.keeper().restored("latest", "", confirm=database, safety=safety).actions


def test_beside_the_live_database(server: Server, database: str, target: Target) -> None:
    target.keeper().restored("latest", f"{database}_look", confirm="", safety=True)
    assert ask(server, f"{database}_look", "SELECT count(*), min(word) FROM t") == [(1000, "x1")]
    assert ask(server, database, "SELECT count(*) FROM t") == [(600,)]


def test_a_name_that_is_taken_is_told(server: Server, database: str, target: Target) -> None:
    with pytest.raises(SlipwayError, match="there is a database of this name"):
        target.keeper().restored("latest", database, confirm="", safety=True)
    assert ask(server, database, "SELECT count(*) FROM t") == [(600,)]


def test_in_its_place_the_rows_are_back_and_no_id_is_given_out_twice(
    server: Server, database: str, target: Target
) -> None:
    actions = replace(target, database)
    assert ask(server, database, "SELECT count(*), max(id) FROM t") == [(1000, 1000)]
    assert ask(server, database, "INSERT INTO t (word) VALUES ('z') RETURNING id") == [(1501,)]
    assert "advanced public.t_id_seq to 1500" in actions
    (kept,) = [name for name in databases(server, database) if name != database]
    assert ask(server, kept, "SELECT count(*) FROM t") == [(600,)]


def test_in_its_place_owner_rights_and_settings_are_the_live_ones(
    server: Server, database: str, target: Target
) -> None:
    server.execute("postgres", 'DROP ROLE IF EXISTS "an owner"; CREATE ROLE "an owner"')
    server.execute(
        "postgres",
        f'ALTER DATABASE {database} OWNER TO "an owner"; REVOKE ALL ON DATABASE {database} FROM PUBLIC;'
        f'GRANT CONNECT ON DATABASE {database} TO "an owner" WITH GRANT OPTION;'
        f"ALTER DATABASE {database} SET search_path = \"$user\", 'a b', public;"
        f"ALTER DATABASE {database} SET application_name = 'it''s'; ALTER DATABASE {database} CONNECTION LIMIT 17;"
        f"ALTER ROLE \"an owner\" IN DATABASE {database} SET work_mem = '7MB'",
    )
    question = (
        "SELECT datdba::regrole::text, datconnlimit, datacl::text, (SELECT array_agg(setconfig::text ORDER BY setrole)"
        f" FROM pg_db_role_setting WHERE setdatabase = oid) FROM pg_database WHERE datname = '{database}'"
    )
    before = ask(server, "postgres", question)
    assert before[0][1] == 17
    try:
        replace(target, database)
        assert ask(server, "postgres", question) == before
    finally:
        for name in databases(server, database):
            server.execute("postgres", f"ALTER DATABASE {name} OWNER TO admin")
            server.execute(name, 'DROP OWNED BY "an owner"')
            server.execute("postgres", f'ALTER ROLE "an owner" IN DATABASE {name} RESET ALL')
        server.execute("postgres", 'DROP ROLE "an owner"')


def test_an_owner_who_is_no_superuser_gets_in_although_the_database_is_closed(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    """The limit of connections that keeps programs out holds for the owner as well."""
    owner = f"{database}_owner"
    server.execute("postgres", f"CREATE ROLE {owner} LOGIN CREATEDB PASSWORD 'o'")
    server.execute("postgres", f"ALTER DATABASE {database} OWNER TO {owner}")
    server.execute(database, f"ALTER TABLE t OWNER TO {owner}", f"ALTER SCHEMA public OWNER TO {owner}")
    owned = Target(server.url(database, owner, "o"), tmp_path / "owned", scratch)
    owned.back_up()
    server.execute(database, "DELETE FROM t")
    replace(owned, database)
    assert ask(server, database, "SELECT count(*) FROM t") == [(600,)]
    for name in databases(server, database):
        server.execute("postgres", f"ALTER DATABASE {name} OWNER TO admin")
        server.execute(name, f"REASSIGN OWNED BY {owner} TO admin", f"DROP OWNED BY {owner}")
    server.execute("postgres", f"DROP ROLE {owner}")


def test_a_program_that_comes_back_at_once_is_kept_out(server: Server, database: str, target: Target) -> None:
    server.execute("postgres", "DROP ROLE IF EXISTS program; CREATE ROLE program LOGIN PASSWORD 'p'")
    server.execute(database, "GRANT SELECT ON t TO program")
    ends, seen, url = threading.Event(), set(), server.url(database, "program", "p")

    def work() -> None:
        while not ends.is_set():
            with contextlib.suppress(psycopg2.Error):
                seen.update(asked(url, "SELECT count(*), max(id) FROM t"))

    worker = threading.Thread(target=work)
    worker.start()
    try:
        server_has = ask(server, database, "SELECT count(*), max(id) FROM t")
        replace(target, database)
    finally:
        ends.set()
        worker.join()
    assert seen <= {*server_has, (1000, 1000)}
    with contextlib.closing(psycopg2.connect(url)):
        pass  # its rights are those that the backup has: none of this table, but it may connect
    for name in databases(server, database):
        server.execute(name, "DROP OWNED BY program")
    server.execute("postgres", "DROP ROLE program")


def test_who_cannot_be_kept_out_is_named_and_nothing_has_changed(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A superuser passes a connection limit; here one that comes back whenever it is ended."""
    monkeypatch.setattr(postgresql_restore, "TRIES", 3)
    monkeypatch.setattr(postgresql_restore, "PAUSE", 0.0)
    ends = threading.Event()
    there = threading.Event()

    def stay() -> None:
        while not ends.is_set():
            with contextlib.suppress(psycopg2.Error), contextlib.closing(server.connect(database)) as link:
                there.set()
                with link.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(10)")

    class Held(type(target.system)):  # type: ignore[misc]
        def sleep(self, seconds: float) -> None:
            there.clear()
            there.wait(10)

    worker = threading.Thread(target=stay)
    worker.start()
    target.engine.system = Held()
    try:
        there.wait(10)
        with pytest.raises(SlipwayError, match=f"{database}: is still connected to; found 'admin from 127.0.0.1"):
            replace(target, database, safety=False)
    finally:
        ends.set()
        server.execute(
            "postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )
        worker.join()
    assert databases(server, database) == [database]
    assert ask(server, database, "SELECT count(*) FROM t") == [(600,)]
    assert ask(server, "postgres", f"SELECT datconnlimit FROM pg_database WHERE datname = '{database}'") == [(-1,)]


def test_a_copy_that_is_something_else_is_dropped_and_the_live_one_goes_on(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ansible_collections.slipway.deploy.plugins.module_utils.backup.postgresql_facts.differences",
        lambda *_given: ["table public.t: 999 rows, wanted 1000"],
    )
    with pytest.raises(SlipwayError, match=r"table public\.t: 999 rows"):
        replace(target, database, safety=False)
    assert databases(server, database) == [database]
    assert ask(server, database, "SELECT count(*) FROM t") == [(600,)]


def test_a_run_that_is_killed_while_programs_are_kept_out_is_put_right_by_the_next(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_given: object) -> None:
        raise KilledError

    monkeypatch.setattr(postgresql_restore, "_end_connections", killed)
    with monkeypatch.context() as dead:  # nothing that runs after a kill
        dead.setattr(postgresql_restore, "open_again", killed)
        with pytest.raises(KilledError):
            replace(target, database, safety=False)
    limit = f"SELECT datconnlimit FROM pg_database WHERE datname = '{database}'"
    assert ask(server, "postgres", limit) == [(0,)]
    assert target.engine.recover() == [
        f"opened {database} again, which a run that was cut off had closed to connections"
    ]
    assert ask(server, "postgres", limit) == [(-1,)]
    assert target.engine.recover() == []
