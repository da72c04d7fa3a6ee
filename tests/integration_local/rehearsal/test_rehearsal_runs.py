# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearsals that are killed, that are stages of a release, and whose tool is a program of its own."""

from __future__ import annotations

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .rehearsed import Site, expect_good

ENTRY = "from ansible_collections.slipway.deploy.plugins.module_utils.stages.entry import main; main()"
HOLDER = {"host": "here", "user": "me", "pid": 1, "pid_start": "1", "boot_id": "", "pid_namespace": ""}


def await_true(process: subprocess.Popen[bytes], happens: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < deadline
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)


def backends(title: str) -> list[str]:
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            said = process.read_bytes().decode(errors="replace")
            found += [said] if title in said else []
    return found


def begun(site: Site) -> subprocess.Popen[bytes]:
    """A rehearsal in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", ENTRY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin as stream:
        stream.write(json.dumps({"module": "migration_rehearsal", "params": site.params(), "check": False}).encode())
    return process


def test_killed_in_the_middle_it_leaves_nothing_that_the_next_one_does_not_clear(site: Site) -> None:
    site.back_up()
    site.write(V1__long="CREATE TABLE more (id integer);\nSELECT pg_sleep(3600);")
    before = site.live()
    process = begun(site)
    await_true(process, lambda: bool(backends(f"postgres: {site.role} {site.database} [local] SELECT")))
    (server,) = site.servers()
    words = pathlib.Path(f"/proc/{server}/cmdline").read_text().split("\0")
    socket = pathlib.Path(next(one for one in words if one.startswith("unix_socket_directories=")).partition("=")[2])
    process.send_signal(signal.SIGKILL)
    process.wait()
    await_true(process, lambda: not site.servers())  # it ends with whoever has started it
    assert list(site.scratch.iterdir()) != [] and socket.exists()  # so this test is worth something
    site.write(V1__long="CREATE TABLE more (id integer);")
    process = begun(site)
    said = json.loads(t.cast("t.IO[bytes]", process.stdout).read())
    process.wait()
    assert expect_good(said)["pending"] == ["V1__long.sql"]
    assert not socket.exists()
    assert site.live() == before


def stage(site: Site, **given: t.Any) -> tuple[dict[str, t.Any], list[t.Any]]:
    """What the stage of a release returns, and what it notes."""
    machine = Machine(System(), root=str(site.directory / "root"), platform="shop", environment="test")
    token = ReleaseToken("r1", 1, HOLDER)
    machine.grant(token, duration=60)
    release = {"id": "r1", "token": 1, "holder": HOLDER, "stage": "rehearse", "deadline": 600}
    result = site.rehearse(platform="shop", environment="test", release=release, **given)
    return result, [note for one in machine.read().journal.releases for note in one.notes]


def test_as_a_stage_it_writes_down_what_it_found(site: Site) -> None:
    taken = site.back_up()
    site.write(V1__stock="ALTER TABLE item ADD COLUMN stock integer;")
    result, notes = stage(site)
    expect_good(result)
    assert [(note["name"], note["ok"], note["backup"]) for note in notes] == [
        ("rehearsed", True, taken["backup"]["id"])
    ]
    assert notes[0]["pending"] == ["V1__stock.sql"]


def test_as_a_stage_that_refuses_it_writes_down_why(site: Site) -> None:
    site.back_up()
    site.write(V1__stock="ALTER TABLE nowhere ADD COLUMN stock integer;")
    result, notes = stage(site)
    assert result["error"]["cause"] == "rehearsal_failed"
    assert [(note["name"], note["ok"]) for note in notes] == [("rehearsed", False)]
    assert "V1__stock.sql" in notes[0]["why"]


def test_another_machine_only_renews_its_lease(site: Site) -> None:
    result, notes = stage(site, here=False)
    assert expect_good(result)["actions"] == [] and notes == []


# A tool of its own: it says what it was given, what it reaches, and leaves a table in whatever database it was led to.
TOOL = r"""
import json, os, pathlib, socket, sys
import psycopg2
url, port, told = os.environ["DATABASE_URL"], int(sys.argv[2]), pathlib.Path(sys.argv[3])
link = psycopg2.connect(url)
link.autocommit = True
cursor = link.cursor()
if sys.argv[1] == "pending":
    cursor.execute("SELECT to_regclass('made') IS NULL")
    sys.exit(1 if cursor.fetchone()[0] else 0)
reached = []
for place in [("127.0.0.1", port), ("192.0.2.1", 80)]:
    try:
        socket.create_connection(place, timeout=5).close()
        reached.append(place)
    except OSError as error:
        reached.append(str(error))
told.write_text(json.dumps([url, reached]))
cursor.execute("CREATE TABLE made (id integer)")
"""


def test_a_tool_of_its_own_reaches_the_copy_and_nothing_else(site: Site) -> None:
    site.back_up()
    program, told = site.directory / "tool.py", site.directory / "told"
    program.write_text(TOOL)
    words = [sys.executable, str(program)]
    rest = [str(site.server.port), str(told)]
    project = {"apply": [*words, "apply", *rest], "pending": [*words, "pending", *rest]}
    found = site.passes(migrations={"tool": "command", "project": project, "phase": "all", "locations": None})
    assert found["pending"] == ["something"]
    url, reached = json.loads(told.read_text())
    assert "@127.0.0.1:" in url and site.role in url and str(site.server.port) not in url
    assert all("refused" in one or "unreachable" in one for one in reached), reached


def test_what_is_not_there_to_be_restored_is_said(site: Site) -> None:
    site.write(V1__stock="ALTER TABLE item ADD COLUMN stock integer;")
    assert site.refuses("missing")["what"] == "no such backup"
