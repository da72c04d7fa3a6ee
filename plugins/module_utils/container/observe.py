# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there, read back from the engine (private to the collection)."""

from __future__ import annotations

import os
import typing as t

from ..errors import SlipwayError
from ..side.held import read_held
from ..side.parallel import parallel
from ..side.records import Record, last_settled
from ..system import System
from .engine import Engine, Found
from .records import SHELF, containers_of, owner
from .spec import SIDES, Scope

STATE_ROOT = "/var/lib/slipway"


def observe(
    platform: str,
    environment: str,
    system: System,
    *,
    images: t.Sequence[str] = (),
    root: str = STATE_ROOT,
    engine: Engine | None = None,
) -> dict[str, t.Any]:
    """Everything about a platform's containers on this machine; never fails for the engine's sake.

    :param images: references to look for.
    :returns: C(engine) (ok, version, api, sdk, problem), C(sides), C(releases), C(live_side), C(workers_paused), C(images).
    """
    engine = engine or Engine()
    scope = Scope(platform, environment, os.path.join(root, platform, environment))
    records = SHELF.read(system, scope.directory)
    held = read_held(system, scope)
    paused = {"since": held.since, "seconds": held.seconds(system)} if held else None
    try:
        facts = engine.facts()
        found = engine.containers(scope.labels)
        present = parallel(engine.image, images)
        releases = [_release(engine, record, found) for record in records]
    except SlipwayError as error:
        problem = {**error.result()["error"], "message": error.message}
        return {
            "engine": {"ok": False, "problem": problem},
            "sides": {},
            "releases": [_plain(record) for record in records],
            "live_side": _live(records),
            "workers_paused": paused,
            "images": {},
        }
    return {
        "engine": {"ok": True, "problem": None, **facts},
        "sides": {side: _side(side, found, records) for side in SIDES},
        "releases": releases,
        "live_side": _live(records),
        "workers_paused": paused,
        "images": {name: image is not None for name, image in zip(images, present)},
    }


def _live(records: t.Sequence[Record]) -> str:
    settled = last_settled(records)
    return settled.side if settled else ""


def _side(side: str, found: t.Sequence[Found], records: t.Sequence[Record]) -> dict[str, t.Any]:
    """One side: the release that runs there (or would be started), and its replicas."""
    here = [item for item in found if item.label("side") == side]
    current = _current(side, here, records)
    services: dict[str, list[dict[str, t.Any]]] = {}
    others = []
    for item in here:
        about = _replica(item, records)
        if about["release"] == current:
            services.setdefault(item.label("service"), []).append(about)
        elif item.running:
            others.append(item.name)
    first = next((replica for replicas in services.values() for replica in replicas), None)
    return {
        "release": current,
        "version": first["version"] if first else "",
        "identity": first["identity"] if first else "",
        "running": any(replica["running"] for replicas in services.values() for replica in replicas),
        "services": services,
        "others": others,
    }


def _current(side: str, here: t.Sequence[Found], records: t.Sequence[Record]) -> str:
    order = {record.release: record.order for record in records}
    running = [item for item in here if item.running] or here
    names = {(owner(records, item.name) or _NOBODY).release or item.label("release") for item in running}
    return max(names, key=lambda name: (order.get(name, 0), name), default="")


def _replica(item: Found, records: t.Sequence[Record]) -> dict[str, t.Any]:
    record = owner(records, item.name)
    return {
        "name": item.name,
        "id": item.id,
        "replica": int(item.label("replica") or 0),
        "role": item.label("role"),
        "running": item.running,
        "status": item.status,
        "health": item.health,
        "exit_code": item.exit_code,
        "oom": item.oom,
        "restart": item.restart,
        # A rollback takes over the containers of an older release: the record knows, the label cannot.
        "release": record.release if record else item.label("release"),
        "version": record.version if record else item.label("version"),
        "identity": record.identity if record else item.label("identity"),
        "spec": item.label("spec"),
        "image": item.image,
    }


def _release(engine: Engine, record: Record, found: t.Sequence[Found]) -> dict[str, t.Any]:
    """A kept release, and whether it can be started without any network."""
    names = {item.name for item in found}
    missing = [
        service.kept
        for service in record.services.values()
        if not (service.containers and names.issuperset(service.containers)) and engine.image(service.kept) is None
    ]
    return {
        **_plain(record),
        "ready": not missing,
        "missing": missing,
        "stopped": names.issuperset(containers_of(record)),
        "marks": {name: service.image_id for name, service in record.services.items()},
    }


def _plain(record: Record) -> dict[str, t.Any]:
    services = {name: service._asdict() for name, service in record.services.items()}
    return {**record._asdict(), "services": services, "ready": False, "missing": [], "stopped": False}


_NOBODY = Record("", 0, "", "", "", "", {})


def shown(found: t.Iterable[Found]) -> dict[str, dict[str, str]]:
    """Containers as a diff shows them."""
    return {item.name: {"status": item.status, "restart": item.restart, "spec": item.label("spec")} for item in found}
