# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let go of the code of releases beyond the retention (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ..errors import SlipwayError
from ..side.records import Record, find, forget_record, kept
from ..system import System
from .manager import Found, Manager
from .packages import Packages
from .records import SHELF
from .report import Report
from .spec import Order
from .tree import BUILT, Trees


def predict(order: Order, records: t.Sequence[Record], report: Report) -> None:
    """Announce which releases go once this one is settled."""
    now = find(records, order.release) or Record(order.release, 0, order.version, order.identity, order.side, "", {})
    after = [*(item for item in records if item.release != order.release), now._replace(outcome="settled")]
    stays = kept(after, order.keep, order.release)
    report.actions.extend(f"forget release {record.release}" for record in after if record.release not in stays)


def retire(order: Order, system: System, manager: Manager, report: Report) -> None:
    """Remove what is beyond the retention: never what a kept release or any definition still runs from."""
    records = SHELF.read(system, order.scope.directory)
    stays = kept(records, order.keep, order.release)
    gone = [record.release for record in records if record.release not in stays]
    report.actions.extend(f"forget release {name}" for name in gone)
    trees, root = Trees(system, order.scope), os.path.join(order.scope.base, "releases")
    needed = {
        trees.path(record.release, code)
        for record in records
        if record.release in stays
        for code in record.services.values()
    }
    needed |= {os.path.realpath(item.labels.tree) for item in _forget(order, manager, stays)}
    for release in sorted(os.listdir(root)) if os.path.isdir(root) else []:
        if release not in stays:
            _remove(trees, root, release, needed, report)
    marks = [trees.mark(path) for path in needed]
    sources = [mark.source for mark in marks if mark]
    Packages(system, order.scope.base).prune({str(one.get(key)) for one in sources for key in ("content", BUILT)})
    for name in gone:
        forget_record(order.scope.directory, name)


def _forget(order: Order, manager: Manager, stays: t.Container[str]) -> list[Found]:
    """Definitions of releases that go, go with them, unless something runs by one; returns what is left."""
    found = manager.found(order.scope)
    used = {(item.labels.service, item.labels.side) for item in found if item.running or item.labels.release in stays}
    gone = {item.labels for item in found if (item.labels.service, item.labels.side) not in used}
    for labels in sorted(gone):
        manager.forget(labels)
    if gone:
        manager.load()
    return [item for item in found if item.labels not in gone]


def _remove(trees: Trees, root: str, release: str, needed: t.Container[str], report: Report) -> None:
    """What cannot be removed now is left to the next release: this one has the traffic already."""
    directory = os.path.join(root, release)
    names = {name[: -len(".json")] if name.endswith(".json") else name for name in os.listdir(directory)}
    for name in names:
        path = os.path.join(directory, name)
        if os.path.islink(path) or os.path.realpath(path) not in needed:
            try:
                trees.remove(release, name)
            except SlipwayError as error:
                report.warnings.append(error.message)
    with contextlib.suppress(OSError):  # code that a later release links to is still there
        os.rmdir(directory)
