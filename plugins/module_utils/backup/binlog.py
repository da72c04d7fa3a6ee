# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binary logs of a live MySQL or MariaDB server, and copies of them (private to the collection).

They are copied as a replica reads them, so this needs no access to the server's disk. Rows must be in them, not statements:
those depend on what else there is, and the logs are replayed where nothing else is.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..database.mysql_login import rows, value
from ..errors import SlipwayError
from .pipeline import CHUNK, flow
from .scratch_place import place

if t.TYPE_CHECKING:
    from .mysql import MySQL

MARIADB = "MariaDB"
BINLOG = {MARIADB: ("mariadb-binlog", "mysqlbinlog"), "MySQL": ("mysqlbinlog",)}
ROW = "ROW"
OWN = 16 << 20  # bytes of room beside a file

_NUMBER = re.compile(r"(.+)\.(\d{6,})")
_COMMENTS = re.compile(r"\A(?:\s|/\*(?!M?!).*?\*/)*", re.DOTALL)
# What changes rows, and is in a log of rows only where a session has said otherwise.
_ROWS = re.compile(r"(?:INSERT|UPDATE|DELETE|REPLACE|LOAD)\b", re.IGNORECASE)
# What has no place in a backup of a database anyway: accounts, and what is of a session alone.
_APART = re.compile(
    r"(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|XA|GRANT|REVOKE|FLUSH|ANALYZE|SET\s+(?:PASSWORD|DEFAULT)|(?:CREATE|ALTER|DROP|RENAME)\s+(?:OR\s+REPLACE\s+)?"
    r"(?:USER|ROLE)|(?:CREATE|DROP)\s+(?:/\*!\d+\s*)?TEMPORARY)\b",
    re.IGNORECASE,
)


class Place(t.NamedTuple):
    """A moment of a server, in its binary logs.

    :param file: name of the log, and C(position), the byte in it.
    :param gtid: what had been written by then, by the server's own words; empty where nothing was.
    :param format: in which changes were logged.
    """

    file: str
    position: int
    gtid: str
    format: str


def now(link: t.Any, vendor: str, database: str) -> Place | None:
    """The place of this moment; None where the logs are off, lack this database, or may not be asked about."""
    if not int(value(link, "SELECT @@log_bin")):
        return None
    with contextlib.suppress(SlipwayError):  # a dump needs no such right
        said = _status(link)
        if said is None or _left_out(said, database):
            return None
        file, position = str(said[0]), int(said[1])
        return Place(
            file, position, _gtid(link, vendor, file, position), str(value(link, "SELECT @@GLOBAL.binlog_format"))
        )
    return None


def expect_usable(link: t.Any, vendor: str, database: str) -> None:
    """That everything which changes this database gets into the logs, as rows.

    :raises SlipwayError: C(binlog_off), C(binlog_format), C(binlog_incomplete), C(denied).
    """
    if not int(value(link, "SELECT @@log_bin")):
        raise SlipwayError(
            "is off, so nothing is kept of what changes after a backup",
            obj="log_bin",
            remedy="Set log_bin and binlog_format = ROW in the server's configuration, restart it, and take a backup.",
            cause="binlog_off",
        )
    said = _status(link)
    if said is None or _left_out(said, database):
        raise _incomplete(f"binlog_do_db and binlog_ignore_db leave {database} out")
    replicated = "gtid_slave_pos" if vendor == MARIADB else "gtid_purged"
    if not int(value(link, "SELECT @@log_slave_updates")) and value(link, f"SELECT @@GLOBAL.{replicated}"):
        raise _incomplete("it is a replica that does not log what it is sent (log_slave_updates is off)")
    expect_rows(str(value(link, "SELECT @@GLOBAL.binlog_format")), "the server")


def expect_rows(format_: str, where: str) -> None:
    """:raises SlipwayError: C(binlog_format)."""
    if format_.upper() != ROW:
        raise SlipwayError(
            "logs statements, which do not say what they did",
            obj=where,
            actual=f"binlog_format {format_}",
            wanted=ROW,
            remedy="Set binlog_format = ROW in the server's configuration and with SET GLOBAL, let programs connect anew, then"
            " take a backup with the playbook backup.",
            cause="binlog_format",
        )


def closed(link: t.Any, vendor: str, since: Place) -> dict[str, int]:
    """Close the log that is being written; all closed ones since a place, by name, with their sizes.

    :raises SlipwayError: C(binlog_missing), C(denied).
    """
    rows(link, "FLUSH BINARY LOGS")
    sizes = {str(row[0]): int(row[1]) for row in rows(link, "SHOW BINARY LOGS")}
    there = list(sizes)
    if since.file not in there:
        raise _missing(since.file, f"the oldest is {there[0]}")
    names = there[there.index(since.file) : -1]
    gap = next((following(one) for one, after in zip(names, there[-len(names) :]) if following(one) != after), "")
    if gap:
        raise _missing(gap, f"there are {', '.join(there)}")
    if sizes[since.file] < since.position or not _same(link, vendor, since):
        raise _missing(since.file, "there is another one of this name: the logs were reset (RESET MASTER)")
    return {name: sizes[name] for name in names}


def copied(engine: MySQL, vendor: str, name: str, size: int) -> t.Iterator[bytes]:
    """The bytes of a closed log, as the server has it.

    :raises SlipwayError: C(denied), C(binlog_missing), C(no_space), C(command_missing), C(command_failed).
    """
    login, tools = engine.login, engine.tools
    with (
        place(engine.scratch_dir, size + OWN, f"a copy of {name}") as directory,
        tools.handed(login.option_file()) as handed,
    ):
        options = ("--read-from-remote-server", "--raw", f"--result-file={directory}/", name)
        argv = (engine.program(BINLOG[vendor]), f"--defaults-file={handed.path}", *options)
        try:
            for _said in flow([tools.program(argv, handed=handed, sees=login.files, shares=[directory])]):
                pass
        except SlipwayError as error:
            raise _refused(error, name) from None
        path = os.path.join(directory, name)
        found = os.path.getsize(path) if os.path.exists(path) else 0
        if found != size:
            raise _missing(name, f"{found} of {size} bytes came")
        with open(path, "rb", buffering=0) as stream:
            while True:
                chunk = stream.read(CHUNK)
                if not chunk:
                    return
                yield chunk


def gtid_after(link: t.Any, vendor: str, name: str, size: int) -> str:
    """The moment at which a closed log ends, by the server's own words; empty where nobody can tell."""
    return _gtid(link, vendor, name, size) if vendor == MARIADB else ""


def judge(database: str) -> t.Callable[[str, str], None]:
    """What refuses the statements that a replay of one database would lose, or would do differently."""
    mention = re.compile(rf"(?<![\w$`]){_either_way(database)}(?![\w$`])", re.IGNORECASE)

    def look(where: str, text: str) -> None:
        text = text[len(t.cast("re.Match[str]", _COMMENTS.match(text))[0]) :]
        mine = where == database
        if _APART.match(text) or not (mine or mention.search(text)):
            return
        if _ROWS.match(text):
            expect_rows("STATEMENT", "a session")
        if not mine:
            raise SlipwayError(
                "was changed from within another database, which a replay of this one alone does not do",
                obj=database,
                actual=f"in {where or 'no database'}: {' '.join(text.split())[:60]}",
                wanted=f"USE {database} before it",
                remedy="Take a new backup now, with the playbook backup: what comes after it can be replayed.",
                cause="binlog_other",
            )

    return look


def following(name: str) -> str:
    """The name of the log after one."""
    match = _NUMBER.fullmatch(name)
    return f"{match[1]}.{int(match[2]) + 1:0{len(match[2])}}" if match else ""


def _status(link: t.Any) -> tuple[t.Any, ...] | None:
    try:
        found = rows(link, "SHOW MASTER STATUS")
    except SlipwayError as error:
        if error.cause == "denied":
            raise
        found = rows(link, "SHOW BINARY LOG STATUS")  # MySQL 8.4 calls it so
    return found[0] if found else None


def _left_out(said: t.Sequence[t.Any], database: str) -> bool:
    only, never = (str(one or "").split(",") for one in said[2:4])
    return (only != [""] and database not in only) or database in never


def _gtid(link: t.Any, vendor: str, file: str, position: int) -> str:
    if vendor == MARIADB:
        return str(value(link, "SELECT BINLOG_GTID_POS(%s, %s)", file, position) or "")
    return str(value(link, "SELECT @@GLOBAL.gtid_executed") or "").replace("\n", "")


def _same(link: t.Any, vendor: str, since: Place) -> bool:
    """Whether the server's logs are those of the place."""
    if vendor == MARIADB:
        return _gtid(link, vendor, since.file, since.position) == since.gtid
    return bool(int(value(link, "SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", since.gtid)))


def _either_way(name: str) -> str:
    return f"(?:{re.escape(name)}|`{re.escape(name.replace('`', '``'))}`)"


def _refused(error: SlipwayError, name: str) -> SlipwayError:
    if "REPLICATION SLAVE" in str(error.actual):
        return SlipwayError(
            "may not read the binary logs",
            obj="the user of url",
            actual=error.actual,
            wanted="REPLICATION SLAVE",
            remedy="GRANT REPLICATION SLAVE, BINLOG MONITOR (MySQL: REPLICATION CLIENT), RELOAD ON *.* to it.",
            cause="denied",
        )
    if "Could not find" in str(error.actual):
        return _missing(name, str(error.actual))
    return error


def _incomplete(why: str) -> SlipwayError:
    return SlipwayError(
        "do not have all changes",
        obj="the binary logs",
        actual=why,
        remedy="Put that right and take a new backup, or let method be logical.",
        cause="binlog_incomplete",
    )


def _missing(name: str, found: str) -> SlipwayError:
    return SlipwayError(
        "is not there any more, so the logs do not lead from the backup to now",
        obj=f"binary log {name}",
        actual=found,
        wanted="every log since the newest backup that was restored",
        remedy="Keep them for longer than max_age (expire_logs_days, binlog_expire_logs_seconds), and take a new backup now with"
        " the playbook backup.",
        cause="binlog_missing",
    )
