# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that come back: one whose schema nobody here wrote, large ones, and what else a server can hold."""

from __future__ import annotations

import contextlib
import gzip
import pathlib
import sqlite3
import subprocess
import sys
import threading
import typing as t

import pytest

from tests import sampling

from .conftest import Server
from .faults import Site
from .faults_postgresql import PostgreSQLSite
from .target import Target

ZABBIX = pathlib.Path("/usr/share/zabbix-server-pgsql")  # Debian's zabbix-server-pgsql: 173 tables, 34 MB of SQL
ROWS = 10_000_000 if sampling.SOAK else 100_000
VALUE = (100 if sampling.SOAK else 5) << 20  # bytes of one value
LARGE = (100 if sampling.SOAK else 32) << 20  # the same, where also a small run must show that it is never held whole
MEMORY = 100 << 20  # bytes that a backup may need, however large the database is


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    return Target(server.url(database), tmp_path / "store", scratch)


def restored(target: Target, question: str) -> t.Any:
    """The answer of a restored copy of the newest backup."""
    made = target.keeper().list().backups[-1].manifest
    with target.engine.scratch(made.server, made.facts, 0) as scratch:
        scratch.restore(target.keeper()._prover.content(target.keeper().list().backups[-1], made.parts["dump"]))
        link = scratch._login(made.facts["database"]).connect()  # type: ignore[attr-defined]
        with contextlib.closing(link), link.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchone()


def test_a_schema_that_nobody_here_wrote(server: Server, database: str, target: Target) -> None:
    for name in ("schema", "images", "data"):
        server.execute(database, gzip.decompress((ZABBIX / f"{name}.sql.gz").read_bytes()).decode())
    made = target.back_up().backup
    assert made is not None and made.verified_by == "restore"
    facts = made.manifest.facts
    assert len(facts["tables"]) > 150
    assert len(facts["schema"]) > 600
    assert sum(rows for rows, _sample in facts["tables"].values()) > 50_000
    assert facts["tables"]["public.images"][0] > 100  # pictures, in bytea


# What everything.sql has not: names and bytes of other times, values at the edges.
ODD = """
CREATE TABLE "é'"" ;--$$" ("sélect" text, "A b" int[][], "\ttab" hstore);
INSERT INTO "é'"" ;--$$" VALUES ('\\\\.', '{{1,NULL},{3,4}}', 'a=>NULL,"b c"=>"d"');
CREATE TABLE edges (n numeric, f float8, r real, d date, t timestamptz, i interval, b bytea, j json, x int8range, u uuid);
INSERT INTO edges VALUES
  ('NaN', 'NaN', '-0', 'infinity', '-infinity', '-178000000 years', '\\x00ff5c27', '{"a" : 1,"a":2}', '[5,)', NULL),
  ('1e-16383', 5e-324, '3.4028235e38', '4713-01-01 BC', '294276-12-31 23:59:59.999999+14', '1 us', '', 'null', 'empty',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
  (repeat('9', 3000)::numeric, '-Infinity', 'NaN', '5874897-12-31', '2026-10-25 02:30:00+01', '-1 day 25:00', NULL, '[]',
   NULL, NULL);
CREATE TABLE parts (k int, at timestamptz, PRIMARY KEY (k, at)) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1) PARTITION BY RANGE (at);
CREATE TABLE parts_1_now PARTITION OF parts_1 FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
INSERT INTO parts SELECT 1, timestamptz '2026-01-01Z' + n * interval '1 hour' FROM generate_series(1, 3000) AS n;
CREATE TABLE made (a text COLLATE "C" PRIMARY KEY, b text GENERATED ALWAYS AS (lower(a) || a) STORED);
INSERT INTO made SELECT chr(192 + n) FROM generate_series(1, 60) AS n;
CREATE MATERIALIZED VIEW seen AS SELECT count(*) AS n FROM parts WITH NO DATA;
CREATE SEQUENCE down INCREMENT -1; SELECT nextval('down'), nextval('down');
CREATE SEQUENCE wide INCREMENT 1000 MAXVALUE 9223372036854775807; SELECT setval('wide', 9223372036854775000);
SELECT lo_put(lo_create(0), 5000, '\\xff');
"""


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1", "SQL_ASCII"])
def test_odd_names_values_and_encodings(
    server: Server, tmp_path: pathlib.Path, scratch: pathlib.Path, encoding: str
) -> None:
    """A name that is not ASCII could not be backed up from a database of any encoding but UTF-8."""
    # Of LATIN1, pg_restore itself does not find a database whose name is not ASCII.
    name = f"odd_{encoding.lower()}_{'e' if encoding == 'LATIN1' else 'é'}'"
    server.execute(
        "postgres", f"CREATE DATABASE \"{name}\" ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    try:
        with contextlib.closing(server.connect(name)) as link, link.cursor() as cursor:
            link.set_client_encoding("UTF8")
            cursor.execute("CREATE EXTENSION hstore")
            cursor.execute(ODD if encoding != "SQL_ASCII" else ODD.replace("chr(192 + n)", "'x' || n"))
        made = Target(server.url(name), tmp_path / "store", scratch).back_up().backup
        assert made is not None and made.verified_by == "restore"
        assert made.manifest.facts["tables"]['public."é\'"" ;--$$"'][0] == 1
        assert made.manifest.facts["properties"]["encoding"] == encoding
    finally:
        server.execute("postgres", f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_sequence_that_belongs_to_an_extension_is_the_extensions(
    server: Server, database: str, target: Target
) -> None:
    """It was wanted of the copy, whose extension makes a new one."""
    server.execute(database, "CREATE EXTENSION pg_trgm; CREATE SEQUENCE own; ALTER EXTENSION pg_trgm ADD SEQUENCE own")
    made = target.back_up().backup
    assert made is not None and made.verified_by == "restore"


def test_a_large_object_of_more_than_a_gigabyte_can_be_looked_at(server: Server, database: str, target: Target) -> None:
    """The server gives out no more than that at once. This one has a hole, so it needs no disk."""
    hole = "SELECT lo_create(7); SELECT lo_open(7, 131072); SELECT lo_lseek64(0, 1500000000, 0); SELECT lowrite(0, 'x')"
    server.execute(database, f"BEGIN; {hole}; COMMIT")
    with target.engine.snapshot() as snapshot:
        assert snapshot.facts()["large_objects"]["all"][0] == 1


def test_what_is_written_all_the_time_is_backed_up_at_one_moment(server: Server, database: str, target: Target) -> None:
    """Orders and their lines, by a foreign key and by the sum that an order says its lines have."""
    server.execute(
        database,
        "CREATE TABLE orders (id bigserial PRIMARY KEY, total int NOT NULL, paid boolean NOT NULL DEFAULT false);"
        "CREATE TABLE lines (id bigserial PRIMARY KEY, of bigint NOT NULL REFERENCES orders ON DELETE CASCADE, n int)",
    )
    ends, begun = threading.Event(), threading.Barrier(3)

    def write(first: bool) -> None:
        with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
            for number in range(1 << 30):
                cursor.execute(
                    "WITH o AS (INSERT INTO orders (total) VALUES (60) RETURNING id)"
                    " INSERT INTO lines (of, n) SELECT id, n FROM o, unnest(ARRAY[10, 20, 30]) AS n"
                )
                cursor.execute(f"DELETE FROM orders WHERE id % 7 = {number % 7} AND id < {number}")
                if number == 50:
                    begun.wait()
                if ends.is_set():
                    return

    writers = [threading.Thread(target=write, args=(first,)) for first in (True, False)]
    for writer in writers:
        writer.start()
    begun.wait()
    try:
        for _number in range(2):
            made = target.back_up().backup
            assert made is not None and made.verified_by == "restore"
    finally:
        ends.set()
        for writer in writers:
            writer.join()
    wrong, orders, lines = restored(
        target,
        "SELECT (SELECT count(*) FROM orders o WHERE total <> (SELECT coalesce(sum(n), 0) FROM lines l WHERE l.of = o.id)),"
        " (SELECT count(*) FROM orders), (SELECT count(*) FROM lines WHERE of NOT IN (SELECT id FROM orders))",
    )
    assert (wrong, lines) == (0, 0)
    assert orders > 0


# --- sizes


def measured(engine: str, url: str, directory: pathlib.Path) -> int:
    """Bytes of memory that a backup and its restore need in a process of their own."""
    argv = [sys.executable, "-m", "tests.integration_local.backup.measure", engine, url, str(directory)]
    done = subprocess.run(argv, cwd=pathlib.Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


NARROW = "CREATE TABLE t AS SELECT n AS id, (n % 1000)::smallint AS v FROM generate_series(1, {}) AS n"
SIZES = {
    "many narrow rows": NARROW.format(ROWS),
    "many narrow rows with a key": NARROW.format(ROWS) + "; ALTER TABLE t ADD PRIMARY KEY (id)",
    "one large value of bytes": f"CREATE TABLE t AS SELECT decode(repeat('c0ffee11', {LARGE // 4}), 'hex') AS v",
    "one large value of text": f"CREATE TABLE t AS SELECT 1 AS id, repeat('wört ', {VALUE // 6}) AS v",
    "one large object": f"SELECT lo_from_bytea(0, decode(repeat('c0ffee11', {VALUE // 4}), 'hex'))",
}


@pytest.mark.parametrize("name", SIZES)
def test_size_of_postgresql(server: Server, database: str, postgresql: PostgreSQLSite, name: str) -> None:
    server.execute(database, SIZES[name])
    needed = measured("postgresql", server.url(database), postgresql.directory)
    expect_within(postgresql, name, needed)


@pytest.mark.parametrize("name", ["many narrow rows", "one large value of bytes"])
def test_size_of_sqlite(sqlite: Site, name: str) -> None:
    """A value was held in memory several times over."""
    sqlite.url = str(sqlite.directory / "large.db")
    with contextlib.closing(sqlite3.connect(sqlite.url)) as link:
        link.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        if name == "many narrow rows":
            many = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
            link.execute(f"{many} INSERT INTO t SELECT i, i % 1000 FROM n")
        else:
            link.execute(f"INSERT INTO t (v) VALUES (randomblob({LARGE}))")
        link.commit()
    expect_within(sqlite, name, measured("sqlite", sqlite.url, sqlite.directory))


def expect_within(site: Site, name: str, needed: int) -> None:
    made = list(site.listed().values())[-1]
    assert made.verified_by == "restore" and made.manifest.id != site.good
    size, took = made.manifest.parts["dump"].plain_size >> 20, (made.manifest.seconds, made.restore_seconds)
    print(f"{name}: {size} MiB, dumped and restored in {took} s, {needed >> 20} MiB of memory")
    assert needed <= MEMORY, f"{needed >> 20} MiB"


def test_a_descending_sequence_gives_no_number_out_twice_after_a_restore(
    server: Server, database: str, target: Target
) -> None:
    """One that had given out nothing when it was backed up, and two numbers since."""
    server.execute(database, "CREATE SEQUENCE down INCREMENT -1; CREATE SEQUENCE tens INCREMENT 10 START 7")
    target.back_up("read")
    server.execute(database, "SELECT nextval('down'), nextval('tens')", "SELECT nextval('down')")
    try:
        target.keeper().restored("latest", "", confirm=database, safety=False)
        with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
            cursor.execute("SELECT nextval('down'), nextval('tens')")
            assert cursor.fetchone() == (-3, 17)
    finally:
        with contextlib.closing(server.connect("postgres")) as link, link.cursor() as cursor:
            cursor.execute(f"SELECT datname FROM pg_database WHERE datname LIKE '{database}_replaced%'")
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP DATABASE {name}")
