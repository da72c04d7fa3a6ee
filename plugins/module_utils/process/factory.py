# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which manager and which source: one line each (private to the collection)."""

from __future__ import annotations

import typing as t

from ..system import System
from .manager import Manager
from .options import invalid
from .source import Place, Source

MANAGERS = ("systemd",)
SOURCES = ("archive", "directory", "git")


def make_manager(kind: str, system: System, base: str) -> Manager:
    """The process manager of a platform; only that one is imported.

    :raises SlipwayError: C(invalid).
    """
    if kind == "systemd":
        from .systemd import Systemd

        return Systemd(system, base)
    raise invalid("manager", kind, " or ".join(MANAGERS))


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
    raise invalid(f"{where}.kind", kind, " or ".join(SOURCES))
