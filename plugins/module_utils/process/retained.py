# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases from before this machine came, brought here so that it can go back to them (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side.records import RETAINED, not_brought
from ..system import System, file_error
from .manager import Manager
from .options import parse_services
from .packages import Packages
from .prepare import Preparation
from .report import Report
from .spec import Order, release_name


def bring(
    order: Order, retained: t.Sequence[t.Mapping[str, t.Any]], system: System, manager: Manager, *, check: bool = False
) -> Report:
    """The code of each is here and built, and in its record; what cannot be had is a warning.

    :param retained: oldest first; each with C(release), C(version), C(identity), C(side), C(services) and C(marks), the
        digests of the code that other machines have; C(packages), what another machine has handed on of it.
    """
    report = Report(system, order.secrets.values())
    for about in retained:
        try:
            report.actions.extend(_bring(order, about, system, manager, check))
        except SlipwayError as error:
            report.warnings.append(not_brought(about, error))
        except OSError as error:
            report.warnings.append(not_brought(about, file_error(error, str(error.filename or order.scope.base))))
    return report


def _bring(order: Order, about: t.Mapping[str, t.Any], system: System, manager: Manager, check: bool) -> list[str]:
    named: dict[str, t.Any] = {key: str(about[key]) for key in ("release", "version", "identity", "side")}
    named["release"] = release_name(named["release"])
    services = parse_services(about["services"], named["side"])
    Packages(system, order.scope.base).receive(about.get("packages") or {})
    own = Preparation(order._replace(**named, services=services, kept_release=""), system, manager)
    done = own.keep(about["marks"], RETAINED, check=check)
    return [*done, f"keep {named['version']} ({named['release']}) to go back to"]
