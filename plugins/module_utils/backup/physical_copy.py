# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored PostgreSQL cluster, started to see that it comes up (private to the collection).

It is a whole copy of a live one, with its jobs and subscriptions, and must do nothing that the live one does: it answers on a
socket in a directory of its own, archives nothing, and has no background workers at all, so that no extension's job runs and no
subscription reads what its publisher keeps for the live one.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import signal
import subprocess
import tempfile
import typing as t

from ..database.copied import Copy as Where
from ..errors import SlipwayError
from ..system import System
from .pgbackrest import as_owner
from .physical_point import owned
from .tools import OPEN, cut_off

PAUSE = 0.1  # seconds between two looks whether it has recovered
CONNECTIONS = 100  # of a copy that programs are tried on
SAID = 3000  # characters of what it said that an error quotes
PORT = "5432"  # of its socket; another directory is another server

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": PORT,
    "external_pid_file": "",
    "ssl": "off",
    "archive_mode": "off",
    "hot_standby": "off",
    "primary_conninfo": "",
    "synchronous_standby_names": "",
    "max_wal_senders": "0",
    "max_worker_processes": "0",
    "max_connections": "20",
    "shared_buffers": "128MB",
    "huge_pages": "off",
    "autovacuum": "off",
    "enable_indexonlyscan": "off",  # a table whose rows are counted is read, not its index
    "logging_collector": "off",
    "log_destination": "stderr",
    "lc_messages": "C",
    "log_min_messages": "warning",
}
_RECOVERED = re.compile(r"recovery stopping (.*)|last completed transaction was at log time (.*)")
_BY_PGBACKREST = re.compile(r"ERROR: \[\d+\]: ")
_FULL = re.compile(r"No space left on device|wrote only \d+ of \d+ bytes")  # what is cut short has found no more room
_DAMAGED = re.compile(r"\[(?:Format|Checksum|FileInvalid)Error\]")


class Copy:
    """The cluster in a directory, while its context lasts.

    :param data: its data directory.
    :param sockets: a directory of its own, for its socket and what it is started with.
    :param programs: directory of the server's programs.
    :param restore_command: how it gets its WAL.
    :param preload: libraries that the live one preloads; those that are not installed here are left out.
    :param durable: whether it is kept afterwards.
    :param tried: whether programs are tried on it: they are many, and what they do must reach nothing else.
    """

    def __init__(
        self,
        data: str,
        sockets: str,
        programs: str,
        restore_command: str,
        system: System,
        *,
        preload: str = "",
        durable: bool = False,
        tried: bool = False,
    ) -> None:
        self._before = cut_off() if tried else ()
        self._data, self._sockets, self._programs, self._system = data, sockets, programs, system
        self._settings = {
            **SETTINGS,
            "unix_socket_directories": sockets,
            "shared_preload_libraries": installed(preload, programs),
            "restore_command": restore_command,
            "fsync": "on" if durable else "off",
            **({"max_connections": str(CONNECTIONS)} if tried else {}),
        }
        self._log: t.IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Copy:
        try:
            self._start()
            self._await_recovered()
        except BaseException:
            self._end(signal.SIGQUIT)
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._end(signal.SIGQUIT)

    def url(self, user: str, database: str) -> str:
        """A connection string to it."""
        import psycopg2.extensions

        return str(psycopg2.extensions.make_dsn(host=self._sockets, port=PORT, user=user, dbname=database))

    def where(self, superuser: str, database: str, role: str) -> Where:
        """As RV(engine.Scratch.where) tells it."""
        from ..database.postgresql_login import Login, told

        login = Login(self.url(superuser, database))
        with contextlib.closing(login.open()) as link, told(login.where), link.cursor() as cursor:
            cursor.execute("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = %s", (role,))
            known = cursor.fetchone()
            if known:
                cursor.execute(f"ALTER ROLE {known[0]} LOGIN")
                link.commit()
        reaches = "" if self._before else OPEN
        return Where("postgresql", database, role if known else superuser, superuser, self._sockets, reaches)

    def stop(self) -> None:
        """Stop it in order, so that its files are whole.

        :raises SlipwayError: C(scratch_failed).
        """
        process = t.cast("subprocess.Popen[bytes]", self._process)
        process.send_signal(signal.SIGINT)  # fast shutdown (PostgreSQL manual, "Shutting Down the Server")
        if process.wait():
            raise self._failed("did not stop in order")

    def recovered_to(self) -> str:
        """Up to where it was recovered, in its own words."""
        return ", ".join(found.group().strip() for found in _RECOVERED.finditer(self._said()))

    # --- its life

    def _start(self) -> None:
        conf = {"conf": "", "hba": "local all all trust\n", "ident": ""}
        for name, content in conf.items():
            with open(os.path.join(self._sockets, name), "w", encoding="ascii") as stream:
                stream.write(content)
            owned(os.path.join(self._sockets, name))
        files = {"config_file": "conf", "hba_file": "hba", "ident_file": "ident"}
        settings = {**{key: os.path.join(self._sockets, name) for key, name in files.items()}, **self._settings}
        settings.update(self._at_least())
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            [*self._before, *as_owner("QUIT"), os.path.join(self._programs, "postgres"), "-D", self._data, *options],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def _at_least(self) -> dict[str, str]:
        """What its WAL needs room for: transactions that were prepared, and the locks of one."""
        done = self._system.run(
            [*as_owner("TERM"), os.path.join(self._programs, "pg_controldata"), self._data], timeout=60
        )
        found = dict(re.findall(r"^(max_\w+) setting: +(\d+)$", done.stdout, re.MULTILINE))
        return {
            "max_prepared_transactions": found.get("max_prepared_xacts", "0"),
            "max_locks_per_transaction": str(max(64, int(found.get("max_locks_per_xact", "64")))),
        }

    def _await_recovered(self) -> None:
        """It takes connections once it has recovered; how long that takes is a matter of the WAL."""
        process = t.cast("subprocess.Popen[bytes]", self._process)
        ready = [os.path.join(self._programs, "pg_isready"), "--quiet", f"--host={self._sockets}", f"--port={PORT}"]
        while process.poll() is None:
            if self._system.run(ready, timeout=60).rc == 0:
                return
            self._system.sleep(PAUSE)
        raise self._failed("did not come up")

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait()
        if not self._log.closed:
            self._log.close()

    # --- why it did not come up

    def _failed(self, what: str) -> SlipwayError:
        said = self._said()
        cause, remedy = _why(said)
        lines = [
            line
            for line in said.splitlines()
            if "not accepting connections" not in line
            and re.search(r"FATAL|PANIC|ERROR|Error\]|restored log file|recovery stopping", line)
        ]
        return SlipwayError(
            f"the restored copy {what}",
            obj=self._data,
            actual="\n".join(lines or said.splitlines())[-SAID:],
            remedy=remedy,
            cause=cause,
        )

    def _said(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")


def _why(said: str) -> tuple[str, str]:
    """Cause and remedy by what the server said, C(pgbackrest archive-get) among it."""
    if _DAMAGED.search(said):
        return "damaged", "A file of the archive is damaged. Take a full backup, and see the repository's disk."
    if _BY_PGBACKREST.search(said):
        return "archive_unreadable", "See what pgBackRest says; this is not the backup's fault."
    if "recovery ended before configured recovery target was reached" in said:
        return "wal_missing", (
            "The WAL ends before that point: a file of the archive is missing, or the target lies after the last one or is of"
            " another timeline. See pgbackrest info for the first and the last one."
        )
    if _FULL.search(said):
        return "no_space", "Give it more room where the copy is."
    if "before consistent recovery point" in said:
        return "too_early", "Choose a point after the end of the backup, or an older backup."
    return "scratch_failed", "See what it says."


def installed(preload: str, programs: str) -> str:
    """Those of some libraries that are there on this machine, so that the server starts."""
    places = glob.glob(os.path.join(programs, "..", "lib*"))
    names = [name.strip().strip('"') for name in preload.split(",") if name.strip()]
    return ",".join(
        name
        for name in names
        if "/" in name or any(os.path.exists(os.path.join(place, f"{name}.so")) for place in places)
    )
