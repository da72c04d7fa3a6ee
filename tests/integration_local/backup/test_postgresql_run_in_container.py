# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL backed up and restored by programs in a container that runs already."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pathlib
import signal
import subprocess
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools_running import MEMORY, Running
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local import tool_images
from tests.integration_local.kept_containers import Kept, kept

from .conftest import BIN, Server
from .target import Target

SMALL = (
    "CREATE TABLE t (id int PRIMARY KEY, word text)",
    "INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 3000) n",
)
# A started container is a second or two, and so is each program in it.
pytestmark = pytest.mark.sample(2)
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'pg_dump' AND wait_event_type = 'Lock'
"""


@pytest.fixture(scope="module")
def container() -> t.Iterator[Kept]:
    """One that runs, with all programs, of all these tests."""
    with kept(tool_images.full()) as container:
        yield container


@pytest.fixture
def target(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, container: Kept
) -> t.Iterator[Target]:
    """A small database; whatever a test does, nothing of it is left in the container."""
    server.execute(database, *SMALL)
    yield Target(server.url(database), tmp_path / "store", scratch, tools=Running(container.name, System()))
    assert container.programs() == ["sh"]
    assert container.said("ls", "-A", MEMORY) == ""
    assert tool_images.containers() == []


@pytest.mark.parametrize("layout", ["custom", "directory"])
def test_a_backup_is_taken_proven_and_restored(target: Target, server: Server, database: str, layout: str) -> None:
    target.engine.format = layout
    made = target.back_up().backup
    assert made is not None
    assert made.verified_by == "restore"
    assert "globals.sql" in made.manifest.parts
    try:
        target.keeper().restored("latest", f"{database}_look", confirm="", safety=False)
    finally:
        server.execute("postgres", f"DROP DATABASE IF EXISTS {database}_look")


def test_nobody_finds_the_password(target: Target, container: Kept) -> None:
    with target.engine.snapshot() as snapshot:
        chunks = snapshot.dump()
        begin = next(t.cast("t.Iterator[bytes]", chunks))
        told = container.said(
            "sh", "-c", f"cat {MEMORY}/*; for id in /proc/[0-9]*; do cat $id/cmdline $id/environ; done"
        )
        held = container.said("sh", "-c", "for file in /proc/[0-9]*/fd/8; do ls -l $file; cat $file; done")
        engine = container.inspected()
        assert begin.startswith(b"PGDMP") and b"".join(chunks)
    assert "wörd" in held and "(deleted)" in held  # so it was looked for while it was there
    assert "pg_dump" in told and "pg_dump" in engine
    assert "wörd" not in told + engine


def test_one_that_is_given_up_is_gone(target: Target) -> None:
    with target.engine.snapshot() as snapshot:
        chunks = t.cast("t.Generator[bytes]", snapshot.dump())
        next(chunks)
        chunks.close()


@pytest.mark.sample(1, of="kill")
@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["the module", "the module and the clients"])
def test_a_killed_run_leaves_no_program_in_the_container(
    server: Server, target: Target, database: str, container: Kept, kill: t.Callable[[int, int], None]
) -> None:
    process = multiprocessing.get_context("fork").Process(target=_apart, args=(target,))
    with contextlib.closing(server.connect(database)) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE t")  # the dump waits for it, and would go on for ever
        process.start()
        while not _waiting(server, database):
            pass
        assert "pg_dump" in container.programs()
        kill(t.cast("int", process.pid), signal.SIGKILL)
        process.join()
        while container.programs() != ["sh"]:
            pass
    assert catalog.read(target.store).backups == []
    assert target.back_up("read").backup is not None


def _apart(target: Target) -> None:
    os.setsid()
    target.back_up()


def _waiting(server: Server, database: str) -> bool:
    with contextlib.closing(server.connect("postgres")) as link, link.cursor() as cursor:
        cursor.execute(WAITING, (database,))
        return bool(cursor.fetchone()[0])


def test_a_container_that_goes_away_meanwhile(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.execute(database, *SMALL)
    with kept(tool_images.full()) as container:
        target = Target(server.url(database), tmp_path / "store", scratch, tools=Running(container.name, System()))
        with target.engine.snapshot() as snapshot:
            chunks = snapshot.dump()
            next(t.cast("t.Iterator[bytes]", chunks))
            subprocess.run(["docker", "kill", container.name], capture_output=True, check=True)
            with pytest.raises(SlipwayError) as caught:
                list(chunks)
        assert caught.value.cause == "command_failed"
        target.fails("command_failed", "pg_dump")
        other = Target(server.url(database), tmp_path / "store", scratch, tools=Running(container.name, System()))
        other.fails("container_missing", "does not run; found 'exited'")


def test_a_program_that_fails_is_told_with_its_words(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    image = tool_images.with_program(f"{BIN}/pg_dumpall", "echo no roles >&2; exit 7")
    with kept(image) as container:
        target = Target(server.url(database), tmp_path / "store", scratch, tools=Running(container.name, System()))
        words = f"pg_dumpall in the container {container.name} ended with exit status 7: no roles"
        with target.engine.snapshot() as snapshot, pytest.raises(SlipwayError, match=words) as caught:
            list(snapshot.beside()["globals.sql"])
    assert caught.value.cause == "command_failed"
