# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups are kept (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from .pipeline import Chunks


class Entry(t.NamedTuple):
    """An object that is there, whole.

    :param size: in bytes.
    """

    key: str
    size: int


class Leftover(t.NamedTuple):
    """What an interrupted writer left, or a writer that is at it still.

    :param key: of the object that it was to be.
    :param began: seconds since the epoch; None where the store does not tell.
    :param dead: certainly nobody writes it.
    """

    key: str
    began: float | None = None
    dead: bool = False


def every(_left: Leftover) -> bool:
    """Of a store that nobody else writes to."""
    return True


class Store(abc.ABC):
    """Objects by name. An object is there with all its bytes or not at all, also after a crash.

    Every method raises C(SlipwayError): C(store_unreachable), C(store_refused), C(no_space), C(permission), …
    """

    @abc.abstractmethod
    def entries(self) -> list[Entry]:
        """Every whole object, by key."""

    @abc.abstractmethod
    def put(self, key: str, chunks: Chunks) -> int:
        """Keep an object; its size in bytes. Nothing is kept when the chunks raise.

        :raises SlipwayError: C(exists) when there is one of this name.
        """

    @abc.abstractmethod
    def get(self, key: str) -> t.Iterator[bytes]:
        """The bytes of an object.

        :raises SlipwayError: C(missing).
        """

    @abc.abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""

    @abc.abstractmethod
    def leftovers(self, *, remove: bool, which: t.Callable[[Leftover], bool] = every) -> list[str]:
        """What interrupted writers left, by name: never an object. Only for who has the target's lock.

        :param which: of them.
        """

    @abc.abstractmethod
    def url(self, key: str) -> str:
        """Where a person finds an object; without credentials."""

    def room(self) -> int | None:
        """Free bytes, or None where nobody can tell."""
        return None
