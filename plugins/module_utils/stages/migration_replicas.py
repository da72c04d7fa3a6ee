# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What migration_runner does with C(state: replayed): wait for the replicas (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import functools
import typing as t

from ..database.secrets import MYSQL
from ..errors import SlipwayError
from ..migration import factory
from ..migration.address import address
from ..migration.database import Settings
from ..migration.positions import MySQLPositions, Positions, PostgreSQLPositions
from ..migration.replayed import Replica, Replicas
from ..system import System

if t.TYPE_CHECKING:
    from ..migration.connection import Connection
    from ..state.step import Step

STATE = "replayed"
NOTE = "replayed"  # event of the journal: every replica has what was applied before
WAIVED = "replicas_waived"  # event of the journal: which do not, and why nobody waits for them
ANSWER = 10.0  # seconds that a server may take to say how far it is

Params = t.Mapping[str, t.Any]


def urls_of(params: Params) -> list[str]:
    """The connection strings of the replicas."""
    return [base64.b64decode(url, validate=True).decode() for url in params["replicas"]]


def run(params: Params, url: str, system: System, check: bool) -> dict[str, t.Any]:
    """Alone, or as the stage of a release; in check mode the database and each of them is asked, and none waited for."""
    if params["here"]:
        expect_replicas(params, url, check=check)
    if check or params["release"] is None:
        return followed(params, url, system, check=check) if params["here"] else idle()
    from ..state.machine import Machine, ReleaseToken

    release = params["release"]
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    with machine.stage(ReleaseToken.parse(release), release["stage"], release["deadline"]) as step:
        return followed(params, url, system, step=step) if params["here"] else idle()


def followed(
    params: Params, url: str, system: System, *, check: bool = False, step: Step | None = None
) -> dict[str, t.Any]:
    """What each replica said in the end; a release writes down that they have all, or which of them were passed over."""
    replicas = declared(params, url, system)
    if check:
        reach(params, url, system)
        seen = replicas.look() if params["replicas"] else {}
        return {**idle(), "actions": [f"would wait for replica {name}" for name in seen]}
    from .migration_progress import saying

    why = params["waive"]
    with saying(params, system) as say:
        waited = replicas.wait(params["replica_wait"], say, waived=bool(why))
    reached = [one._asdict() for one in waited.reached]
    left = [f"{error.obj} {error.what}{f': {error.actual}' if error.actual else ''}" for error in waited.left]
    if step is not None and left:
        step.note(WAIVED, why=why, replicas=left)
    elif step is not None:
        step.note(NOTE, replicas=reached)
    said = [f"replica {one['name']} has replayed all after {one['seconds']:.1f} s" for one in reached]
    said += [f"not waited for, because {why}: {one}" for one in left]
    return {**idle(), "actions": said, "replicas": reached, "passed_over": left}


def idle() -> dict[str, t.Any]:
    """The answer of a machine that asks nobody."""
    return {"changed": False, "actions": [], "replicas": [], "passed_over": []}


def reach(params: Params, url: str, system: System) -> None:
    """Log in at the database, as what migrates will.

    :raises SlipwayError: C(unreachable), C(login), C(pooled), C(driver_missing).
    """
    with contextlib.closing(
        factory.database(params["engine"], url, Settings(statement_timeout=ANSWER), system)
    ) as database:
        database.facts()


def declared(params: Params, url: str, system: System) -> Replicas:
    """The replicas, none of which has been asked yet.

    :raises SlipwayError: C(bad_input), C(driver_missing).
    """
    engine, settings = params["engine"], Settings(statement_timeout=ANSWER)
    positions: Positions = MySQLPositions() if engine in MYSQL else PostgreSQLPositions()

    def opened(where: str) -> Connection:
        return factory.database(engine, where, settings, system)

    replicas = [Replica(name_of(engine, where), functools.partial(opened, where)) for where in urls_of(params)]
    return Replicas(positions, opened(url), replicas, system)


def name_of(engine: str, url: str) -> str:
    """Where a replica is, for people.

    :raises SlipwayError: C(bad_input), C(driver_missing).
    """
    try:
        where = address(engine, url)
    except SlipwayError as error:
        if error.cause != "bad_input":
            raise
        raise SlipwayError(
            error.what, obj="replicas", actual=error.actual, wanted=error.wanted, remedy=error.remedy, cause=error.cause
        ) from None
    return f"{where.host or 'local socket'}:{where.port}"


def expect_replicas(params: Params, url: str, *, check: bool) -> None:
    """:raises SlipwayError: C(bad_input) with the option's name."""
    found = (
        ("url", None if url else "nothing", "the connection string of the database"),
        ("replicas", None if params["replicas"] or check else "none", "their connection strings"),
        ("engine", params["engine"] if params["engine"] == "sqlite" else None, "one that has replicas"),
        (
            "replica_wait",
            None if 0 <= params["replica_wait"] < float("inf") else params["replica_wait"],
            "seconds, 0 or more",
        ),
    )
    for option, actual, wanted in found:
        if actual is not None:
            raise SlipwayError(
                "will not do", obj=option, actual=actual, wanted=wanted, remedy="Correct it.", cause="bad_input"
            )
