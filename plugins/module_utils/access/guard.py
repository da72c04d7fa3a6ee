# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at before a file is put in place that could lock its author out (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from ..errors import SlipwayError
from ..system import System
from .connection import Connection

TIMEOUT = 30.0  # seconds for a program that only reads a file


class Guard(abc.ABC):
    """One kind of file. Nothing is in place yet when it is asked; it must leave nothing behind."""

    def __init__(self, system: System) -> None:
        self.system = system

    @abc.abstractmethod
    def inspect(self, path: str, candidate: str | None, connection: Connection | None) -> None:
        """Refuse what the program itself would refuse, and what would cut the connection off.

        :param path: where the file belongs.
        :param candidate: the file that has what is to be there; None when C(path) is to be removed.
        :param connection: None when this process did not come over SSH; then nobody can be cut off.
        :raises SlipwayError: C(refused_by_program), C(locked_out).
        """

    def passes(self, argv: t.Sequence[str], path: str) -> str:
        """Standard output of a program that must end with 0.

        :raises SlipwayError: C(refused_by_program), C(command_missing).
        """
        done = self.system.run(argv, timeout=TIMEOUT)
        if done.rc:
            raise SlipwayError(
                f"{argv[0].rpartition('/')[2]} refuses the file",
                obj=path,
                actual=(done.stderr or done.stdout).strip()[-800:],
                remedy="Nothing was changed. Correct the option that it names.",
                cause="refused_by_program",
            )
        return done.stdout


def locked_out(path: str, connection: Connection, reasons: t.Sequence[str], remedy: str) -> SlipwayError:
    """The refusal of a file that would end the very connection that brings it."""
    return SlipwayError(
        f"with this file {connection.user} from {connection.client} could not log in again: {'; '.join(reasons)}",
        obj=path,
        remedy=f"Nothing was changed. {remedy}",
        cause="locked_out",
        evidence={"connection": connection._asdict(), "reasons": list(reasons)},
    )
