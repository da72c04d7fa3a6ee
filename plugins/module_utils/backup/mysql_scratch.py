# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL or MariaDB server that lives as long as one restore (private to the collection).

It has a data directory of its own, answers on a socket alone, and makes nothing durable. It runs no events.
"""

from __future__ import annotations

import contextlib
import copy
import os
import typing as t
import urllib.parse

from ..database.copied import Copy
from ..database.mysql_login import Login
from . import mysql_facts
from .engine import Facts
from .mysql import INSTALL, MARIADB, SERVER, ZONES, whole
from .mysql_restore import create, fill
from .pipeline import Chunks, flow
from .scratch_place import place
from .scratch_server import SOCKETS, ScratchServer

if t.TYPE_CHECKING:
    from .mysql import MySQL

FACTOR = 1.5  # room for indexes being built and for the server's own files, of the source's size
OWN = 200 << 20  # bytes of those
ZONE_FILES = "/usr/share/zoneinfo"

SETTINGS = {
    "skip-networking": "1",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "0",
    "innodb-buffer-pool-size": "128M",
    "innodb-fast-shutdown": "2",
    "innodb-stats-persistent": "0",
    "max-allowed-packet": "1G",
    "skip-log-bin": "1",
    "event-scheduler": "OFF",
    "performance-schema": "0",
    "key-buffer-size": "16M",
    "local-infile": "0",
    "log-error-verbosity": "1",
}
OF_VENDOR = {
    MARIADB: {"innodb-flush-method": "nosync", "aria-pagecache-buffer-size": "16M", "loose-feedback": "0"},
    "MySQL": {"mysqlx": "0", "innodb-redo-log-capacity": "100M"},
}


@contextlib.contextmanager
def throw_away(engine: MySQL, facts: Facts, size: int) -> t.Iterator[Server]:
    """A server, gone with everything in it when the context ends.

    :raises SlipwayError: C(no_space), C(command_missing), C(scratch_failed).
    """
    with (
        place(engine.scratch_dir, int(size * FACTOR) + OWN) as directory,
        place(SOCKETS, 0) as socket,
        Server(engine, directory, socket, facts) as scratch,
    ):
        yield scratch


class Server(ScratchServer):
    """The server, while its context lasts."""

    owner = "mysql"
    ends = "KILL"
    package = "mariadb-server"

    def __init__(self, engine: MySQL, directory: str, sockets: str, facts: Facts) -> None:
        super().__init__(engine.tools, engine.system, directory, sockets)
        self._engine, self._facts = engine, facts
        self._vendor = str(facts["vendor"])

    def restore(self, dump: Chunks) -> None:
        database = str(self._facts["database"])
        self.know_zones(self._facts["zones"])
        with contextlib.closing(self._login("").connect()) as link:
            create(link, database, self._facts["properties"])
        fill(self._engine, self._login(database), self._vendor, whole(dump))

    def differences(self, facts: Facts) -> list[str]:
        with contextlib.closing(self._login(str(facts["database"])).connect()) as link:
            return mysql_facts.differences(link, facts, progress=self._engine.progress)

    def where(self, role: str = "") -> Copy:
        # Accounts are no part of a dump.
        admin, database = "root", str(self._facts["database"])
        return Copy(self._engine.name, database, admin, admin, self._socket, self._tools.reaches())

    def home(self) -> MySQL:
        """What asks and dumps the restored copy, as if that were a live database."""
        engine = copy.copy(self._engine)
        engine.login = self._login(str(self._facts["database"]))
        return engine

    def know_zones(self, zones: t.Iterable[str]) -> None:
        """The time zones of events, which a new server does not know by name."""
        for zone in zones:
            program = self._engine.program(ZONES[self._vendor], server=True)
            path = os.path.join(ZONE_FILES, zone)
            if os.path.isfile(path):  # else the restore says which one is missing
                statements = flow([self._tools.program((program, path, zone), sees=[path])])
                fill(self._engine, self._login("mysql"), self._vendor, statements)

    # --- its life

    def _start(self) -> None:
        data = f"--datadir={os.path.join(self._directory, 'data')}"
        server = self._engine.program(SERVER[self._vendor], server=True)
        settings = {**SETTINGS, **OF_VENDOR[self._vendor], **self._facts["settings"]}
        alike = f"--innodb-page-size={settings['innodb_page_size']}"
        self._do(
            *(*self._install(server), data, alike, *self._case()),
            env={"TMPDIR": self._directory},  # its user may not be let into the usual one
        )
        options = [f"--loose-{name.replace('_', '-')}={value}" for name, value in settings.items()]
        own = [f"--socket={self._socket}", f"--pid-file={self._directory}/pid", f"--tmpdir={self._directory}"]
        self._run(server, "--no-defaults", data, *own, *options)

    def _needed(self) -> t.Iterable[str]:
        for names in (SERVER[self._vendor], INSTALL.get(self._vendor, SERVER[self._vendor])):
            yield self._engine.program(names, server=True)

    def _answers(self) -> None:
        self._login("").connect().close()

    @property
    def _socket(self) -> str:
        return os.path.join(self._sockets, "s")

    def _install(self, server: str) -> tuple[str, ...]:
        """Makes a data directory whose root has no password: who may open the socket's directory is root."""
        if self._vendor != MARIADB:
            return (server, "--no-defaults", "--initialize-insecure")
        program = self._engine.program(INSTALL[self._vendor], server=True)
        return (
            program,
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--innodb-flush-method=nosync",
        )

    def _case(self) -> list[str]:
        """MySQL settles it with the data directory; the installer of MariaDB does not know it."""
        case = self._facts["settings"]["lower_case_table_names"]
        return [f"--lower-case-table-names={case}"] if self._vendor != MARIADB else []

    def _login(self, database: str) -> Login:
        quoted = [urllib.parse.quote(word, safe="") for word in (database or "-", self._socket)]
        return Login(f"mysql://root@localhost/{quoted[0]}?socket={quoted[1]}").to(database)
