# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a MySQL or MariaDB database is, and as whom to ask it (private to the collection)."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import typing as t
import urllib.parse

from ..errors import SlipwayError
from .direct import expect_own

CONNECT = 10  # seconds
PORT = 3306
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b"}

_URL = re.compile(
    r"""(?:mysql|mariadb)(?:\+\w+)?://
    (?:(?P<user>[^:/?\#]*?)(?::(?P<password>[^/?\#]*))?@)?
    (?P<host>\[[^\]/?\#]*\]|[^@:/?\#]*)(?::(?P<port>\d{1,5}))?
    /(?P<database>[^/?\#]+)(?:\?(?P<query>[^\#]*))?""",
    re.VERBOSE | re.DOTALL,
)
TLS = ("ssl", "ssl-ca", "ssl-cert", "ssl-key", "ssl-verify-server-cert")
KNOWN = ("socket", "unix-socket", "charset", *TLS)  # a charset is for programs that have no better one

# What a session needs whatever the server is set to: text alike everywhere, definitions in backticks, and no end but its
# own. MariaDB alone reads M!, and leaves the numbers of MySQL 8 alone.
_SESSION = (
    "SET SESSION time_zone = '+00:00', sql_mode = '', sql_quote_show_create = 1, wait_timeout = 31536000,"
    " net_read_timeout = 86400, net_write_timeout = 86400"
    " /*M!100300 , max_statement_time = 0, idle_transaction_timeout = 0 */"
    " /*!80000 , information_schema_stats_expiry = 0, max_execution_time = 0 */"
)

DENIED = (1044, 1045, 1142, 1143, 1227, 1370, 1419, 1698)
NO_DATABASE, LOCK_TIMEOUT = 1049, 1205
LOST = (1053, 1317, 2006, 2013, 2055)


class Login:
    """Where a database is, and as whom.

    :param url: C(mysql://user:password@host:3306/database), or C(mariadb://); a socket and TLS as its query.
    :raises SlipwayError: C(bad_input).
    """

    def __init__(self, url: str) -> None:
        found = _URL.fullmatch(url)
        query = urllib.parse.parse_qsl(found["query"] or "", keep_blank_values=True) if found else []
        options = {name.replace("_", "-"): value for name, value in query}
        unknown = sorted(set(options) - set(KNOWN))
        if not unknown and _on(options.get("ssl-verify-server-cert")) and not options.get("ssl-ca"):
            raise SlipwayError(
                "has nothing to verify the server's certificate by",
                obj="url",
                wanted="ssl-ca beside ssl-verify-server-cert",
                remedy="Name the file of the authority with ssl-ca.",
                cause="bad_input",
            )
        if found is None or unknown:
            raise SlipwayError(
                "is not a connection string of MySQL or MariaDB",
                obj="url",
                actual=f"unknown: {', '.join(unknown)}" if unknown else None,
                wanted=f"one of {', '.join(KNOWN)}" if unknown else None,
                remedy="Write mysql://user:password@host:3306/database; what is special in a password is percent-encoded.",
                cause="bad_input",
            )
        self.user, self.password = _plain(found["user"] or ""), _plain(found["password"] or "")
        self.host = _plain(found["host"]).strip("[]") or "localhost"
        self.port = int(found["port"] or PORT)
        self.database = _plain(found["database"])
        self.socket = options.get("socket") or options.get("unix-socket") or ""
        self.tls = {name: options[name] for name in TLS if name in options}

    def to(self, database: str) -> Login:
        """The same login to another database of the server; to none with an empty name."""
        other = copy.copy(self)
        other.database = database
        return other

    @property
    def where(self) -> dict[str, str]:
        """Host and database, for people."""
        return {"host": "local socket" if self.socket else self.host, "database": self.database}

    def connect(self) -> t.Any:
        """A connection on which each statement stands alone, and which is the same whatever the server is set to.

        :raises SlipwayError: C(unreachable), C(login), C(no_such_database), C(driver_missing), C(pooled).
        """
        link = self.open()
        try:
            rows(link, _SESSION)
        except BaseException:
            link.close()
            raise
        return link

    def open(self) -> t.Any:
        """A connection on which each statement stands alone, as the server is set. Raises as RV(connect)."""
        link = self._connected()
        try:
            self._expect_direct(link)
        except BaseException:
            link.close()
            raise
        return link

    def _expect_direct(self, link: t.Any) -> None:
        """Before anything is set in a session that may be somebody else's next.

        The server tells each connection its number. What stands between tells one of its own, and that does no harm where it keeps
        a connection for a session.

        :raises SlipwayError: C(pooled).
        """
        if _number(link) % 2**32 != link.thread_id():  # it greets with the lower 32 bits of it
            with contextlib.closing(self._connected()) as other:
                expect_own(lambda: _number(link), lambda: _number(other), self.where)

    def _connected(self) -> t.Any:
        driver = _driver()
        given = {"unix_socket": self.socket} if self.socket else {"host": self.host, "port": self.port}
        obj = f"{self.database or 'the server'} on {self.where['host']}"
        try:
            return driver.connect(
                user=self.user or None,
                password=_bytes(self.password),  # the driver would write a str in latin1
                database=self.database or None,
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=CONNECT,
                ssl=self._ssl(),
                **given,
            )
        except driver.err.Error as error:
            raise _connect_error(error, obj) from None
        except RuntimeError as error:  # it has a way to log in that the driver knows with cryptography only
            raise _missing("cryptography", error) from None
        except OSError as error:  # of a certificate
            files = [value for name, value in self.tls.items() if name in ("ssl-ca", "ssl-cert", "ssl-key")]
            raise SlipwayError(
                "cannot be read", obj=" or ".join(files), actual=error.strerror or str(error), cause="bad_input"
            ) from None

    def _ssl(self) -> dict[str, t.Any] | None:
        if not self.tls:
            return None
        verified = _on(self.tls.get("ssl-verify-server-cert"))
        files = {name: self.tls[f"ssl-{name}"] for name in ("ca", "cert", "key") if self.tls.get(f"ssl-{name}")}
        return {**files, "check_hostname": verified, "verify_mode": bool(files.get("ca"))}

    @property
    def files(self) -> list[str]:
        """What of this machine a program that logs in wants to see."""
        files = [self.tls[name] for name in ("ssl-ca", "ssl-cert", "ssl-key") if self.tls.get(name)]
        return [*files, os.path.dirname(self.socket)] if self.socket else files

    def option_file(self) -> bytes:
        """What a program reads with C(--defaults-file): this login, and nothing that the machine's own files say."""
        options = {"user": self.user, "password": self.password}
        if self.socket:
            options.update(protocol="socket", socket=self.socket)
        else:  # else localhost would be a socket, whatever the port
            options.update(protocol="tcp", host=self.host, port=str(self.port))
        for name, value in self.tls.items():
            options[f"loose-{name}"] = value
        if self.tls:  # by the words of MySQL, which does not know all of those
            strict = "VERIFY_IDENTITY" if _on(self.tls.get("ssl-verify-server-cert")) else "REQUIRED"
            options["loose-ssl-mode"] = strict
        lines = [f"{name}={in_option_file(value)}" for name, value in options.items() if value]
        return _bytes("\n".join(["[client]", *lines, ""]))


def in_option_file(value: str) -> str:
    """A value so that a program reads it as it is (MariaDB, "Configuring MariaDB with Option Files")."""
    return '"' + "".join(ESCAPES.get(sign, sign) for sign in value) + '"'


def rows(link: t.Any, question: str | bytes, *values: t.Any) -> list[tuple[t.Any, ...]]:
    """What a statement answers.

    :raises SlipwayError: as RV(told).
    """
    with told(), link.cursor() as cursor:
        cursor.execute(question, values or None)
        return list(cursor.fetchall())


def value(link: t.Any, question: str, *values: t.Any) -> t.Any:
    """The first value of the first row."""
    return rows(link, question, *values)[0][0]


def _number(link: t.Any) -> int:
    """Of a connection, as the server has it. ProxySQL answers the bare question itself; with a name it asks the server."""
    return int(value(link, "SELECT CONNECTION_ID() AS slipway"))


@contextlib.contextmanager
def told(obj: str = "the database") -> t.Iterator[None]:
    """The driver's errors in our words: C(denied), C(busy), C(connection_lost), C(question_failed)."""
    driver = _driver()
    try:
        yield
    except driver.err.Error as error:
        code, said = _said(error)
        what, remedy, cause = "does not do what it is asked for", "See what it says.", "question_failed"
        if code in DENIED:
            what, remedy, cause = "does not let this user do that", "Give the user the right that it names.", "denied"
        elif code == LOCK_TIMEOUT:
            what, remedy, cause = "is locked by somebody else", "See SHOW FULL PROCESSLIST.", "busy"
        elif code in LOST or isinstance(error, driver.err.InterfaceError):
            what, remedy, cause = "the connection was lost", "See the server's log, then run again.", "connection_lost"
        raise SlipwayError(what, obj=obj, actual=said, remedy=remedy, cause=cause, evidence={"code": code}) from None


def quoted(*names: str) -> str:
    """A name as it stands in a statement, or several joined by points."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def _plain(encoded: str) -> str:
    return urllib.parse.unquote(encoded, errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _on(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true", "on", "yes")


def _driver() -> t.Any:
    try:
        import pymysql
        import pymysql.err
    except ImportError as error:
        raise _missing("PyMySQL", error) from None
    return pymysql


def _missing(package: str, error: Exception) -> SlipwayError:
    return SlipwayError(
        "cannot be imported by this machine's Python",
        obj=package,
        actual=str(error),
        remedy=f"Install python3-{package.lower()} (Debian, Ubuntu) or {package} (PyPI) there.",
        cause="driver_missing",
    )


def _said(error: Exception) -> tuple[int, str]:
    args = error.args
    if len(args) >= 2 and isinstance(args[0], int):
        return args[0], str(args[1])
    return 0, " ".join(str(part) for part in args)


def _connect_error(error: Exception, obj: str) -> SlipwayError:
    code, said = _said(error)
    if code == NO_DATABASE:
        what, remedy, cause = "is not there", "Correct the database's name in url.", "no_such_database"
    elif code in DENIED:
        what, remedy, cause = (
            "cannot log in",
            "Check user, password, and the hosts that the user may come from.",
            "login",
        )
    else:
        what, remedy, cause = "cannot be reached", "Check host, port or socket, and that it runs.", "unreachable"
    return SlipwayError(what, obj=obj, actual=said, remedy=remedy, cause=cause)
