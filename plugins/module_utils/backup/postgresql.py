# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL: one moment of a database by an exported snapshot, dumped by pg_dump (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..database.postgresql_login import Login, driver, told
from ..errors import SlipwayError
from ..system import System
from . import postgresql_directory, postgresql_facts
from .engine import Engine, Facts, Scratch, Snapshot, Source
from .pipeline import Chunks, Program, flow
from .scratch_place import place
from .tools import Host, Tools

LOCK_WAIT = 60  # seconds that a dump waits for a lock on a table
LONGEST = 63  # bytes of a name (PostgreSQL manual, C(NAMEDATALEN))
Starts = t.Callable[..., Program]  # with more options, and as RV(Tools.program)


class PostgreSQL(Engine):
    """See RV(Engine).

    :param url: connection string.
    :param tools: where C(pg_dump) and the others are; by default on this machine.
    :param bin_dir: directory of them there; by default that of the oldest version that fits the server.
    :param scratch_dir: where a throw-away server has its data, and a dump in directory format its files.
    :param closed_file: where it is written down that a database is closed to connections while it is replaced.
    :param layout: of new dumps, C(custom) or C(directory).
    :param jobs: of dumps and restores in directory format; 0 for as many as there are processors.
    """

    name = "postgresql"
    floor = 200

    def __init__(
        self,
        url: str,
        system: System,
        *,
        tools: Tools | None = None,
        bin_dir: str = "",
        scratch_dir: str,
        closed_file: str,
        layout: str = "custom",
        jobs: int = 0,
    ) -> None:
        self.login = Login(url)
        self.format = layout
        self.jobs = jobs or postgresql_directory.processors()
        self.system = system
        self.tools = tools or Host(system)
        self.scratch_dir = scratch_dir
        self.closed_file = closed_file
        self._bin_dir = bin_dir

    @property
    def database(self) -> str:
        return self.login.database

    def inspect(self, *, readable: bool = False) -> Source:
        with contextlib.closing(self.login.connect()) as link, told(self.login.where), link.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num'), pg_database_size(current_database())")
            number, size = cursor.fetchone()
            if readable:
                from .postgresql_rights import expect_readable

                expect_readable(cursor, self.database)
        server = version_of(int(number))
        first = self.tools.ready()
        if first:
            return Source(server, "", int(size), self.login.where, first)
        client = self.version(self.program("pg_dump", server))
        if major(client) < major(server):
            raise SlipwayError(
                "is older than the server, and would refuse to dump it",
                obj="pg_dump",
                actual=client,
                wanted=f"{major(server)} or newer",
                remedy=f"Install postgresql-client-{major(server)} on this machine, or name an image that has it with run_in.",
                cause="client_too_old",
            )
        return Source(server, client, int(size), self.login.where)

    def program(self, name: str, server: str) -> str:
        """The path of a program whose version is at least the server's; the newest when none is."""
        if self._bin_dir:
            return os.path.join(self._bin_dir, name)
        found = {int(path.split("/")[4]): path for path in self.tools.find(f"/usr/lib/postgresql/[0-9]*/bin/{name}")}
        fitting = sorted(number for number in found if number >= major(server))
        return found[fitting[0]] if fitting else found[max(found)] if found else name

    def version(self, program: str) -> str:
        """What a program says of itself."""
        match = re.search(r"(\d+(?:\.\d+)*)", self.tools.said([program, "--version"]))
        return match[1] if match else "0"

    @contextlib.contextmanager
    def logged_in(self, name: str, server: str, *options: str, login: Login | None = None) -> t.Iterator[Starts]:
        """How to start a program that logs in at the server."""
        login = login or self.login
        with self.tools.handed(login.password_file) as handed:
            env = {"PGPASSFILE": handed.path} if handed.content else {}
            argv = (self.program(name, server), "--no-password", *options, f"--dbname={login.for_programs}")

            def start(*more: str, **how: t.Any) -> Program:
                return self.tools.program((*argv, *more), env, handed=handed, sees=login.files, **how)

            yield start

    def output(
        self, name: str, server: str, *options: str, login: Login | None = None, **how: t.Any
    ) -> t.Iterator[bytes]:
        """What a program writes that logs in at the server."""
        with self.logged_in(name, server, *options, login=login) as start:
            yield from flow([start(**how)])

    def named(self, ending: str, of: str = "") -> str:
        return (of or self.database).encode()[: LONGEST - len(ending)].decode(errors="ignore") + ending

    def exists(self, name: str) -> bool:
        from .postgresql_restore import admin, exists

        with told(self.login.where), admin(self.login) as cursor:
            return exists(cursor, name)

    def restore_beside(self, dump: Chunks, facts: Facts, name: str) -> list[str]:
        from .postgresql_restore import restore_beside

        with told(self.login.where):
            return restore_beside(self, dump, facts, name)

    def give_name(self, new: str, name: str) -> None:
        from .postgresql_restore import give_name

        with told(self.login.where):
            give_name(self, new, name)

    def discard(self, name: str) -> None:
        from .postgresql_restore import discard

        with told(self.login.where):
            discard(self, name)

    def take_the_place(self, new: str, kept: str) -> list[str]:
        from .postgresql_restore import take_the_place

        with told(self.login.where):
            return take_the_place(self, new, kept)

    def recover(self) -> list[str]:
        from .postgresql_restore import open_again

        with told(self.login.where):
            return open_again(self) if self.system.read_file(self.closed_file) else []

    @contextlib.contextmanager
    def snapshot(self) -> t.Iterator[Snapshot]:
        with contextlib.ExitStack() as places, contextlib.closing(self.login.connect()) as link:
            with told(self.login.where):
                snapshot = _Exported(self, link, places)
            yield snapshot

    def check(self, dump: Chunks) -> None:
        argv = (self.program("pg_restore", "0"), "--file=-")

        def start(*more: str, **how: t.Any) -> Program:
            return self.tools.program((*argv, *more), **how)

        postgresql_directory.restore(start, dump, self.scratch_dir)

    def scratch(self, server: str, facts: Facts, size: int) -> t.ContextManager[Scratch]:
        from .postgresql_scratch import throw_away

        return throw_away(self, server, facts, size)


class _Exported(Snapshot):
    """A snapshot that pg_dump and the questions share (PostgreSQL manual, "Snapshot Synchronization Functions")."""

    def __init__(self, engine: PostgreSQL, link: t.Any, places: contextlib.ExitStack) -> None:
        self._engine = engine
        self._places = places
        self._link = link
        self._server = version_of(link.server_version)
        self._failed: SlipwayError | None = None
        with link.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            self._id = str(cursor.fetchone()[0])
            cursor.execute("SELECT pg_database_size(current_database())")
            self._size = int(cursor.fetchone()[0])
            cursor.execute(
                "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
            )
            self.position = str(cursor.fetchone()[0])

    def dump(self) -> t.Iterator[bytes]:
        if self._engine.format != postgresql_directory.FORMAT:
            return self._blamed(self._dump("--format=custom", "--compress=0"))
        # At once, so that nothing is written into a store where there is no room for it.
        where = self._places.enter_context(place(self._engine.scratch_dir, self._size, "a dump"))
        return self._blamed(postgresql_directory.dump(self._dump, self._engine.jobs, where))

    def _blamed(self, dump: t.Iterator[bytes]) -> t.Iterator[bytes]:
        try:
            yield from dump
        except SlipwayError:
            if self._failed is not None:  # a snapshot ends with the transaction whose question failed
                raise self._failed from None
            raise

    def beside(self) -> dict[str, t.Iterator[bytes]]:
        """Roles and tablespaces are of the cluster, not of the database."""
        with told(self._engine.login.where), self._link.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            sees_passwords = bool(cursor.fetchone()[0])
        options = [] if sees_passwords else ["--no-role-passwords"]
        return {"globals.sql": self._engine.output("pg_dumpall", self._server, "--globals-only", *options)}

    def facts(self) -> Facts:
        try:
            with told(self._engine.login.where):
                return postgresql_facts.of_source(
                    self._link, self._dump(*postgresql_facts.SCHEMA), self._engine.progress
                )
        except SlipwayError as error:
            self._failed = error
            raise

    def cancel(self) -> None:
        with contextlib.suppress(driver().Error):  # a server that is gone has nothing to cancel
            self._link.cancel()

    def completed(self, facts: Facts) -> Facts:
        with told(self._engine.login.where):
            return postgresql_facts.with_sequences_after(self._link, facts)

    def _dump(self, *options: str, shares: t.Sequence[str] = ()) -> t.Iterator[bytes]:
        usual = (f"--snapshot={self._id}", f"--lock-wait-timeout={LOCK_WAIT}s")
        return self._engine.output("pg_dump", self._server, *usual, *options, shares=shares)


def version_of(number: int) -> str:
    """15.18 for 150018 (PostgreSQL manual, C(server_version_num))."""
    return f"{number // 10000}.{number % 10000}"


def major(version: str) -> int:
    """15 for 15.18."""
    return int(version.partition(".")[0])
