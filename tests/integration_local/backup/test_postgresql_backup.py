# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real PostgreSQL server: everything comes back, and whatever is in the way is named."""

from __future__ import annotations

import contextlib
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import threading

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.places import free_port

from .conftest import BIN, Server
from .target import Target

EVERYTHING = (pathlib.Path(__file__).parent / "everything.sql").read_text()


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    return Target(server.url(database), tmp_path / "store", scratch)


def test_everything_comes_back(server: Server, database: str, target: Target) -> None:
    server.execute(database, EVERYTHING)
    try:
        made = target.back_up().backup
        assert made is not None
        assert made.verified_by == "restore"
        assert made.restore_seconds and made.restore_seconds > 0
        tables = made.manifest.facts["tables"]
        assert tables["public.without_key"][0] == 60000
        assert tables['"Größe 1"."it\'s a ""table"""'][0] == 5000
        assert tables["public.parent"][0] == 2  # its own, without its child's
        assert made.manifest.facts["large_objects"]["all"][0] == 3
        assert made.manifest.server.startswith(BIN.parent.name)
        assert b"SCRAM-SHA-256" in b"".join(target.keeper()._prover.content(made, made.manifest.parts["globals.sql"]))
    finally:
        server.execute(database, 'DROP OWNED BY "reader of ""all""" CASCADE; DROP ROLE "reader of ""all"""')


CHANGES = {
    "a row more": ("INSERT INTO t VALUES (1001, 'x')", "table public.t: 1000 rows, wanted 1001"),
    "a row less": ("DELETE FROM t WHERE id = 500", "table public.t: 1000 rows, wanted 999"),
    "another value": ("UPDATE t SET word = 'y' WHERE id = 3", "table public.t: 1000 rows, but not the same ones"),
    "a table more": ("CREATE TABLE more ()", "table public.more: is missing"),
    "a table less": ("DROP TABLE t", "table public.t: was not there"),
    "an index": ("CREATE INDEX extra ON t (word)", "object extra; Type: INDEX; Schema: public: is missing"),
    "a default": (
        "ALTER TABLE t ALTER word SET DEFAULT 'z'",
        "object t; Type: TABLE; Schema: public: is not the same",
    ),
    "a sequence": ("SELECT setval('s', 99)", "sequence public.s: stands at 0, wanted 99 to 99"),
    "a large object": ("SELECT lo_create(0)", "large objects all: is not the same"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_without_a_change_is_not_taken_for_one_with_it(
    server: Server, database: str, target: Target, change: str
) -> None:
    """What a changed database has is asked of a copy from before."""
    server.execute(database, "CREATE TABLE t (id int PRIMARY KEY, word text); CREATE SEQUENCE s")
    server.execute(database, "INSERT INTO t SELECT n, 'x' || n FROM generate_series(1, 1000) AS n")
    with target.engine.snapshot() as snapshot:
        dump = list(snapshot.dump())
    statement, said = CHANGES[change]
    server.execute(database, statement)
    with target.engine.snapshot() as snapshot:
        facts = snapshot.completed(snapshot.facts())
    with target.engine.scratch("15.0", facts, 0) as scratch:
        scratch.restore(dump)
        assert said in scratch.differences(facts)


def test_a_backup_of_a_database_that_is_written_to_all_the_time_is_of_one_moment(
    server: Server, database: str, target: Target
) -> None:
    """Each transaction moves an amount from one account to another; a sum over two moments would be another one."""
    server.execute(database, "CREATE TABLE a (id int PRIMARY KEY, n bigint); CREATE TABLE b (LIKE a INCLUDING ALL)")
    server.execute(
        database, *[f"INSERT INTO {name} SELECT n, 100 FROM generate_series(1, 20000) AS n" for name in "ab"]
    )
    server.execute(database, "CREATE TABLE log (id serial PRIMARY KEY, at timestamptz DEFAULT now())")
    ends = threading.Event()

    def write() -> None:
        with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
            while not ends.is_set():
                cursor.execute(
                    "BEGIN; UPDATE a SET n = n - 1 WHERE id = 5; UPDATE b SET n = n + 1 WHERE id = 5; "
                    "INSERT INTO log DEFAULT VALUES; COMMIT"
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = target.back_up().backup
    finally:
        ends.set()
        writer.join()
    assert made is not None
    assert made.verified_by == "restore"
    with target.engine.scratch(made.manifest.server, made.manifest.facts, 0) as scratch:
        scratch.restore(target.keeper()._prover.content(made, made.manifest.parts["dump"]))
        with contextlib.closing(scratch._login(database).connect()) as link, link.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("SELECT (SELECT sum(n) FROM a) + (SELECT sum(n) FROM b), (SELECT n FROM b WHERE id = 5)")
            total, moved = cursor.fetchone()
    assert total == 4_000_000
    assert moved > 100


# --- what is in the way


def test_a_server_that_is_not_there(server: Server, database: str, target: Target, tmp_path: pathlib.Path) -> None:
    target.back_up("none")
    url = server.url(database, port=free_port())
    Target(url, tmp_path / "store", tmp_path).fails("unreachable", f"{database} on 127.0.0.1: cannot be reached")


@pytest.mark.parametrize("user, password", [("admin", "wrong"), ("nobody", "wrong")])
def test_a_login_that_is_refused(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, user: str, password: str
) -> None:
    target.back_up("none")
    url = server.url(database, user=user, password=password)
    Target(url, tmp_path / "store", tmp_path).fails("login", "cannot log in")


def test_a_database_that_is_not_there(server: Server, tmp_path: pathlib.Path) -> None:
    Target(server.url("nothing"), tmp_path / "store", tmp_path).fails(
        "unreachable", 'database "nothing" does not exist'
    )


def test_a_table_that_may_not_be_read_fails_the_backup(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path
) -> None:
    server.execute(database, "CREATE TABLE t (id int); CREATE TABLE secret (id int)")
    server.execute("postgres", "DROP ROLE IF EXISTS poor; CREATE ROLE poor LOGIN PASSWORD 'poor'")
    server.execute(database, "GRANT SELECT ON t TO poor")
    url = server.url(database, user="poor", password="poor")
    try:
        Target(url, tmp_path / "store", tmp_path).fails("denied", r"table public\.secret \(SELECT\)")
    finally:
        server.execute(database, "DROP OWNED BY poor; DROP ROLE poor")


def test_the_owner_of_a_database_who_is_no_superuser_can_back_it_up(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.execute("postgres", "DROP ROLE IF EXISTS owner; CREATE ROLE owner LOGIN PASSWORD 'own'")
    server.execute(database, f"ALTER DATABASE {database} OWNER TO owner", "ALTER SCHEMA public OWNER TO owner")
    server.execute(
        database, "SET ROLE owner", "CREATE TABLE item (id bigserial PRIMARY KEY)", "INSERT INTO item DEFAULT VALUES"
    )
    target = Target(server.url(database, "owner", "own"), tmp_path / "store", scratch)
    backup = target.back_up().backup
    assert backup is not None and backup.verified_by == "restore"
    assert backup.manifest.facts["tables"]["public.item"][0] == 1


def test_rows_that_may_not_be_seen_fail_the_backup(server: Server, database: str, tmp_path: pathlib.Path) -> None:
    """Row security would leave them out without a word."""
    server.execute(database, "CREATE TABLE t (id int); ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    server.execute("postgres", "DROP ROLE IF EXISTS half; CREATE ROLE half LOGIN PASSWORD 'half'")
    server.execute(database, "GRANT SELECT ON t TO half; CREATE POLICY few ON t USING (id > 1)")
    url = server.url(database, user="half", password="half")
    try:
        Target(url, tmp_path / "store", tmp_path).fails("denied", r"table public\.t \(rows that row security hides\)")
    finally:
        server.execute(database, "DROP OWNED BY half CASCADE; DROP ROLE half")


def test_an_older_client_is_refused_before_anything_is_written(
    server: Server, database: str, tmp_path: pathlib.Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    (old / "pg_dump").chmod(0o755)
    target = Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=str(old))
    target.fails(
        "client_too_old", "pg_dump: is older than the server, and would refuse to dump it; found '9.6.1', wanted '15"
    )


def programs(directory: pathlib.Path, **scripts: str) -> str:
    """The programs of PostgreSQL, some of them replaced."""
    directory.mkdir()
    for program in BIN.iterdir():
        (directory / program.name).symlink_to(program)
    for name, script in scripts.items():
        (directory / name).unlink()
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    return str(directory)


@pytest.mark.parametrize("after", [0, 1, 4096, 100_000])
def test_a_dump_that_is_killed_leaves_nothing(
    server: Server, database: str, tmp_path: pathlib.Path, after: int
) -> None:
    server.execute(database, "CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n")
    whole = f'{BIN}/pg_dump "$@"'
    dies = f'case "$*" in *--version*) exec {whole};; *custom*) {whole} | head -c {after}; kill -9 $$;; esac\n'
    cut = programs(tmp_path / "bin", pg_dump=f"{dies}exec {whole}")
    target = Target(server.url(database), tmp_path / "store", tmp_path, bin_dir=cut)
    target.fails("command_failed", "pg_dump was ended by signal 9")


def test_a_table_that_is_dropped_while_it_is_dumped_is_waited_for(
    server: Server, database: str, target: Target
) -> None:
    """The snapshot's lock on it holds: the drop waits, and the table is in the backup."""
    server.execute(database, "CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) AS n")
    with target.engine.snapshot() as snapshot:
        chunks = snapshot.dump()
        first = next(chunks)
        dropping = threading.Thread(target=server.execute, args=(database, "DROP TABLE t"))
        dropping.start()
        dump = first + b"".join(chunks)
        dropping.join()
    assert b"CREATE TABLE public.t " in dump


def test_a_lock_on_a_table_that_does_not_end_is_told(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.slipway.deploy.plugins.module_utils.backup.postgresql.LOCK_WAIT", 0.2)
    server.execute(database, "CREATE TABLE t (id int)")
    with contextlib.closing(server.connect(database)) as link, link.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE t")
        target.fails("command_failed", "LOCK TABLE public.t")


def test_a_full_disk_keeps_the_backups_that_there_are(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    store = tmp_path / "small"
    store.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", store], check=True)
    try:
        target = Target(server.url(database), store, scratch)
        good = target.back_up().backup
        server.execute(database, "CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 100000) AS n")
        target.fails("no_space", "no space left")
        assert good is not None
        assert target.keeper().verified(good.manifest.id, "restore", 0).backup is not None
    finally:
        subprocess.run(["umount", store], check=True)


def test_a_scratch_directory_without_room_is_told_before_a_restore(
    server: Server, database: str, tmp_path: pathlib.Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=True)
    try:
        target = Target(server.url(database), tmp_path / "store", small)
        with pytest.raises(SlipwayError, match="has no room for a restored copy"):
            target.back_up()
        assert [backup.failed for backup in target.keeper().list().backups] == [False]  # it is not the backup's fault
    finally:
        subprocess.run(["umount", small], check=True)


# --- secrets, leftovers


def test_the_password_is_in_no_command_line_and_no_environment(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    seen = tmp_path / "seen"
    look = f'tr "\\0" "\\n" </proc/$$/cmdline >>{seen}; env >>{seen}; stat -Lc "mode %a, names %h" "$PGPASSFILE" >>{seen}\n'
    spying = programs(
        tmp_path / "bin", pg_dump=f'{look}exec {BIN}/pg_dump "$@"', pg_dumpall=f'{look}exec {BIN}/pg_dumpall "$@"'
    )
    Target(server.url(database), tmp_path / "store", scratch, bin_dir=spying).back_up("none")
    text = seen.read_text(errors="replace")
    assert "wörd" not in text
    assert "PGPASSFILE=" in text
    assert {line for line in text.splitlines() if line.startswith("mode ")} == {"mode 600, names 0"}


def test_what_a_killed_verification_left_is_cleared_up(
    server: Server, database: str, target: Target, scratch: pathlib.Path
) -> None:
    (scratch / "slipway-scratch-old").mkdir()
    (scratch / "slipway-scratch-old" / "data").write_text("large")
    target.back_up()
    assert not (scratch / "slipway-scratch-old").exists()


def test_a_scratch_directory_with_a_longer_path_than_a_socket_may_have(
    server: Server, database: str, scratch: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """A socket's path has at most 107 bytes; the throw-away server's was below the scratch directory."""
    long = scratch / ("long" * 30)
    long.mkdir()
    outcome = Target(server.url(database), tmp_path / "store", long).back_up()
    assert outcome.backup is not None
    assert outcome.backup.verified_by == "restore"
    long.rmdir()


def test_a_killed_verification_leaves_no_server(server: Server, database: str, tmp_path: pathlib.Path) -> None:
    """The throw-away server ends with whoever started it."""
    script = f"""
import os, signal, sys
from {PostgreSQL.__module__} import PostgreSQL
from {System.__module__} import System
engine = PostgreSQL(sys.argv[1], System(), scratch_dir={str(tmp_path)!r}, closed_file="")
with engine.scratch("15.0", {{"roles": {{}}, "preload": "", "database": "x"}}, 0) as scratch:
    print(scratch._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent == pathlib.Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", script, server.url(database)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9, done.stderr
    pid = int(done.stdout)
    with contextlib.suppress(ProcessLookupError):  # then it is gone already
        assert select.select([os.pidfd_open(pid)], [], [], 30)[0]  # readable when it has ended (pidfd_open(2))


# --- stored in other ways


@pytest.mark.parametrize("method", ["gzip", "none"])
def test_other_compressions(target: Target, method: str) -> None:
    made = target.back_up(codec=Codec(method=method)).backup
    assert made is not None
    assert made.verified_by == "restore"


def test_an_encrypted_backup_is_restored_with_its_identity_alone(target: Target, tmp_path: pathlib.Path) -> None:
    keys = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True)
    identity = tmp_path / "identity"
    identity.write_text(keys.stdout)
    recipient = keys.stderr.split()[-1]
    made = target.back_up(codec=Codec(recipients=(recipient,), identity=str(identity))).backup
    assert made is not None
    stored = b"".join(target.store.get(made.manifest.parts["dump"].key))
    assert stored.startswith(b"age-encryption.org/v1")
    other = tmp_path / "other"
    other.write_text(subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout)
    with pytest.raises(SlipwayError, match="no identity matched any of the recipients"):
        target.keeper(Codec(identity=str(other))).verified(made.manifest.id, "read", 0)
