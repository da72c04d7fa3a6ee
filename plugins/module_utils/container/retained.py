# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases from before this machine came, brought here so that it can go back to them (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side.parallel import parallel
from ..side.records import RETAINED, not_brought
from ..system import System
from .engine import Engine
from .plan import Plan
from .prepare import Preparation
from .report import Report
from .spec import Order, parse_services


def bring(
    order: Order, retained: t.Sequence[t.Mapping[str, t.Any]], system: System, engine: Engine, *, check: bool = False
) -> Report:
    """Images of each are here, kept under its name and in its record; what cannot be had is a warning.

    :param retained: oldest first; each with C(release), C(version), C(identity), C(side), C(services) and C(marks), the ids
        of the images that other machines have.
    """
    report = Report(system, order.secrets.values())
    for about in retained:
        try:
            report.actions.extend(_bring(order, about, system, engine, check))
        except SlipwayError as error:
            report.warnings.append(not_brought(about, error))
    return report


def _bring(order: Order, about: t.Mapping[str, t.Any], system: System, engine: Engine, check: bool) -> list[str]:
    named: dict[str, t.Any] = {key: str(about[key]) for key in ("release", "version", "identity", "side")}
    services = parse_services(about["services"], named["side"])
    preparation = Preparation(order._replace(**named, services=services, kept_release=""), system, engine)
    resolved = preparation.resolve_images(check)
    for item in resolved:
        wanted = about["marks"].get(item.service.name)
        if wanted and item.image_id and item.image_id != wanted:
            raise SlipwayError(
                "the image of this name is another one than the other machines have",
                obj=item.reference,
                actual=item.image_id,
                wanted=wanted,
                remedy="Give each version a tag of its own.",
                cause="image_changed",
            )
    if not check:
        preparation.record(resolved, Plan([], [], []), RETAINED)
        parallel(preparation.keep_image, resolved)
    return [*preparation.report.actions, f"keep {named['version']} ({named['release']}) to go back to"]
