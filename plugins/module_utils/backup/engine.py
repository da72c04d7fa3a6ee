# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of database must be able to do to be backed up (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from ..database.copied import Copy
from ..errors import SlipwayError
from .pipeline import Chunks
from .progress import SILENT, Progress

Facts = dict[str, t.Any]


class Source(t.NamedTuple):
    """A database as it is before its backup.

    :param server: version.
    :param client: version of the program that will write the dump.
    :param size: estimated bytes of its data.
    :param where: C(host) and C(database), for people.
    :param first: what has to be done before a backup, in words, where only a plan is made; the client is not known then.
    """

    server: str
    client: str
    size: int
    where: dict[str, t.Any]
    first: str = ""


class Snapshot(abc.ABC):
    """One moment of a database. Everything taken from it is of that moment, however long it takes."""

    position: str = ""

    @abc.abstractmethod
    def dump(self) -> t.Iterator[bytes]:
        """The whole database, neither compressed nor encrypted."""

    @abc.abstractmethod
    def beside(self) -> dict[str, t.Iterator[bytes]]:
        """What is kept beside the dump, by name."""

    @abc.abstractmethod
    def facts(self) -> Facts:
        """What a restored copy must have; asked by another thread while the dump is written."""

    @abc.abstractmethod
    def cancel(self) -> None:
        """Let RV(facts) fail at once; from any thread."""

    def completed(self, facts: Facts) -> Facts:
        """The facts, with what can only be said once the dump is written."""
        return facts


class Scratch(abc.ABC):
    """A place to restore into that nobody else uses, gone when its context ends."""

    @abc.abstractmethod
    def restore(self, dump: Chunks) -> None:
        """Restore a dump, and stop at the first error."""

    @abc.abstractmethod
    def differences(self, facts: Facts) -> list[str]:
        """In what the restored copy is not what the snapshot was, in words; nothing when it is."""

    @abc.abstractmethod
    def where(self, role: str = "") -> Copy:
        """How to log in to the restored copy.

        :param role: as whom, where the copy has it; else as who may do anything there.
        """


class Engine(abc.ABC):
    """One kind of database, and one database of it."""

    name: t.ClassVar[str]
    format: str  # of new dumps; how an old one is to be read, it says itself
    progress: Progress = SILENT  # where it is told how far the looks at all tables are
    floor: t.ClassVar[int]  # bytes below which a dump cannot be whole

    @abc.abstractmethod
    def inspect(self, *, readable: bool = False) -> Source:
        """Look at the database and at the programs, before anything is written.

        :param readable: see to it, too, that a dump would lack nothing for want of a right.
        :raises SlipwayError: C(unreachable), C(login), C(command_missing), C(client_too_old), C(driver_missing), C(denied), …
        """

    @abc.abstractmethod
    def snapshot(self) -> t.ContextManager[Snapshot]:
        """A moment of the database, held as long as its context."""

    @property
    @abc.abstractmethod
    def database(self) -> str:
        """The name of the live database."""

    @abc.abstractmethod
    def named(self, ending: str, of: str = "") -> str:
        """A name with an ending, as that of another database.

        :param of: the live database's by default.
        """

    @abc.abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is a database of this name."""

    @abc.abstractmethod
    def restore_beside(self, dump: Chunks, facts: Facts, name: str) -> list[str]:
        """Make a new database of this name out of a dump, on the live server, and compare it with what was backed up.

        :return: in what it is something else, as RV(Scratch.differences).
        :raises SlipwayError: C(denied), C(command_failed), …; whoever calls this drops what is left of it then.
        """

    @abc.abstractmethod
    def give_name(self, new: str, name: str) -> None:
        """Give a restored database its own name, all at once.

        :raises SlipwayError: C(exists), …; there is nothing of that name then that was not there.
        """

    @abc.abstractmethod
    def take_the_place(self, new: str, kept: str) -> list[str]:
        """Give a restored database the live one's name, all at once, and the live one another.

        :return: what was done to it, in words.
        :raises SlipwayError: C(in_use), …; the live one is as it was then.
        """

    @abc.abstractmethod
    def discard(self, name: str) -> None:
        """Drop a restored database, if there is one of this name."""

    def recover(self) -> list[str]:
        """Put back what a killed run has left of the live database's settings, and say what that was."""
        return []

    @abc.abstractmethod
    def check(self, dump: Chunks) -> None:
        """Read a dump to its end, without a server.

        :raises SlipwayError: C(command_failed) where it is not whole.
        """

    @abc.abstractmethod
    def scratch(self, server: str, facts: Facts, size: int) -> t.ContextManager[Scratch]:
        """A place to restore a backup into.

        :param server: version that the backup is of.
        :param facts: of the backup.
        :param size: estimated bytes of its data.
        """


def taken(name: str) -> SlipwayError:
    """A database cannot be made under this name."""
    return SlipwayError(
        "there is a database of this name",
        obj=name,
        remedy="Drop or rename it, or choose another name.",
        cause="exists",
    )
