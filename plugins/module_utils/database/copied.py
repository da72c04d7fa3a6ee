# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored copy of a database that lives as long as somebody looks at it (private to the collection)."""

from __future__ import annotations

import typing as t


class Copy(t.NamedTuple):
    """Where a restored throw-away copy of a database is, and as whom to log in. Nobody needs a password there.

    :param engine: C(postgresql), C(mysql), C(mariadb) or C(sqlite).
    :param database: its name; the path of the file of SQLite.
    :param user: as whom the migrations are applied.
    :param admin: who may do anything there; empty for SQLite.
    :param socket: directory of the unix socket of PostgreSQL, path of that of MySQL and MariaDB; empty for SQLite. There is no
        port: nothing but a file of this machine leads to it.
    :param reaches: what else its server can reach, in words; empty where its network is cut.
    """

    engine: str
    database: str
    user: str = ""
    admin: str = ""
    socket: str = ""
    reaches: str = ""

    @property
    def socket_file(self) -> str:
        """The socket itself, to connect to."""
        return f"{self.socket}/.s.PGSQL.5432" if self.engine == "postgresql" else self.socket
