# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed, at any of its steps or bytes: what is listed is whole, and the next run clears up."""

from __future__ import annotations

import contextlib
import glob
import multiprocessing
import os
import pathlib
import select
import signal
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog, retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests import sampling

from .faults import Site, children, expect_good
from .faults_postgresql import PostgreSQLSite, half


class Killer(System):
    """Kills its own process before the n-th of its durable steps, or once so many bytes are written."""

    def __init__(self, step: int = 0, bytes_: int = 0, by: int = signal.SIGKILL) -> None:
        self.step, self.bytes, self.by = step, bytes_, by
        self.steps = self.written = 0

    def _die(self) -> None:
        os.kill(os.getpid(), self.by)

    def _one(self) -> None:
        self.steps += 1
        if self.steps == self.step:
            self._die()

    def open_fd(self, path: str, flags: int, mode: int = 0o600) -> int:
        self._one()
        return super().open_fd(path, flags, mode)

    def fsync_fd(self, fd: int) -> None:
        self._one()
        super().fsync_fd(fd)

    def rename(self, source: str, target: str) -> None:
        self._one()
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self._one()
        super().unlink(path)

    def write_fd(self, fd: int, data: bytes) -> int:
        if not self.bytes:
            return super().write_fd(fd, data)
        written = super().write_fd(fd, data[: max(1, self.bytes - self.written)])
        self.written += written
        if self.written >= self.bytes:
            self._die()
        return written


class KilledWhileItRestores(System):
    """Once the throw-away server is there."""

    def __init__(self, scratch: pathlib.Path) -> None:
        self.scratch = scratch

    def monotonic(self) -> float:
        if glob.glob(f"{self.scratch}/*/data/postmaster.pid"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().monotonic()


def run(site: Site) -> int:
    """A backup that lets go of all but one, in a process of its own; how that ended."""
    process = multiprocessing.get_context("fork").Process(target=take, args=(site,))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def take(site: Site) -> object:
    return site.keeper().present(Order(site.verify, 0, retention.Policy(last=1)))


def expect_whole(site: Site, proof: str = "read") -> None:
    """All that is listed is good, and nothing of a manifest is there; then all that holds after any fault."""
    assert catalog.read(site.store).damaged == {}
    for name, backup in site.listed().items():
        assert not backup.failed
        site.verified(name, "read")
    expect_good(site, proof)


STEPS = 49  # of a backup of SQLite that deletes two others; 22 of them are this machine's notes


@pytest.fixture
def crowded(sqlite: Site) -> Site:
    """Two more that the next run lets go of."""
    sqlite.another()
    sqlite.another()
    sqlite.verify = "read"
    return sqlite


def test_these_are_all_steps(crowded: Site) -> None:
    crowded.system = Killer()
    take(crowded)
    assert crowded.system.steps == STEPS
    assert len(crowded.listed()) == 2


@pytest.mark.parametrize("step", range(1, STEPS + 1))
@pytest.mark.sample(24, of="steps of sqlite")
def test_sqlite_at_every_step(crowded: Site, step: int) -> None:
    crowded.system = Killer(step)
    assert run(crowded) == -signal.SIGKILL
    crowded.system = System()
    expect_whole(crowded)


@pytest.mark.parametrize("what", ["manifest.json", "proof-1.json"])
def test_sqlite_within_a_manifest_or_a_proof(crowded: Site, what: str) -> None:
    """Half of one is none."""
    last = crowded.listed()[crowded.good]
    before = [last.manifest.size] + [
        crowded.file(last, name).stat().st_size for name in ("manifest.json", "proof-1.json")
    ]
    crowded.system = Killer(bytes_=sum(before[: ["manifest.json", "proof-1.json"].index(what) + 1]) + 100)
    assert run(crowded) == -signal.SIGKILL
    crowded.system = System()
    expect_whole(crowded)


# Twenty to write four files, with the roles beside the dump, nine to delete the three of another backup, and the notes.
@pytest.mark.parametrize("step", range(1, STEPS + 3))
@pytest.mark.sample(3, of="steps of postgresql")
def test_postgresql_at_every_step(postgresql: PostgreSQLSite, step: int) -> None:
    postgresql.another()
    postgresql.verify, postgresql.system = "read", Killer(step)
    assert run(postgresql) == -signal.SIGKILL
    postgresql.system = System()
    expect_whole(postgresql)


@pytest.mark.parametrize("draw", range(100))
@pytest.mark.sample(4, of="bytes")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_postgresql_at_a_byte(postgresql: PostgreSQLSite, draw: int, by: int) -> None:
    size = postgresql.listed()[postgresql.good].manifest.size
    at = sampling.drawn(f"killed {draw}").randrange(1, size)
    before = set(postgresql.listed())
    postgresql.system = Killer(bytes_=at, by=by)
    assert run(postgresql) == -by
    postgresql.system = System()
    assert set(postgresql.listed()) == before, at
    expect_whole(postgresql)


@pytest.mark.parametrize("draw", range(100))
@pytest.mark.sample(3, of="bytes of pg_dump")
def test_a_pg_dump_that_is_killed_at_a_byte(postgresql: PostgreSQLSite, draw: int) -> None:
    from .faults import NOTHING, Row, prove

    at = sampling.drawn(f"pg_dump {draw}").randrange(0, 290_000)

    def killed(site: PostgreSQLSite) -> t.Iterator[None]:
        site.wrapped(
            pg_dump=f'case "$*" in *custom*) $REAL/pg_dump "$@" | head -c {at}; kill -9 $$;; esac\nexec $REAL/pg_dump "$@"'
        )
        yield

    prove(postgresql, Row(killed, "command_failed", "pg_dump was ended by signal 9", NOTHING))


def test_a_run_that_is_killed_while_it_restores_leaves_no_server(postgresql: PostgreSQLSite) -> None:
    before = children()
    postgresql.system = KilledWhileItRestores(postgresql.scratch)
    assert run(postgresql) == -signal.SIGKILL
    postgresql.system = System()
    for path in postgresql.scratch.glob("*/data/postmaster.pid"):
        with contextlib.suppress(ProcessLookupError):  # then it is gone already
            pid = os.pidfd_open(int(path.read_text().split()[0]))
            select.select([pid], [], [])  # readable when it has ended (pidfd_open(2))
            os.close(pid)
    assert children() == before
    (taken,) = [one for one in postgresql.listed().values() if one.verified_by == "none"]  # whole, but not restored yet
    expect_whole(postgresql, proof="restore")
    assert postgresql.verified(taken.manifest.id, "restore").changed


def test_a_killed_run_leaves_no_password(postgresql: PostgreSQLSite) -> None:
    """The file of it had a name, which stayed."""
    postgresql.system = Killer(bytes_=100)
    half(postgresql, "true", after=150_000)
    assert run(postgresql) == -signal.SIGKILL
    assert list((postgresql.directory / "tmp").iterdir()) == []
