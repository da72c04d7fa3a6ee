# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the code of a release comes from, whichever way (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from ..system import System
from .options import invalid


class Place(t.NamedTuple):
    """What a source may use on this machine."""

    system: System
    base: str  # directory of the platform, for mirrors and downloads
    secrets: t.Mapping[str, str]
    deadline: float  # seconds that one command may take


class Source(abc.ABC):
    """One source of one service.

    :param options: as the user wrote them.
    :param where: how messages call them, C(services.backend.source).
    """

    keys: t.ClassVar[tuple[str, ...]]  # that it takes beside kind

    def __init__(self, options: t.Mapping[str, t.Any], where: str, place: Place) -> None:
        self.options = options
        self.where = where
        self.place = place
        for key in options:
            if key not in ("kind", *self.keys):
                raise invalid(f"{where}.{key}", None, f"one of {', '.join(self.keys)}", what="unknown option")

    @abc.abstractmethod
    def resolve(self) -> dict[str, t.Any]:
        """What exactly it is now: a commit, a checksum. Two releases with the same have the same code. Writes nothing."""

    @abc.abstractmethod
    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        """Fill an empty directory with exactly what was resolved.

        :raises SlipwayError: what could not be had, and why.
        """

    def text(self, key: str, *, required: bool = False) -> str:
        """An option that is a text; empty when it is not given.

        :raises SlipwayError: C(invalid).
        """
        value = self.options.get(key)
        if (value is None or value == "") and not required:
            return ""
        if not isinstance(value, str) or not value or "\0" in value or value.startswith("-"):
            raise invalid(f"{self.where}.{key}", value, "a text that does not begin with a hyphen")
        return value
