# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there, read back from manager, link and disk (private to the collection)."""

from __future__ import annotations

import os
import typing as t

from ..errors import SlipwayError
from ..side.held import read_held
from ..side.records import Record, last_settled
from ..system import System
from .manager import Found, Manager
from .packages import Packages
from .records import SHELF
from .spec import SIDES, Scope
from .tree import Trees


def observe(scope: Scope, system: System, manager: Manager) -> dict[str, t.Any]:
    """Everything about a platform's processes on this machine; never fails for the manager's sake.

    :returns: C(manager) (ok, name, version, problem), C(current), C(sides), C(releases), C(packages), C(live_side),
        C(workers_paused).
    """
    held = read_held(system, scope)
    records = SHELF.read(system, scope.directory)
    trees = Trees(system, scope)
    about: dict[str, t.Any] = {
        "current": current_release(scope),
        "releases": [_release(trees, record) for record in records],
        "packages": Packages(system, scope.base).names(),
        "live_side": _live(records),
        "workers_paused": {"since": held.since, "seconds": held.seconds(system)} if held else None,
        "sides": {},
    }
    try:
        facts = manager.facts()
        found = manager.found(scope)
    except SlipwayError as error:
        problem = {**error.result()["error"], "message": error.message}
        return {**about, "manager": {"ok": False, "problem": problem}}
    sides = {side: _side([item for item in found if item.labels.side == side]) for side in SIDES}
    return {**about, "manager": {"ok": True, "problem": None, **facts}, "sides": sides}


def current_release(scope: Scope) -> str:
    """The release that the link C(current) names; empty before there is one, and when it leads elsewhere."""
    try:
        target = os.path.normpath(os.path.join(scope.base, os.readlink(current_path(scope))))
    except OSError:
        return ""
    return os.path.basename(target) if os.path.dirname(target) == os.path.join(scope.base, "releases") else ""


def expect_link(scope: Scope) -> None:
    """Nobody else has put anything but a link where C(current) is to be.

    :raises SlipwayError: C(current_taken).
    """
    path = current_path(scope)
    if os.path.lexists(path) and not os.path.islink(path):
        raise SlipwayError(
            "there is a directory or file where the link to the release has its place",
            obj=path,
            remedy="Move it away; Slipway never writes into it.",
            cause="current_taken",
        )


def current_path(scope: Scope) -> str:
    """The link to the directory of the release that was decided on."""
    return os.path.join(scope.base, "current")


def shown(found: t.Iterable[Found]) -> dict[str, dict[str, t.Any]]:
    """Processes as a diff shows them."""
    return {item.name: {"status": item.status, "boot": item.boot, "spec": item.labels.spec} for item in found}


def _live(records: t.Sequence[Record]) -> str:
    settled = last_settled(records)
    return settled.side if settled else ""


def _side(here: t.Sequence[Found]) -> dict[str, t.Any]:
    """One side: the release that runs there (or would be started), and its replicas."""
    first = next((item for item in here if item.running), here[0] if here else None)
    current = first.labels.release if first else ""
    services: dict[str, list[dict[str, t.Any]]] = {}
    for item in here:
        if item.labels.release == current:
            services.setdefault(item.labels.service, []).append(_replica(item))
    return {
        "release": current,
        "version": first.labels.version if first else "",
        "identity": first.labels.identity if first else "",
        "running": any(item.running for item in here if item.labels.release == current),
        "services": services,
        "others": [item.name for item in here if item.labels.release != current and item.running],
    }


def _replica(item: Found) -> dict[str, t.Any]:
    about = item._asdict()
    labels = about.pop("labels")
    return {
        **about,
        "running": item.running,
        "replica": item.number,
        **{key: getattr(labels, key) for key in ("release", "version", "identity", "spec", "role", "tree")},
    }


def _release(trees: Trees, record: Record) -> dict[str, t.Any]:
    """A kept release, and whether it can be started without any network."""
    missing = sorted({code for code in record.services.values() if not trees.complete(record.release, code)})
    found = {code: trees.mark(trees.path(record.release, code)) for code in sorted(set(record.services.values()))}
    marks = {code: mark for code, mark in found.items() if mark is not None}
    return {
        **record._asdict(),
        "ready": not missing,
        "missing": missing,
        "marks": {code: mark.digest for code, mark in marks.items()},
        "sources": {code: mark.source for code, mark in marks.items()},
    }
