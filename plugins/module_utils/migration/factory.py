# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools and databases that there are; a new one is a file and a line here (private to the collection)."""

from __future__ import annotations

import os
import time
import typing as t

from ..database.secrets import MYSQL
from ..system import System
from .connection import Connect
from .database import Database, Fence, Settings
from .history import TABLE
from .patience import Patience
from .placeholders import PREFIX, SUFFIX, Own, Placeholders
from .runner import SqlRunner
from .scripts import Reader, Scripts
from .states import Rules
from .tool import Tool

if t.TYPE_CHECKING:
    from .child import Place

Options = t.Mapping[str, t.Any]


def tool(params: Options, url: str, system: System, fence: Fence | None = None, place: Place | None = None) -> Tool:
    """What O(tool) names.

    :param url: connection string, or the path of a SQLite file.
    :param place: of a tool that is a program; this machine by default.
    """
    if params["tool"] == "sql":
        return sql(params, url, system, fence)
    from .outside_factory import outside

    return outside(
        params, url, system, fence, make=database, sql=lambda given: sql(given, url, system, fence), place=place
    )


def sql(params: Options, url: str, system: System, fence: Fence | None) -> SqlRunner:
    """Plain SQL."""
    settings = Settings(
        schema=params["schema"] or "",
        table=params["table"] or TABLE,
        lock_timeout=params["lock_timeout"],
        statement_timeout=params["statement_timeout"],
        fence=fence,
    )
    base = database(params["engine"], url, settings, system)
    placeholders = Placeholders(
        {name: str(value) for name, value in (params["placeholders"] or {}).items()},
        own(base),
        params["placeholder_prefix"] or PREFIX,
        params["placeholder_suffix"] or SUFFIX,
    )
    reader = Reader(base.dialect, placeholders, params["encoding"], base.major())
    rules = Rules(params["target"] or "", params["out_of_order"], frozenset(params["compatible"]))
    patience = Patience(params["lock_wait"], params["retry"])
    return SqlRunner(base, Scripts(params["locations"], reader), system, rules, patience)


def database(engine: str, url: str, settings: Settings, system: System) -> Database:
    """What O(engine) names."""
    if engine == "sqlite":
        from .sqlite import SQLite, opener

        return SQLite(opener(url), settings, system)
    if engine in MYSQL:
        from ..database.mysql_login import Login as MySQLLogin
        from .mysql import MySQL

        return MySQL(MySQLLogin(url).open, settings, system)
    from ..database.postgresql_login import Login
    from .postgresql import PostgreSQL

    connect: Connect = Login(url).open
    return PostgreSQL(connect, settings, system)


def own(base: Database) -> Own:
    """What placeholders of the form C(flyway:user) stand for."""
    facts = base.facts()
    return Own(
        defaultSchema=base.schema,
        user=facts["user"],
        database=facts["database"],
        table=base.settings.table,
        timestamp=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(base.system.wall())),
        workingDirectory=os.getcwd(),
    )
