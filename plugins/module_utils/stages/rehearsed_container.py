# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migration tool of an image, in a network that leads to a restored copy of the database alone (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import typing as t

from ..backup.scratch_place import place
from ..container.engine import Engine
from ..container.one_off import Settings, present
from ..container.spec import Scope
from ..database.copied import Copy
from ..migration.address import Address
from ..migration.child import Place
from ..rehearsal import stand, stand_ins
from ..system import System
from .migration_container import image_of

Params = dict[str, t.Any]
ALONE = "alone"  # where no platform is named


@contextlib.contextmanager
def in_container(params: Params, copy: Copy, system: System) -> t.Iterator[Place]:
    """Where the tool runs: containers of the image, with likes of its secrets.

    :raises SlipwayError: as RV(image_of), and as the Docker Engine.
    """
    engine, port = Engine(), stand_ins.PORTS[copy.engine]
    scope = Scope(params["platform"] or ALONE, params["environment"] or ALONE, params["root"])
    image = params["container"]["image"]
    with contextlib.ExitStack() as left:
        parent = os.path.join(params["root"], "rehearsal")
        system.make_directory(params["root"])
        system.make_directory(parent)
        room = left.enter_context(place(parent, 0))
        stand.clear(engine, scope)  # whose directories that has removed
        where = stand.Place(engine, system, scope, room, copy.socket_file, port)
        present(engine, system, Settings(image, pull=params["container"].get("pull") or "missing"))
        name = f"slipway-rehearsal-{scope.platform}-{scope.environment}-tool-{os.path.basename(room)[-8:]}"
        holder, _network = stand.held(where, name, image, left)
        # The same for every rehearsal of this database, so that it finds what a killed one has left.
        url = Address(copy.engine, stand_ins.HOST, port, copy.user, "", copy.database).uri()
        tool = image_of(led(params, copy, port, f"container:{holder.id}"), url, system, plan=False)
        tool.leads = (stand_ins.HOST, port)
        tool.keep_nothing()  # production's data may be in what it said
        with tool.tidied():
            yield tool


def led(params: Params, copy: Copy, port: int, network: str) -> Params:
    """The same with everything that leads to the live database, or to others, led to the copy or away."""
    given = {name: value for name, value in params["container"].items() if value is not None}
    env = {
        name: stand_ins.rewritten(str(value), copy, port) or value for name, value in (given.get("env") or {}).items()
    }
    keywords = stand.contained(given.get("keywords") or {})
    values = json.loads(base64.b64decode(params["secrets"]).decode()) if params["secrets"] else {}
    likes = json.dumps(stand_ins.stand_ins(values, (), copy, port, {}))
    container = {**given, "env": env, "keywords": keywords, "network": network, "pull": "never"}
    return {**params, "container": container, "secrets": base64.b64encode(likes.encode()).decode()}
