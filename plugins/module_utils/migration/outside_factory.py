# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools that are programs of their own; a new one is a file and some lines here (private to the collection)."""

from __future__ import annotations

import typing as t

from ..database.secrets import secrets_of
from ..errors import SlipwayError
from ..system import System
from .address import address
from .child import Child, Here, Place
from .database import Database, Fence, Settings
from .history import TABLE
from .outside import Outside, Setup
from .patience import Patience
from .runner import SqlRunner

PYTHON = "with PROGRAM -m pip install NAME; or name the project's own interpreter with project.program."

# How each is started unless project.program says it, the table of its history, its own file, and how to get it.
PROGRAMS = {"alembic": "python3", "django": "python3", "flyway": "flyway", "liquibase": "liquibase", "knex": "node"}
# Java reads variables, and so a password, in the encoding of the locale; an image, and a session over SSH, often have none.
JAVA, UTF_8 = ("flyway", "liquibase"), {"LC_ALL": "C.UTF-8"}
CONFIGS = {"alembic": "alembic.ini", "knex": "knexfile.js", "liquibase": "changelog.xml"}
INSTALL = {
    "alembic": f"Install it {PYTHON}",
    "django": f"Install it {PYTHON}",
    "flyway": "Install Flyway's command line and a Java runtime (Maven Central: org.flywaydb:flyway-commandline), or name it with"
    " project.program.",
    "liquibase": "Install Liquibase and a Java runtime (npm: liquibase@4.28.1 has all of it in dist/liquibase), or name it with"
    " project.program.",
    "knex": "Install Node.js, and knex with the database's driver in the project (npm install knex pg), or name node with"
    " project.program.",
}

Options = t.Mapping[str, t.Any]
MakeDatabase = t.Callable[[str, str, Settings, System], Database]


def outside(
    params: Options,
    url: str,
    system: System,
    fence: Fence | None,
    *,
    make: MakeDatabase,
    sql: t.Callable[[Options], SqlRunner],
    place: Place | None = None,
) -> Outside:
    """What O(tool) names.

    :param make: the database of an engine, as RV(factory.database).
    :param sql: a reader of Flyway's files, as RV(factory.sql).
    """
    name, project = params["tool"], project_of(params)
    settings = Settings(
        schema=params["schema"] or "",
        table=params["table"] or table_of(name, params["engine"]),
        lock_timeout=params["lock_timeout"],
        statement_timeout=params["statement_timeout"],
        fence=fence,
    )
    place = place or Here()
    where = place.seen(address(params["engine"], url))
    program = tuple(project["program"] or [PROGRAMS[name]] if name != "command" else ())
    env = {
        project["url_variable"]: where.uri(),
        **where.variables(settings),
        **(UTF_8 if name in JAVA else {}),
        **{key: str(value) for key, value in project["environment"].items()},
    }
    install = INSTALL.get(name, "").replace("PROGRAM", " ".join(program)).replace("NAME", name)
    secrets = frozenset({*secrets_of(params["engine"], url), *place.secrets})
    child = Child(program, project["directory"] or "", env, secrets, place.install or install, place)
    base = make(params["engine"], url, settings, system)
    # One lock for all tools, the one of plain SQL and of Flyway itself; but Flyway could not get it while we have it.
    lock = make(params["engine"], url, settings._replace(table="slipway" if name == "flyway" else TABLE), system)
    setup = Setup(
        base,
        lock,
        where,
        child,
        Patience(params["lock_wait"], params["retry"]),
        system,
        project["config"] or CONFIGS.get(name, ""),
    )
    if name == "flyway":
        return flyway(setup, params, lambda target: sql({**params, "target": target}))
    return _tool(name, setup, project, params["table"] or "")


def flyway(setup: Setup, params: Options, sql: t.Callable[[str], SqlRunner]) -> Outside:
    """Which reads what plain SQL reads."""
    from .flyway import Files, Flyway

    files = Files(
        tuple(params["locations"]),
        params["encoding"],
        params["out_of_order"],
        {key: str(value) for key, value in (params["placeholders"] or {}).items()},
        params["placeholder_prefix"] or "",
        params["placeholder_suffix"] or "",
    )
    return Flyway(setup, files, sql)


def _tool(name: str, setup: Setup, project: Options, table: str) -> Outside:
    if name == "alembic":
        from .alembic import Alembic

        return Alembic(setup)
    if name == "django":
        from .django import Django

        return Django(setup)
    if name == "knex":
        from .knex import Knex

        return Knex(setup, table)
    if name == "liquibase":
        from .liquibase import Liquibase

        return Liquibase(setup, table)
    from .command import Command, Commands

    for option in ("apply", "pending"):
        if not project[option]:
            raise SlipwayError(
                "missing",
                obj=f"project.{option}",
                wanted="the words of a command",
                remedy="Name it.",
                cause="bad_input",
            )
    return Command(
        setup,
        Commands(
            tuple(project["apply"]),
            tuple(project["pending"]),
            tuple(project["preview"] or ()),
            tuple(project["pending_rc"]),
        ),
    )


def project_of(params: Options) -> Options:
    """O(project) with its defaults, also where it was not given."""
    usual: dict[str, t.Any] = {
        "directory": None,
        "program": None,
        "config": None,
        "url_variable": "DATABASE_URL",
        "environment": {},
        "apply": None,
        "pending": None,
        "preview": None,
        "pending_rc": [1],
    }
    return {**usual, **{name: value for name, value in (params["project"] or {}).items() if value is not None}}


def table_of(name: str, engine: str) -> str:
    """Of the history, as each tool calls it by itself."""
    tables = {"alembic": "alembic_version", "django": "django_migrations", "knex": "knex_migrations"}
    tables["liquibase"] = "databasechangelog" if engine == "postgresql" else "DATABASECHANGELOG"
    return tables.get(name, TABLE)
