# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the database is, in the words of each tool (private to the collection)."""

from __future__ import annotations

import os
import typing as t
import urllib.parse

from ..database.secrets import MYSQL
from ..errors import SlipwayError
from .database import Settings


class Address(t.NamedTuple):
    """One database and a login.

    :param host: a name, an address, or the directory of a socket.
    :param options: what else the connection string says (C(sslmode)).
    """

    engine: str
    host: str
    port: int
    user: str
    password: str
    database: str
    options: t.Mapping[str, str] = {}

    def uri(self, scheme: str = "") -> str:
        """As most libraries read it: C(postgresql://user:password@host:port/database)."""
        scheme = scheme or self.engine
        if self.engine == "sqlite":
            return f"{scheme}:///{self.database}"
        options, host = dict(self.options), self.host
        if host.startswith("/"):
            options["host" if self.engine == "postgresql" else "unix_socket"], host = host, ""
        login = _quoted(self.user) + (f":{_quoted(self.password)}" if self.password else "")
        where = f"[{host}]" if ":" in host else host
        port = f":{self.port}" if host else ""
        query = f"?{urllib.parse.urlencode(options, quote_via=urllib.parse.quote)}" if options else ""
        return f"{scheme}://{login}{'@' if login else ''}{where}{port}/{_quoted(self.database)}{query}"

    def jdbc(self, **options: str) -> str:
        """As Java's drivers read it, without the login.

        :raises SlipwayError: C(bad_input) for a socket, which they cannot use.
        """
        if self.engine == "sqlite":
            return f"jdbc:sqlite:{self.database}"
        if not self.host or self.host.startswith("/"):
            raise SlipwayError(
                "names a socket, and Java's drivers use none",
                obj="url",
                actual=self.host or "none",
                wanted="a host",
                remedy="Name the host and the port of the server.",
                cause="bad_input",
            )
        query = urllib.parse.urlencode({**self.options, **options}, quote_via=urllib.parse.quote)
        where = f"[{self.host}]" if ":" in self.host else self.host
        name = _quoted(self.database)
        return f"jdbc:{self.engine}://{where}:{self.port}/{name}{'?' if query else ''}{query}"

    def variables(self, settings: Settings) -> dict[str, str]:
        """What PostgreSQL's own library and Node.js's driver read (PostgreSQL manual, "Environment Variables"); nothing for
        others."""
        if self.engine != "postgresql":
            return {}
        found = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
            "PGAPPNAME": "slipway",
            "PGOPTIONS": session(self, settings),
        }
        return {name: text for name, text in found.items() if text}


def session(where: Address, settings: Settings) -> str:
    """How a session of PostgreSQL begins (its manual, C(options) of a connection string); empty for others."""
    if where.engine != "postgresql":
        return ""
    timeouts = {"lock_timeout": settings.lock_timeout, "statement_timeout": settings.statement_timeout}
    words = [f"-c {name}={round(seconds * 1000)}" for name, seconds in timeouts.items() if seconds]
    if settings.schema:
        name = '"' + settings.schema.replace('"', '""') + '"'
        words.append("-c search_path=" + name.replace("\\", "\\\\").replace(" ", "\\ "))
    return " ".join([*([where.options["options"]] if "options" in where.options else []), *words])


def address(engine: str, url: str) -> Address:
    """Read a connection string.

    :raises SlipwayError: C(bad_input), C(driver_missing).
    """
    if engine == "sqlite":
        return Address(engine, "", 0, "", "", os.path.abspath(url))
    if engine in MYSQL:
        from ..database.mysql_login import Login as MySQLLogin

        mysql = MySQLLogin(url)
        return Address(engine, mysql.socket or mysql.host, mysql.port, mysql.user, mysql.password, mysql.database)
    from ..database.postgresql_login import Login

    login = Login(url)
    given = login.public
    own = ("host", "port", "user", "dbname")
    rest = {name: text for name, text in given.items() if name not in own}
    port = given.get("port") or "5432"
    if not port.isdigit() or "," in given.get("host", ""):
        raise SlipwayError(
            "names several servers",
            obj="url",
            actual=given.get("host"),
            wanted="the one that is written to",
            remedy="Name that one: not every tool can choose.",
            cause="bad_input",
        )
    return Address(
        engine, given.get("host", ""), int(port), given.get("user", ""), login.password, login.database, rest
    )


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")
