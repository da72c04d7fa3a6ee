# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL and MariaDB: one moment of a database, dumped by mariadb-dump or mysqldump (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..database.mysql_login import Login, rows, value
from ..errors import SlipwayError
from ..system import System
from .engine import Engine, Facts, Scratch, Snapshot, Source
from .pipeline import Chunks, Program
from .tools import Host, Tools

LONGEST = 64  # characters of a name
MARIADB, MYSQL = "MariaDB", "MySQL"
# Each program by its names, the one that is to be preferred first.
DUMP = {MARIADB: ("mariadb-dump", "mysqldump"), MYSQL: ("mysqldump",)}
CLIENT = {MARIADB: ("mariadb", "mysql"), MYSQL: ("mysql",)}
SERVER = {MARIADB: ("mariadbd", "mysqld"), MYSQL: ("mysqld",)}
INSTALL = {MARIADB: ("mariadb-install-db", "mysql_install_db")}
ZONES = {MARIADB: ("mariadb-tzinfo-to-sql", "mysql_tzinfo_to_sql"), MYSQL: ("mysql_tzinfo_to_sql",)}
MORE = "/usr/sbin:/usr/local/sbin:/usr/libexec:/usr/local/mysql/bin"  # where servers are that PATH does not name

BEGINS = re.compile(rb"-- (?:MySQL|MariaDB) dump ")
ENDS = re.compile(rb"\n-- Dump completed[^\n]*\s*\Z")
END = 200  # bytes in which that is

SEEN = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")  # what one has no right to is left out of a dump without a word
ROUTINES = (
    "EXECUTE",
    "ALTER ROUTINE",
    "CREATE ROUTINE",
    "SHOW CREATE ROUTINE",
)  # any of them shows that there are some
_GRANT = re.compile(r"(GRANT|REVOKE) (.+?) ON (?:TABLE )?(\*|`(?:[^`]|``)*`)\.(\*|`(?:[^`]|``)*`) (?:TO|FROM) ")

_SIZE = """
SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()
"""


class Release(t.NamedTuple):
    """Of a server, or of a program.

    :param vendor: C(MariaDB) or C(MySQL).
    """

    vendor: str
    version: str

    @property
    def series(self) -> tuple[int, ...]:
        """(10, 11) for 10.11.19: what vendors call a major version."""
        return tuple(int(number) for number in self.version.split(".")[:2])


class MySQL(Engine):
    """See RV(Engine).

    :param url: connection string, see RV(Login).
    :param tools: where C(mariadb-dump) and the others are; by default on this machine.
    :param bin_dir: directory of them there; by default they are looked for in C(PATH).
    :param scratch_dir: where a throw-away server has its data.
    :param closed_file: where it is written down how far the replacing of a database has come.
    """

    name, vendor = "mysql", MYSQL
    format = "sql"
    floor = 500

    def __init__(
        self,
        url: str,
        system: System,
        *,
        tools: Tools | None = None,
        bin_dir: str = "",
        scratch_dir: str,
        closed_file: str,
    ) -> None:
        self.login = Login(url)
        self.system = system
        self.tools = tools or Host(system)
        self.scratch_dir = scratch_dir
        self.closed_file = closed_file
        self.held: dict[str, str] = {}  # a restored database to the events that it will have
        self._bin_dir = bin_dir

    @property
    def database(self) -> str:
        return self.login.database

    def inspect(self, *, readable: bool = False) -> Source:
        with contextlib.closing(self.login.connect()) as link:
            server, size = release_of(link), int(value(link, _SIZE))
            self._expect_vendor(server)
            expect_rights(link, server.vendor, self.database)
        first = self.tools.ready()
        if first:
            return Source(server.version, "", size, self.login.where, first)
        client = self.client(server)
        return Source(server.version, client.version, size, self.login.where)

    def _expect_vendor(self, server: Release) -> None:
        """A dump of the one is no dump of the other, and by its name a backup says which it is of."""
        if server.vendor != self.vendor:
            raise SlipwayError(
                f"is a server of {server.vendor}, and not of {self.vendor}",
                obj=f"{self.database} on {self.login.where['host']}",
                actual=server.version,
                wanted=f"engine: {server.vendor.lower()}",
                remedy="Write that, or correct url.",
                cause="other_vendor",
            )

    def client(self, server: Release) -> Release:
        """What will write the dump.

        :raises SlipwayError: C(command_missing), C(other_vendor), C(client_too_old).
        """
        program = self.program(DUMP[server.vendor])
        client = client_of(self.tools.said([program, "--no-defaults", "--version"]))
        name = os.path.basename(program)
        package = "mariadb-client" if server.vendor == MARIADB else "mysql-client"
        if client.vendor != server.vendor:
            raise SlipwayError(
                f"is a program of {client.vendor}, and the server one of {server.vendor}",
                obj=name,
                actual=client.version,
                wanted=f"{server.vendor} {server.version}",
                remedy=f"Install {package} on this machine, or name its directory with bin_dir.",
                cause="other_vendor",
            )
        if client.series < server.series:
            raise SlipwayError(
                "is older than the server, and may leave out what it does not know",
                obj=name,
                actual=client.version,
                wanted=f"{'.'.join(map(str, server.series))} or newer",
                remedy=f"Install {package} of that version on this machine, or name its directory with bin_dir.",
                cause="client_too_old",
            )
        return client

    def program(self, names: t.Sequence[str], *, server: bool = False) -> str:
        """The path of a program; its name alone where there is none, for an error to name it.

        :param server: it is one of the server's, which may be elsewhere than C(bin_dir).
        """
        beside = [os.path.join(self._bin_dir, "..", other) for other in ("sbin", "libexec")] if self._bin_dir else []
        own = [self._bin_dir, *(beside if server else [])] if self._bin_dir else []
        places = [os.pathsep.join(own), *(["", MORE] if server else [])]
        found = (self.tools.which(name, place) for name in names for place in dict.fromkeys(places))
        return next((path for path in found if path), os.path.join(self._bin_dir, names[0]))

    @contextlib.contextmanager
    def logged_in(
        self, program: str, *options: str, login: Login | None = None, reads: bool = False
    ) -> t.Iterator[Program]:
        """A program that logs in at the server, and knows nothing that the machine's own files say."""
        login = login or self.login
        with self.tools.handed(login.option_file()) as handed:
            argv = (program, f"--defaults-file={handed.path}", *options)
            yield self.tools.program(argv, handed=handed, reads=reads, sees=login.files)

    def named(self, ending: str, of: str = "") -> str:
        return (of or self.database)[: LONGEST - len(ending)] + ending

    @contextlib.contextmanager
    def snapshot(self) -> t.Iterator[Snapshot]:
        from .mysql_snapshot import moment

        with moment(self) as snapshot:
            yield snapshot

    def check(self, dump: Chunks) -> None:
        for _chunk in whole(dump):
            pass

    def scratch(self, server: str, facts: Facts, size: int) -> t.ContextManager[Scratch]:
        from .mysql_scratch import throw_away

        return throw_away(self, facts, size)

    def exists(self, name: str) -> bool:
        from .mysql_restore import exists

        with contextlib.closing(self.login.to("").connect()) as link:
            return exists(link, name)

    def restore_beside(self, dump: Chunks, facts: Facts, name: str) -> list[str]:
        from .mysql_restore import restore_beside

        return restore_beside(self, dump, facts, name)

    def give_name(self, new: str, name: str) -> None:
        from .mysql_exchange import give_name

        give_name(self, new, name)

    def discard(self, name: str) -> None:
        from .mysql_restore import discard

        discard(self, name)

    def take_the_place(self, new: str, kept: str) -> list[str]:
        from .mysql_exchange import take_the_place

        return take_the_place(self, new, kept)

    def recover(self) -> list[str]:
        if not self.system.read_file(self.closed_file):
            return []
        from .mysql_exchange import recover

        return recover(self)


class MariaDB(MySQL):
    """The same with servers of the other vendor."""

    name, vendor = "mariadb", MARIADB


def release_of(link: t.Any) -> Release:
    """Of the server that a connection is to."""
    said = str(value(link, "SELECT VERSION()"))
    match = re.search(r"\d+(?:\.\d+)+", said)
    return Release(MARIADB if "MariaDB" in said else MYSQL, match[0] if match else "0")


def client_of(said: str) -> Release:
    """By what a program says of itself: its own version is not that of its release."""
    match = re.search(r"(?:Distrib|from) (\d+(?:\.\d+)+)", said) or re.search(r"Ver (\d+(?:\.\d+)+)", said)
    return Release(MARIADB if "MariaDB" in said else MYSQL, match[1] if match else "0")


def whole(dump: Chunks) -> t.Iterator[bytes]:
    """A dump whose end is only reached when it is one from its beginning to its end.

    :raises SlipwayError: C(bad_backup).
    """
    first = last = b""
    for chunk in dump:
        if len(first) < END:
            first += chunk[:END]
        last = (last + chunk[-END:])[-END:]
        yield chunk
    if not (BEGINS.match(first) and ENDS.search(last)):
        raise SlipwayError(
            "is not a dump from its beginning to its end",
            obj="the dump",
            actual=(last if BEGINS.match(first) else first)[-80:].decode(errors="replace"),
            wanted="-- MySQL dump or -- MariaDB dump first, and -- Dump completed last",
            remedy="Do not rely on it; take another one.",
            cause="bad_backup",
        )


# --- rights


def expect_rights(link: t.Any, vendor: str, database: str) -> None:
    """That nothing of a database is invisible to a user, for a dump leaves that out without a word.

    :raises SlipwayError: C(denied).
    """
    has = granted(_grants(link, vendor), database)
    missing = [right for right in SEEN if right not in has]
    if not has & {*ROUTINES, "SHOW_ROUTINE", "SELECT ON mysql.proc", "SELECT ON *.*"}:
        missing.append("SELECT ON mysql.proc" if vendor == MARIADB else "SHOW_ROUTINE ON *.*")
    if not has & {"RELOAD", "LOCK TABLES"}:
        missing.append("RELOAD or LOCK TABLES")
    if missing:
        raise SlipwayError(
            "cannot be seen whole by this user, and what it does not see would be missing from the backup",
            obj=database,
            actual=f"without {', '.join(missing)}",
            wanted="the right on the whole database, or on *.*",
            remedy="GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON the database, and RELOAD ON *.*, to the user.",
            cause="denied",
        )


def granted(grants: t.Iterable[str], database: str) -> set[str]:
    """What of C(SHOW GRANTS) holds for the whole of a database, and for its routines."""
    has: set[str] = set()
    for grant in grants:
        match = _GRANT.match(grant)
        if not match:
            continue
        verb, rights, schema, table = match.groups()
        named = set(re.split(r", (?![^(]*\))", rights))
        if named & {"ALL PRIVILEGES", "ALL"}:
            named |= {*SEEN, *ROUTINES[:3], "LOCK TABLES", *(("RELOAD",) if schema == "*" else ())}
        everywhere = schema == "*" and table == "*"
        if "SELECT" in named and (everywhere or (_covers(schema, "mysql") and table in ("*", "`proc`"))):
            has.add("SELECT ON *.*" if everywhere else "SELECT ON mysql.proc")
        if everywhere or (table == "*" and _covers(schema, database)):
            has = has | named if verb == "GRANT" else has - named
    return has


def _covers(schema: str, database: str) -> bool:
    """Whether a pattern of C(GRANT), in which % and _ stand for others unless a backslash is before them, is for it."""
    parts = re.findall(r"\\.|.", schema[1:-1].replace("``", "`"), re.DOTALL)
    signs = {"%": ".*", "_": "."}
    pattern = "".join(
        signs.get(part) or re.escape(part[1:] if part[0] == "\\" and len(part) > 1 else part) for part in parts
    )
    return re.fullmatch(pattern, database, re.DOTALL) is not None


def _grants(link: t.Any, vendor: str) -> list[str]:
    """Those of the roles that the user has now among them; MariaDB tells them by itself."""
    question = "SHOW GRANTS"
    if vendor == MYSQL:
        roles = str(value(link, "SELECT CURRENT_ROLE()"))
        question += "" if roles == "NONE" else f" FOR CURRENT_USER() USING {roles}"
    return [str(row[0]) for row in rows(link, question)]
