# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which manager and which source: one line each (private to the collection)."""

from __future__ import annotations

import glob
import typing as t

from ..errors import SlipwayError
from ..side.options import invalid
from ..system import System
from .kinds import MANAGERS, SOURCES
from .manager import Manager
from .source import Place, Source
from .spec import Scope


def make_manager(kind: str, system: System, base: str) -> Manager:
    """The process manager of a platform; only that one is imported.

    :raises SlipwayError: C(invalid).
    """
    if kind == "systemd":
        from .systemd import Systemd

        return Systemd(system, base)
    if kind == "supervisor":
        from .supervisor import Supervisor

        return Supervisor(system, base)
    if kind == "pm2":
        from .pm2 import PM2

        return PM2(system, base)
    raise invalid("manager", kind, " or ".join(MANAGERS))


def refuse_others(kind: str, scope: Scope) -> None:
    """Refuse a manager for a platform that another one of this machine has programs of: it would neither see nor stop them.

    :raises SlipwayError: C(other_manager), naming a definition.
    """
    prefix = f"slipway-{scope.platform}.{scope.environment}.*"
    definitions = {
        "systemd": f"/etc/systemd/system/{prefix}@.service",
        "supervisor": f"/etc/supervis*/*.d/{prefix}",
        "pm2": f"{scope.base}/pm2/programs/{prefix}",
    }
    for other in MANAGERS:
        there = sorted(glob.glob(definitions[other])) if other != kind else []
        if there:
            raise SlipwayError(
                "another process manager has programs of this platform",
                obj=there[0],
                actual=other,
                wanted=kind,
                remedy=f"Keep manager {other}, or stop these programs and remove their definitions first.",
                cause="other_manager",
            )


def make_source(options: t.Mapping[str, t.Any], where: str, place: Place) -> Source:
    """The source of a service; only that one is imported.

    :raises SlipwayError: C(invalid).
    """
    kind = options.get("kind")
    if kind == "directory":
        from .source_directory import DirectorySource

        return DirectorySource(options, where, place)
    if kind == "archive":
        from .source_archive import ArchiveSource

        return ArchiveSource(options, where, place)
    if kind == "git":
        from .source_git import GitSource

        return GitSource(options, where, place)
    if kind == "wheel":
        from .source_wheel import WheelSource

        return WheelSource(options, where, place)
    if kind == "npm":
        from .source_npm import NpmSource

        return NpmSource(options, where, place)
    raise invalid(f"{where}.kind", kind, " or ".join(SOURCES))
