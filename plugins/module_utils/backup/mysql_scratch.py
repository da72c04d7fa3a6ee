# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL or MariaDB server that lives as long as one restore (private to the collection).

It has a data directory of its own, answers on a socket alone, and makes nothing durable. It runs no events.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import typing as t
import urllib.parse

from ..errors import SlipwayError
from . import mysql_facts
from .engine import Facts, Scratch
from .mysql import INSTALL, MARIADB, SERVER, ZONES, whole
from .mysql_login import Login
from .mysql_restore import create, fill
from .pipeline import Chunks, Program, flow
from .scratch_place import place

if t.TYPE_CHECKING:
    from .mysql import MySQL

OWNER = "mysql"  # the server refuses to run as root
READY = 60.0  # seconds until it must answer
SOCKETS = "/tmp"  # noqa: S108  # a directory of its own in it: a socket's path has at most 107 bytes (unix(7))
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
def throw_away(engine: MySQL, facts: Facts, size: int) -> t.Iterator[Scratch]:
    """A server, gone with everything in it when the context ends.

    :raises SlipwayError: C(no_space), C(command_missing), C(scratch_failed).
    """
    with (
        place(engine.scratch_dir, int(size * FACTOR) + OWN) as directory,
        place(SOCKETS, 0) as socket,
        _Server(engine, directory, socket, facts) as scratch,
    ):
        yield scratch


class _Server(Scratch):
    """The server, while its context lasts."""

    def __init__(self, engine: MySQL, directory: str, socket: str, facts: Facts) -> None:
        self._engine, self._directory, self._facts = engine, directory, facts
        self._sockets, self._socket = socket, os.path.join(socket, "s")
        self._vendor = str(facts["vendor"])
        self._log: t.IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Server:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop()

    def restore(self, dump: Chunks) -> None:
        database = str(self._facts["database"])
        self._load_zones()
        with contextlib.closing(self._login("").connect()) as link:
            create(link, database, self._facts["properties"])
        fill(self._engine, self._login(database), self._vendor, whole(dump))

    def differences(self, facts: Facts) -> list[str]:
        with contextlib.closing(self._login(str(facts["database"])).connect()) as link:
            return mysql_facts.differences(link, facts)

    # --- its life

    def _start(self) -> None:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(OWNER)
            for directory in (self._directory, self._sockets):
                os.chown(directory, owner.pw_uid, owner.pw_gid)
        data = f"--datadir={os.path.join(self._directory, 'data')}"
        server = self._engine.program(SERVER[self._vendor], server=True)
        settings = {**SETTINGS, **OF_VENDOR[self._vendor], **self._facts["settings"]}
        self._expect_programs()
        alike = f"--innodb-page-size={settings['innodb_page_size']}"
        installer = (*self._as_owner(), *self._install(server), data, alike, *self._case())
        for _said in flow(
            [Program(installer, {"TMPDIR": self._directory})]
        ):  # its user may not be let into the usual one
            pass
        options = [f"--loose-{name.replace('_', '-')}={value}" for name, value in settings.items()]
        own = [f"--socket={self._socket}", f"--pid-file={self._directory}/pid", f"--tmpdir={self._directory}"]
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            [*self._as_owner(), server, "--no-defaults", data, *own, *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._process = process
        self._await_ready(process)

    def _expect_programs(self) -> None:
        """What starts them as another user names itself where one is missing."""
        for names in (SERVER[self._vendor], INSTALL.get(self._vendor, SERVER[self._vendor])):
            path = self._engine.program(names, server=True)
            if shutil.which(path) is None:
                raise SlipwayError(
                    "no such program",
                    obj=path,
                    remedy="Install the server's programs on this machine (Debian: mariadb-server), or verify by read.",
                    cause="command_missing",
                )

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

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()  # nothing in it is worth keeping
            self._process.wait()
        self._log.close()

    def _as_owner(self) -> tuple[str, ...]:
        """Ends with this process, also where that is killed."""
        ends = ("setpriv", "--pdeathsig", "KILL")
        return (*ends, f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups") if os.geteuid() == 0 else ends

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        system = self._engine.system
        deadline = system.monotonic() + READY
        while process.poll() is None and system.monotonic() < deadline:
            with contextlib.suppress(SlipwayError):
                self._login("").connect().close()
                return
            system.sleep(0.05)
        self._log.seek(0)
        said = self._log.read()[-2000:].decode(errors="replace").strip()
        raise SlipwayError(
            "the throw-away server did not start",
            obj=self._directory,
            actual=said,
            remedy="See what it says.",
            cause="scratch_failed",
        )

    def _load_zones(self) -> None:
        """The time zones of events, which a new server does not know by name."""
        for zone in self._facts["zones"]:
            program = self._engine.program(ZONES[self._vendor], server=True)
            path = os.path.join(ZONE_FILES, zone)
            if os.path.isfile(path):  # else the restore says which one is missing
                fill(self._engine, self._login("mysql"), self._vendor, flow([Program((program, path, zone))]))

    def _login(self, database: str) -> Login:
        quoted = [urllib.parse.quote(word, safe="") for word in (database or "-", self._socket)]
        return Login(f"mysql://root@localhost/{quoted[0]}?socket={quoted[1]}").to(database)
