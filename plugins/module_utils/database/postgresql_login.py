# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a PostgreSQL database is, and as whom to ask it (private to the collection)."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import sys
import typing as t

from ..errors import SlipwayError
from .direct import expect_own, pooled

CONNECT = 10  # seconds
SECRETS = ("password", "sslpassword")  # of a connection string; never on a command line
SOCKETS = "/var/run/postgresql"  # where distributions have those of the server
FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir")  # of a connection string
ENCODING = {"client_encoding": "UTF8"}  # names are read in it, whatever the database's own is
UNTIMED = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c row_security=off"


class Login:
    """Where a database is, and as whom.

    :param dsn: a connection string of libpq, URI or keywords (PostgreSQL manual, "Connection Strings").
    :raises SlipwayError: C(driver_missing), C(bad_input).
    """

    def __init__(self, dsn: str) -> None:
        self._driver = driver()
        try:
            given = self._driver.extensions.parse_dsn(dsn)
        except self._driver.ProgrammingError as error:
            raise SlipwayError(
                "is not a connection string of PostgreSQL",
                obj="url",
                actual=_without_values(str(error)),
                wanted="postgresql://user:password@host:5432/database",
                remedy="Correct it; what is special in a password is percent-encoded.",
                cause="bad_input",
            ) from None
        self._given: dict[str, t.Any] = dict(given)

    @property
    def password(self) -> str:
        """Empty without one."""
        return str(self._given.get("password", ""))

    @property
    def public(self) -> dict[str, str]:
        """All that is no secret."""
        return {name: str(value) for name, value in self._given.items() if name not in SECRETS}

    def to(self, database: str) -> Login:
        """The same login to another database of the server."""
        other = copy.copy(self)
        other._given = {**self._given, "dbname": database}
        return other

    @property
    def where(self) -> dict[str, str]:
        """Host and database, for people."""
        return {"host": self.public.get("host", "local socket"), "database": self.database}

    @property
    def database(self) -> str:
        """By the rule of libpq the user's name where none is given."""
        return self.public.get("dbname") or self.public.get("user") or "postgres"

    def connect(self) -> t.Any:
        """A connection that reads only.

        :raises SlipwayError: C(unreachable), C(login) or C(pooled).
        """
        link = self._opened(options=f"{self.public.get('options', '')} {UNTIMED}".strip())
        link.set_session(isolation_level="REPEATABLE READ", readonly=True)
        return link

    def open(self) -> t.Any:
        """A connection as the server and the connection string make it.

        :raises SlipwayError: C(unreachable), C(login) or C(pooled).
        """
        return self._opened()

    def _opened(self, **given: str) -> t.Any:
        link = self._connected(**given)
        try:
            with told(self.where):
                self._expect_direct(link, given)
        except BaseException:
            link.close()
            raise
        return link

    def _connected(self, **given: str) -> t.Any:
        usual = {"connect_timeout": CONNECT, "application_name": "slipway"}
        try:
            return self._driver.connect(**{**usual, **self._given, **ENCODING, **given})
        except self._driver.OperationalError as error:
            raise _connect_error(str(error), self.where) from None

    def _expect_direct(self, link: t.Any, given: t.Mapping[str, str]) -> None:
        """Before anything is set in a session that may be somebody else's next.

        The server tells each connection its process. What stands between tells a number of its own, and that does no harm where
        it keeps a connection for a session.

        :raises SlipwayError: C(pooled).
        """
        link.autocommit = True
        with link.cursor() as cursor:
            if _process(cursor) != link.get_backend_pid():
                with contextlib.closing(self._connected(**given)) as other:
                    other.autocommit = True
                    with other.cursor() as another:
                        expect_own(lambda: _process(cursor), lambda: _process(another), self.where)
        link.autocommit = False

    @property
    def for_programs(self) -> str:
        """A connection string without secrets."""
        return str(self._driver.extensions.make_dsn(**self.public))

    @property
    def password_file(self) -> bytes:
        """What a program finds the password in (PostgreSQL manual, "The Password File"); empty without one."""
        escaped = self.password.replace("\\", "\\\\").replace(":", "\\:")
        return f"*:*:*:*:{escaped}\n".encode() if escaped else b""

    @property
    def files(self) -> list[str]:
        """What of this machine a program that logs in wants to see."""
        home = os.path.expanduser("~/.postgresql")
        sockets = self.public.get("host") or SOCKETS
        found = [self.public[name] for name in FILES if name in self.public]
        return [path for path in (*found, *sockets.split(","), home) if path.startswith("/") and os.path.exists(path)]


def _process(cursor: t.Any) -> int:
    cursor.execute("SELECT pg_backend_pid()")
    return int(cursor.fetchone()[0])


def driver() -> t.Any:
    try:
        with _without_ssl():
            import psycopg2
            import psycopg2.extensions
    except ImportError as error:
        raise SlipwayError(
            "cannot be imported by this machine's Python",
            obj="psycopg2",
            actual=str(error),
            remedy="Install python3-psycopg2 (Debian, Ubuntu) or psycopg2 (PyPI) there.",
            cause="driver_missing",
        ) from None
    return psycopg2


@contextlib.contextmanager
def _without_ssl() -> t.Iterator[None]:
    """The driver imports C(ssl) if it can, for locks that OpenSSL has wanted before 1.1, and that takes longer than all else in it
    (psycopg2, C(psycopgmodule.c), C(libcrypto_threads_init): without it libpq sees to them itself)."""
    if "ssl" in sys.modules or "psycopg2" in sys.modules:
        yield
        return
    sys.modules["ssl"] = t.cast(t.Any, None)  # which is one that cannot be imported (Python Reference, 5.3.1)
    try:
        yield
    finally:
        del sys.modules["ssl"]


@contextlib.contextmanager
def told(where: t.Mapping[str, str]) -> t.Iterator[None]:
    """What the driver raises of a question, in words."""
    errors = driver()
    try:
        yield
    except errors.Error as error:
        lost = isinstance(error, (errors.OperationalError, errors.InterfaceError))
        lost = lost and (error.pgcode or "08")[:3] in (
            "08",
            "080",
            "57P",
        )  # the classes of SQLSTATE that end a connection
        if error.pgcode == "42501":  # insufficient_privilege
            raise SlipwayError(
                "does not let this role do that",
                obj=f"{where['database']} on {where['host']}",
                actual=" ".join(str(error).split()),
                remedy="Give it the right that this names, or use the owner of that, or a superuser, instead.",
                cause="denied",
            ) from None
        raise SlipwayError(
            "the connection was lost" if lost else "does not answer a question about itself",
            obj=f"{where['database']} on {where['host']}",
            actual=" ".join(str(error).split()),
            remedy="See the server's log, then run again; nothing was changed." if lost else "See the server's log.",
            cause="connection_lost" if lost else "question_failed",
        ) from None


def _connect_error(said: str, where: t.Mapping[str, str]) -> SlipwayError:
    if "unsupported startup parameter" in said:  # PgBouncer, C(ignore_startup_parameters)
        return pooled(where, said.strip().splitlines()[-1])
    login = re.search(r"authentication|password|pg_hba|role .* does not exist|permission|not permitted", said)
    return SlipwayError(
        "cannot log in" if login else "cannot be reached",
        obj=f"{where['database']} on {where['host']}",
        actual=[line for line in said.strip().splitlines() if not line.startswith("\t")][
            -1
        ],  # of each address; hints are indented
        remedy="Check user, password and pg_hba.conf." if login else "Check host, port, database and that it runs.",
        cause="login" if login else "unreachable",
    )


def _without_values(said: str) -> str:
    """The driver quotes what it cannot read, and that may be a password."""
    return re.sub(r'"[^"]*"', '"…"', said).strip()
