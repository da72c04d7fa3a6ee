# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored dump brought on to a later moment, as a part of its proof (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from ..errors import SlipwayError

if t.TYPE_CHECKING:
    from .engine import Scratch
    from .model import Backup
    from .prover import Prover


class Further(abc.ABC):
    """One way on from a dump.

    :ivar name: of the moment that it leads to.
    :ivar words: what was done once it was gone, for people.
    :ivar strict: whether a backup is not good without it.
    :ivar problem: why nobody comes there; None as long as nothing is known.
    """

    name: str
    words: str = ""
    strict: bool
    problem: SlipwayError | None = None

    @abc.abstractmethod
    def bring(self, backup: Backup, scratch: Scratch, prover: Prover) -> None:
        """Go there with a restored copy, and compare.

        :raises SlipwayError: C(bad_backup), C(damaged), C(missing), C(command_failed), ….
        """

    def tried(self, backup: Backup, scratch: Scratch, prover: Prover) -> None:
        """RV(bring), whose end is in C(problem): that of the dump alone is known already."""
        try:
            if self.problem is None:
                self.bring(backup, scratch, prover)
        except SlipwayError as error:
            self.problem = error


class Trail(t.Protocol):
    """What leads on from the dumps of a target."""

    def ahead(self, backup: Backup) -> Further | None:
        """The way on to now, or to the last moment of which it is known what the database had then; None where there is none."""

    def wanting(self, backup: Backup) -> bool:
        """Whether a proof of a dump lacks the way on that there is."""


def told(further: Further | None) -> list[str]:
    """How a restored dump was brought on, for people."""
    if further is None:
        return []
    if further.problem is not None:
        return [f"what leads on from it to {further.name} is not proven: {further.problem.message}"]
    return [further.words]


def expect(further: Further | None) -> None:
    """:raises SlipwayError: why nothing leads on from a dump that is not good without that."""
    if further is not None and further.strict and further.problem is not None:
        raise further.problem
