# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let go of the containers, images and files of releases beyond the retention (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side.parallel import parallel
from ..side.records import Record, find, forget_record
from ..system import System
from . import files
from .engine import Engine
from .records import SHELF, prune
from .report import Report
from .spec import Order


def predict(order: Order, records: t.Sequence[Record], report: Report) -> None:
    """Announce which releases go once this one is settled."""
    now = find(records, order.release) or Record(
        order.release, 0, order.version, order.identity, order.side, "prepared", {}
    )
    others = [item for item in records if item.release != order.release]
    after = [*others, now._replace(outcome="settled")]
    gone = prune(after, order.keep, order.release)
    report.actions.extend(f"forget release {record.release}" for record in gone.records)


def retire(order: Order, system: System, engine: Engine, report: Report) -> None:
    """Remove what is beyond the retention; what cannot be removed now is left for the next time."""
    gone = prune(SHELF.read(system, order.scope.directory), order.keep, order.release)
    found = {item.name: item for item in engine.containers(order.scope.labels)}
    report.actions.extend(f"forget release {record.release}" for record in gone.records)
    parallel(engine.remove, [found[name] for name in gone.containers if name in found and not found[name].running])
    for tag in gone.tags:
        _untag(engine, report, tag)
    for reference in gone.references:
        image = engine.image(reference)
        mine = image is not None and all(tag == reference for tag in image.tags)
        if image is not None and mine and image.id not in engine.used_images():
            _untag(engine, report, reference)
    for record in gone.records:
        forget_record(order.scope.directory, record.release)
    _retire_files(order, system, engine)


def _untag(engine: Engine, report: Report, reference: str) -> None:
    try:
        engine.untag(reference)
    except SlipwayError as error:
        report.warnings.append(error.message)


def _retire_files(order: Order, system: System, engine: Engine) -> None:
    records = SHELF.read(system, order.scope.directory)
    current = find(records, order.release)
    for service in order.services:
        key = current.services[service.name].assets if current and service.name in current.services else ""
        if key:
            assets = files.Assets(system, order.scope, service.name)
            assets.went_live(key)
            assets.refresh(key, "", service.assets_keep)
            used = {record.services[service.name].assets for record in records if service.name in record.services}
            assets.prune(used, service.assets_keep)
    left = engine.containers(order.scope.labels)
    files.remove_unused_secrets(order.scope, {(item.label("side"), item.label("service")) for item in left})
