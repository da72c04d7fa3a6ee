# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration tool, let loose on a restored copy of the database and on nothing else (private to the collection)."""

from __future__ import annotations

import contextlib
import typing as t

from ..database.copied import Copy
from ..errors import SlipwayError
from ..lifeline import with_us
from ..migration import factory
from ..migration.address import Address
from ..migration.child import Ended, Here, Place, Start, missing
from ..migration.lint.gate import REFUSE, WARN, Gate
from ..migration.tool import Order
from ..rehearsal import stand_ins
from ..rehearsal.own_network import own_network
from ..rehearsal.relay import HOST, relayed
from ..rehearsal.trial import Applied, Attempt, Begun
from ..system import System
from .migration_runner import placed
from .site_files import Files

OPEN = "its programs could reach what this machine reaches: only root can cut their network"
ABSENT = (126, 127)  # of a program that starts another one, where it cannot (env(1))

Params = dict[str, t.Any]


class Confined(Here):
    """This machine without its network; a port of it leads to the copy.

    :param namespace: the file of the network.
    """

    def __init__(self, namespace: str, port: int) -> None:
        self._namespace = namespace
        self.leads = (HOST, port) if port else None

    @contextlib.contextmanager
    def entered(
        self, argv: t.Sequence[str], directory: str, env: t.Mapping[str, str], mine: t.Sequence[str]
    ) -> t.Iterator[Start]:
        # It ends with this process, which it would not notice otherwise.
        words = [*with_us("KILL"), "nsenter", f"--net={self._namespace}", "--", *argv]
        self._program = argv[0]
        with super().entered(words, directory, env, mine) as start:
            yield start

    def judge(self, ended: Ended) -> Ended:
        if ended.rc in ABSENT and "failed to execute" in ended.said:
            raise missing(self._program, ended.said, "")
        return ended


@contextlib.contextmanager
def attempted(
    migrations: Params, copy: Copy, order: Order, system: System, files: Files | None
) -> t.Iterator[tuple[Attempt, dict[str, t.Any]]]:
    """What is to be tried, and what the lint says of it.

    :raises SlipwayError: C(contract), C(unsafe_lock), and why the tool cannot be used.
    """
    params = placed(migrations, files.directory) if files else migrations
    with contextlib.ExitStack() as until:
        place = until.enter_context(_place(params, copy, system))
        tool = factory.tool(led(params, copy, place), url_of(copy), system, place=place)
        gate = Gate(params["lint"] or (WARN if order.phase == "all" else REFUSE), params["lint_squawk"], system)
        found = gate.look(tool, order)
        pending = [one.label for one in tool.status().pending if order.phase in ("all", one.phase)]

        def apply(begun: Begun) -> Applied:
            tool.begun = begun
            return [one._asdict() for one in tool.apply(order).done]

        told = gate.told(found, order)
        if params["tool"] != "sql" and place is None:
            told["warnings"] = [*told.get("warnings", ()), OPEN]
        recipes = {one.script: one.recipe for one in found.standing} if found else {}
        yield Attempt(pending, apply, recipes), told


@contextlib.contextmanager
def _place(params: Params, copy: Copy, system: System) -> t.Iterator[Place | None]:
    """Where a tool that is a program runs."""
    if params["tool"] == "sql":
        yield None
        return
    if params.get("run_in") == "container":
        if copy.engine == "sqlite":
            raise SlipwayError(
                "cannot be rehearsed for SQLite, whose copy is a file of this machine",
                obj="run_in: container",
                remedy="Have the tool on the machine, or set slipway_migrations.rehearse.enabled: false.",
                cause="unable",
            )
        from .rehearsed_container import in_container

        with in_container(params, copy, system) as image:
            yield image
        return
    with own_network() as namespace:
        if not namespace or copy.engine == "sqlite":
            yield Confined(namespace, 0) if namespace else None
            return
        with relayed(namespace, copy.socket_file) as port:
            yield Confined(namespace, port)


def led(params: Params, copy: Copy, place: Place | None) -> Params:
    """The same with variables that lead to the copy where they are a connection string."""
    if place is None or not place.leads or not params["project"]:
        return params
    given, port = params["project"].get("environment") or {}, place.leads[1]
    environment = {name: stand_ins.rewritten(str(value), copy, port) or value for name, value in given.items()}
    return {**params, "project": {**params["project"], "environment": environment}}


def url_of(copy: Copy) -> str:
    """The copy's connection string."""
    if copy.engine == "sqlite":
        return copy.database
    if copy.engine == "postgresql":
        return Address(copy.engine, copy.socket, 5432, copy.user, "", copy.database).uri()
    return Address(copy.engine, "localhost", 3306, copy.user, "", copy.database, {"socket": copy.socket}).uri()
