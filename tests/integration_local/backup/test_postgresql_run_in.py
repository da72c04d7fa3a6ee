# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL backed up and restored by programs that only an image has."""

from __future__ import annotations

import contextlib
import glob
import multiprocessing
import os
import pathlib
import signal
import subprocess
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog, retention, scratch_place
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Order
from ansible_collections.slipway.deploy.plugins.module_utils.backup.pipeline import flow
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools_container import LABEL, TOLD, Image
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local import tool_images

from .conftest import BIN, Server
from .target import Target

EVERYTHING = (pathlib.Path(__file__).parent / "everything.sql").read_text()
SMALL = (
    "CREATE TABLE t (id int PRIMARY KEY, word text)",
    "INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 3000) n",
)


def of(image: str) -> Image:
    return Image(image, System())


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    server.execute(database, *SMALL)
    return Target(server.url(database), tmp_path / "store", scratch, tools=of(tool_images.full()))


@pytest.mark.sample(1)
@pytest.mark.parametrize("layout", ["custom", "directory"])
def test_everything_comes_back_by_programs_of_an_image(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, layout: str
) -> None:
    server.execute(database, EVERYTHING)
    tools = of(tool_images.full())
    target = Target(server.url(database), tmp_path / "store", scratch, tools=tools, layout=layout)
    try:
        made = target.back_up().backup
        assert made is not None
        assert made.verified_by == "restore"
        assert "globals.sql" in made.manifest.parts
        target.keeper().restored("latest", f"{database}_look", confirm="", safety=True)
        assert tool_images.containers() == []
    finally:
        server.execute("postgres", f"DROP DATABASE IF EXISTS {database}_look")
        server.execute(database, 'DROP OWNED BY "reader of ""all""" CASCADE; DROP ROLE "reader of ""all"""')


def test_the_password_is_nowhere_but_in_the_container(target: Target) -> None:
    with target.engine.snapshot() as snapshot:
        chunks = snapshot.dump()
        begin = next(t.cast("t.Iterator[bytes]", chunks))
        (container,) = tool_images.containers()
        told = ["docker", "exec", container, "sh", "-c", f"ls -l {TOLD}; cat {TOLD}"]
        mode, found = subprocess.run(told, capture_output=True, text=True, check=True).stdout.splitlines()
        engine = tool_images.inspected(container)
        processes = _processes()
        assert b"".join([begin, *chunks]).startswith(b"PGDMP")  # all of it may have come at once
    assert mode.startswith("-rw-------")
    assert "wörd" in found  # so it was looked for while it was there
    assert TOLD in engine
    assert "wörd" not in engine + processes
    assert '"Mounts": []' in engine  # no file of this machine, and no volume
    assert tool_images.containers() == []


def _processes() -> str:
    """Command lines and environments of all, but for those of tests that run beside this one and use the same password."""
    parents = {path.parent.name: _parent(path) for path in pathlib.Path("/proc").glob("[0-9]*/stat")}
    found = b""
    for pid in parents:
        if not _is_of_another_test(pid, parents):
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    found += pathlib.Path("/proc", pid, name).read_bytes() + b"\n"
    return found.decode(errors="replace")


def _parent(stat: pathlib.Path) -> str:
    """Of a process; its name, which may have spaces, is in brackets (proc(5))."""
    with contextlib.suppress(OSError):
        return stat.read_text(errors="replace").rpartition(")")[2].split()[1]
    return ""


def _is_of_another_test(pid: str, parents: dict[str, str]) -> bool:
    """Whether it belongs to another pytest worker: a child of what has started this one."""
    while pid and pid != str(os.getpid()):
        if "PYTEST_XDIST_WORKER" in os.environ and parents.get(pid) == str(os.getppid()):
            return True
        pid = parents.get(pid, "")
    return False


def test_a_container_stays_until_all_that_it_wrote_was_read(tmp_path: pathlib.Path) -> None:
    """The engine lets go of the rest two seconds after its end."""
    content = os.urandom(300_000)
    (tmp_path / "content").write_bytes(content)
    tools = of(tool_images.bare())
    chunks = flow([tools.program(("cat", str(tmp_path / "content")), sees=[str(tmp_path)])])
    begin = next(chunks)
    (container,) = tool_images.containers()
    while "cat" in _programs(container):
        pass
    assert "sh" in _programs(container)
    assert begin + b"".join(chunks) == content
    assert tool_images.containers() == []


def _programs(container: str) -> list[str]:
    words = ["docker", "top", container, "-o", "pid,comm"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def test_one_that_is_given_up_is_gone(target: Target) -> None:
    with target.engine.snapshot() as snapshot:
        chunks = t.cast("t.Generator[bytes]", snapshot.dump())
        next(chunks)
        chunks.close()
        assert tool_images.containers() == []


# --- killed


@pytest.mark.sample(1, of="kill")
@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["the module", "the module and the clients"])
@pytest.mark.parametrize("when", ["it dumps", "its throw-away server runs"])
def test_a_killed_run_leaves_no_container_and_nothing_that_looks_like_a_backup(
    server: Server, target: Target, database: str, scratch: pathlib.Path, when: str, kill: t.Callable[[int, int], None]
) -> None:
    process = multiprocessing.get_context("fork").Process(target=_apart, args=(target,))
    with contextlib.closing(server.connect(database)) as other, other.cursor() as cursor:
        if when == "it dumps":  # and waits, so that it is not over by then
            cursor.execute("BEGIN; LOCK TABLE t")
            process.start()
            while not _waiting(server, database):
                pass
        else:
            process.start()
            while not glob.glob(f"{scratch}/*/server/data/postmaster.pid"):
                pass
        assert tool_images.containers(process.pid)
        kill(t.cast("int", process.pid), signal.SIGKILL)
        process.join()
        while tool_images.containers(process.pid):
            pass
    proven = [backup.verified_by for backup in catalog.read(target.store).backups]
    assert proven == ([] if when == "it dumps" else ["none"])
    while _waiting(server, database):
        pass
    assert target.back_up("read").backup is not None  # it clears up
    with scratch_place.place(str(scratch), 0):
        pass


def _apart(target: Target) -> None:
    os.setsid()
    target.back_up()


def _waiting(server: Server, database: str) -> bool:
    with contextlib.closing(server.connect("postgres")) as link, link.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'pg_dump'"
            " AND wait_event_type = 'Lock'",
            (database,),
        )
        return bool(cursor.fetchone()[0])


def test_containers_whose_process_is_gone_are_removed_and_others_are_not(target: Target) -> None:
    mine, gone = f"{os.getpid()}:{_started()}", "4194305:1"  # beyond the highest number of a process
    made = []
    for owner in (mine, gone):
        words = ["docker", "create", "--label", f"{LABEL}={owner}", tool_images.bare(), "sh"]
        made.append(subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip())
    try:
        target.engine.tools.ready()
        assert tool_images.containers() == [made[0][:12]]
        assert tool_images.containers(4194305) == []
    finally:
        subprocess.run(["docker", "rm", made[0]], capture_output=True, check=True)


def _started() -> str:
    return pathlib.Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]


# --- what an image lacks


NOWHERE = "127.0.0.1:1/none:1"  # a registry that nobody runs


@pytest.mark.parametrize(
    ("image", "cause", "words"),
    [
        (tool_images.bare, "command_missing", "pg_dump in the image .*: no such program.*run_in.image"),
        (
            lambda: tool_images.with_program(f"{BIN}/pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.1'"),
            "client_too_old",
            "found '9.6.1'.*run_in",
        ),
        (lambda: NOWHERE, "image_missing", f"{NOWHERE}: is neither on this machine nor can it be pulled"),
    ],
    ids=["the program", "the version", "all: it is not there"],
)
def test_what_an_image_lacks_is_told_before_anything_is_written(
    server: Server, database: str, tmp_path: pathlib.Path, image: t.Callable[[], str], cause: str, words: str
) -> None:
    Target(server.url(database), tmp_path / "store", tmp_path, tools=of(image())).fails(cause, words)
    assert tool_images.containers() == []


def test_an_image_without_the_server_s_programs(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    tools = of(tool_images.without(f"{BIN}/initdb"))
    target = Target(server.url(database), tmp_path / "store", scratch, tools=tools)
    facts = {"roles": {}, "preload": "", "database": "postgres"}
    words = r"initdb: no such program, wanted .the server's programs in the image"
    with pytest.raises(SlipwayError, match=words) as caught, target.engine.scratch(BIN.parent.name, facts, 0):
        pass
    assert caught.value.cause == "command_missing"
    assert tool_images.containers() == []


def test_a_program_that_fails_is_told_with_its_words(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    tools = of(tool_images.with_program(f"{BIN}/pg_dumpall", "echo no roles >&2; exit 7"))
    target = Target(server.url(database), tmp_path / "store", scratch, tools=tools)
    words = "pg_dumpall in the image .* ended with exit status 7: no roles"
    with target.engine.snapshot() as snapshot, pytest.raises(SlipwayError, match=words) as caught:
        list(snapshot.beside()["globals.sql"])
    assert caught.value.cause == "command_failed"
    assert tool_images.containers() == []


def test_a_plan_says_that_an_image_will_be_pulled(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    tools = Image(NOWHERE, System(), plan=True)
    target = Target(server.url(database), tmp_path / "store", scratch, tools=tools)
    planned = target.keeper().present(Order("restore", 0, retention.Policy()), check=True)
    assert planned.changed and planned.actions[0].startswith(f"pull {NOWHERE}")
