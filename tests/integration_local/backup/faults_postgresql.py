# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of a backup of a PostgreSQL server: its network, its roles, its programs, its disks."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import postgresql

from tests.integration_local.places import free_port

from .conftest import BIN, PASSWORD, Server
from .faults import Site, Table, programs

SCHEMA = """
CREATE TABLE buyer (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE bill (id serial PRIMARY KEY, buyer int NOT NULL REFERENCES buyer, what text);
INSERT INTO buyer (name) SELECT 'Käufer ' || n FROM generate_series(1, 500) AS n;
INSERT INTO bill (buyer, what) SELECT n % 500 + 1, md5(n::text) FROM generate_series(1, 6000) AS n;
SELECT lo_from_bytea(0, '\\xc0ffee');
"""

ROWS = Table()


@dataclasses.dataclass
class PostgreSQLSite(Site):
    server: Server = dataclasses.field(default=None)  # type: ignore[assignment]
    database: str = ""

    def execute(self, *statements: str) -> None:
        self.server.execute(self.database, *statements)

    def wrapped(self, **scripts: str) -> None:
        """Let it use programs some of which are scripts; REAL in them is the directory of the real ones."""
        scripts = {name: f"REAL={BIN}\n{script}" for name, script in scripts.items()}
        self.bin_dir = programs(self.directory / "bin", BIN, **scripts)


Generated = t.Iterator[None]

# --- the way to the server


@ROWS.row("the server is not there", "unreachable", "127.0.0.1: cannot be reached.*Check host, port", proof="restore")
def the_server_is_not_there(site: PostgreSQLSite) -> Generated:
    site.url = site.server.url(site.database, port=free_port())
    yield


@ROWS.row("a host that has no address", "unreachable", "could not translate host name")
def a_host_that_has_no_address(site: PostgreSQLSite) -> Generated:
    site.url = site.url.replace("127.0.0.1", "nowhere.invalid")
    yield


@ROWS.row("a database that is not there", "unreachable", 'database "nothing" does not exist')
def a_database_that_is_not_there(site: PostgreSQLSite) -> Generated:
    site.url = site.server.url("nothing")
    yield


@ROWS.row("a url that is none, with a password in it", "bad_input", "is not a connection string of PostgreSQL")
def a_url_that_is_none_with_a_password_in_it(site: PostgreSQLSite) -> Generated:
    site.url, site.secrets = "postgresql://shop:s3cr3t@[host/shop?nonsense", ("s3cr3t",)
    yield


@ROWS.row("a url with a password in it, percent-encoded, which is nowhere to be seen", "", "is good, by read")
def a_url_with_a_password_in_it_percent_encoded_which_is_nowhere(site: PostgreSQLSite) -> Generated:
    site.execute("ALTER ROLE admin PASSWORD 'a@b:c/d'")
    try:
        site.url = f"postgresql://admin:a%40b%3Ac%2Fd@127.0.0.1:{site.server.port}/{site.database}"
        site.verify = "read"
        yield
    finally:
        replace_password(site)


def replace_password(site: PostgreSQLSite) -> None:
    # Not by a connection to the server: its superuser's password is another one now.
    with contextlib.closing(postgresql.Login(site.url).connect()) as link:
        link.set_session(readonly=False, autocommit=True)
        with link.cursor() as cursor:
            cursor.execute("ALTER ROLE admin PASSWORD %s", (PASSWORD,))


# --- who may


@ROWS.row("the wrong password", "login", "cannot log in.*password authentication failed", proof="restore")
def the_wrong_password(site: PostgreSQLSite) -> Generated:
    site.url, site.secrets = site.server.url(site.database, password="s3cr3t-and-wrong"), ("s3cr3t-and-wrong",)
    yield


@contextlib.contextmanager
def role(site: PostgreSQLSite, options: str = "LOGIN", rights: str = "") -> t.Iterator[str]:
    """One that may read all that the database has, and use it for the backup."""
    name = f"r{abs(hash(site.directory))}"
    site.execute(f"CREATE ROLE {name} {options} PASSWORD 'p'")
    site.execute(
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
        f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}",
        f"DO 'BEGIN EXECUTE (SELECT string_agg(format($$GRANT SELECT ON LARGE OBJECT %s TO {name}$$, oid), $$;$$)"
        " FROM pg_largeobject_metadata); END'",
    )
    if rights:
        site.execute(rights.replace("ROLE", name))
    site.url = site.server.url(site.database, name, "p")
    try:
        yield name
    finally:
        site.execute(f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


@ROWS.row("a role that may not log in, which was taken for a server that is down", "login", "not permitted to log in")
def a_role_that_may_not_log_in_which_was_taken_for_a_server_that(site: PostgreSQLSite) -> Generated:
    with role(site, "NOLOGIN"):
        yield


@ROWS.row("a database that may not be connected to", "login", "does not have CONNECT privilege")
def a_database_that_may_not_be_connected_to(site: PostgreSQLSite) -> Generated:
    site.execute(f"REVOKE CONNECT ON DATABASE {site.database} FROM PUBLIC")
    try:
        with role(site):
            yield
    finally:
        site.execute(f"GRANT CONNECT ON DATABASE {site.database} TO PUBLIC")


@ROWS.row("no connection left for the role", "unreachable", "too many connections for role")
def no_connection_left_for_the_role(site: PostgreSQLSite) -> Generated:
    with role(site, "LOGIN CONNECTION LIMIT 1") as name:
        site.execute(f"ALTER ROLE {name} CONNECTION LIMIT 0")
        yield


@ROWS.row("one connection left, but two are needed", "command_failed", "pg_dump .*too many connections for role")
def one_connection_left_but_two_are_needed(site: PostgreSQLSite) -> Generated:
    with role(site, "LOGIN CONNECTION LIMIT 1"):
        yield


@ROWS.row("a table that may not be read", "denied", r"table public\.secret \(SELECT\)'.*GRANT", proof="restore")
def a_table_that_may_not_be_read(site: PostgreSQLSite) -> Generated:
    with table(site, "CREATE TABLE secret (id int)"), role(site, rights="REVOKE ALL ON secret FROM ROLE"):
        yield


@ROWS.row("rows that may not be seen", "denied", r"table public\.secret \(rows that row security hides\)")
def rows_that_may_not_be_seen(site: PostgreSQLSite) -> Generated:
    made = "CREATE TABLE secret (id int); ALTER TABLE secret ENABLE ROW LEVEL SECURITY"
    with table(site, made), role(site, rights="CREATE POLICY few ON secret TO ROLE USING (id > 1)"):
        yield


@ROWS.row("a sequence that may not be read", "denied", r"sequence public\.buyer_id_seq \(SELECT\)")
def a_sequence_that_may_not_be_read(site: PostgreSQLSite) -> Generated:
    with role(site, rights="REVOKE ALL ON SEQUENCE buyer_id_seq FROM ROLE"):
        yield


@ROWS.row("a large object that may not be read", "denied", "permission denied for large object")
def a_large_object_that_may_not_be_read(site: PostgreSQLSite) -> Generated:
    revoke = "REVOKE ALL ON LARGE OBJECT %s FROM ROLE"
    every = f"(SELECT string_agg(format($$ {revoke} $$, oid), $$;$$) FROM pg_largeobject_metadata)"
    with role(site, rights=f"DO 'BEGIN EXECUTE {every}; END'"):
        yield


@ROWS.row("a schema that may not be used", "denied", r"table hidden\.secret \(USAGE on its schema\)")
def a_schema_that_may_not_be_used(site: PostgreSQLSite) -> Generated:
    site.execute("CREATE SCHEMA hidden; CREATE TABLE hidden.secret (id int)")
    try:
        with role(site):
            yield
    finally:
        site.execute("DROP SCHEMA hidden CASCADE")


@contextlib.contextmanager
def table(site: PostgreSQLSite, made: str) -> t.Iterator[None]:
    site.execute(made)
    try:
        yield
    finally:
        site.execute("DROP TABLE IF EXISTS secret")


# --- what happens while it is dumped


@ROWS.row("a table that is dropped between the snapshot and its dump", "command_failed", "secret")
def a_table_that_is_dropped_between_the_snapshot_and_its_dump(site: PostgreSQLSite) -> Generated:
    with table(site, "CREATE TABLE secret AS SELECT 1 AS id"):
        site.wrapped(
            pg_dump=f'case "$*" in *--version*) ;; *) {psql(site, "DROP TABLE IF EXISTS secret")};; esac\n{REAL}'
        )
        yield


REAL = 'exec $REAL/${0##*/} "$@"'


def psql(site: PostgreSQLSite, statement: str) -> str:
    """A line of a script that runs a statement as the superuser."""
    (site.directory / "pgpass").write_text("*:*:*:*:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:"))
    (site.directory / "pgpass").chmod(0o600)
    where = f"-h 127.0.0.1 -p {site.server.port} -U admin -d {site.database}"
    return f'PGPASSFILE={site.directory}/pgpass $REAL/psql {where} -qAtc "{statement}" >/dev/null'


@ROWS.row(
    "an administrator ends the connection of the dump", "command_failed", "pg_dump .*terminating connection due to"
)
def an_administrator_ends_the_connection_of_the_dump(site: PostgreSQLSite) -> Generated:
    with waiting(site, "terminate"):
        yield


@ROWS.row("an administrator cancels the dump", "command_failed", "pg_dump .*canceling statement due to user request")
def an_administrator_cancels_the_dump(site: PostgreSQLSite) -> Generated:
    with waiting(site, "cancel"):
        yield


@contextlib.contextmanager
def waiting(site: PostgreSQLSite, end: str) -> t.Iterator[None]:
    """Both calls of pg_dump, that of the dump and that of the questions, wait for a lock and are ended there."""
    others = "FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock'"
    question = f"SELECT pid, pg_{end}_backend(pid) {others} AND datname = current_database()"

    def act() -> None:
        seen: set[int] = set()
        with contextlib.closing(site.server.connect(site.database)) as link, link.cursor() as cursor:
            while len(seen) < 2:
                cursor.execute(question)
                seen |= {pid for pid, done in cursor.fetchall() if done}

    with contextlib.closing(site.server.connect(site.database)) as link, link.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE buyer")
        ending = threading.Thread(target=act)
        ending.start()
        yield
        ending.join()


@ROWS.row("an administrator ends the connection that has the snapshot", "connection_lost", "the connection was lost")
def an_administrator_ends_the_connection_that_has_the_snapshot(site: PostgreSQLSite) -> Generated:
    ended = "pg_stat_activity WHERE datname = current_database() AND application_name = 'slipway'"
    site.wrapped(pg_dumpall=psql(site, f"SELECT pg_terminate_backend(pid) FROM {ended}") + f"\n{REAL}")
    yield


@ROWS.row(
    "the server goes down in the middle of the dump",
    "command_failed|connection_lost",  # whichever connection is told first
    "pg_dump .*(shutdown|crash|closed the con)|connection was lost",
)
def the_server_goes_down_in_the_middle_of_the_dump(site: PostgreSQLSite) -> Generated:
    server = t.cast(t.Any, site).doomed  # one that nobody else needs
    site.url, pid = server.url("postgres"), server._process.pid
    half(site, f"kill -QUIT {pid}; while kill -0 {pid} 2>/dev/null && [ -e /proc/{pid}/exe ]; do :; done")
    yield


def half(site: PostgreSQLSite, then: str, after: int = 100_000) -> None:
    """Let something happen after so many bytes of the dump; the rest waits in pg_dump, whose pipe is full."""
    cut = f'$REAL/pg_dump "$@" > >(head -c {after}; {then}; cat) ; status=$?; wait; exit $status'
    site.wrapped(pg_dump=f'case "$*" in *custom*) {cut};; esac\n{REAL}')


@ROWS.row("a lock on a table that does not end", "command_failed", "LOCK TABLE public.buyer")
def a_lock_on_a_table_that_does_not_end(site: PostgreSQLSite) -> Generated:
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(site.server.connect(site.database)) as link:
        patch.setattr(postgresql, "LOCK_WAIT", 0.2)
        with link.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE buyer")
        yield
