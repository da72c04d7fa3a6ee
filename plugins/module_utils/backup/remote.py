# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stores of objects in a network have in common (private to the collection)."""

from __future__ import annotations

import abc
import contextlib
import typing as t

from ..errors import SlipwayError
from .pipeline import Chunks
from .store import Store

PART = 16 << 20  # bytes that are sent at once, and held in memory

EXPLAINED = {
    "store_refused": "Give the machine's user credentials that may list, read, write and delete there.",
    "store_missing": "Make it, or correct the store's options.",
    "store_unreachable": "See the network and the store's own status, then run again; nothing was lost.",
    "store_failed": "See what the store says of it, then run again; nothing was lost.",
    "missing": "List the backups with state: listed.",
}


class Upload(abc.ABC):
    """An object on its way, which is not there before its end."""

    @abc.abstractmethod
    def part(self, data: bytes) -> None:
        """The next bytes; :const:`PART` of them, unless they are the last."""

    @abc.abstractmethod
    def finish(self) -> None:
        """All parts were sent: let the object be there."""

    @abc.abstractmethod
    def abort(self) -> None:
        """Let nothing of it be kept."""


class RemoteStore(Store):
    """Objects below a prefix.

    :param prefix: without a slash at its end.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put(self, key: str, chunks: Chunks) -> int:
        if self._size(key) is not None:
            raise SlipwayError(
                "is there already", obj=self.url(key), remedy="Give the backup another name.", cause="exists"
            )
        upload, sent = self._begin(key), 0
        try:
            for part in parts(chunks):
                upload.part(part)
                sent += len(part)
            upload.finish()
        except BaseException:
            with contextlib.suppress(SlipwayError):  # what stopped it says more; the next run clears up
                upload.abort()
            raise
        self._expect_kept(key, sent)
        return sent

    def get(self, key: str) -> t.Iterator[bytes]:
        size, got = self._size(key), 0
        if size is None:
            raise failed("missing", self.url(key), "the store has no object of this name")
        for chunk in self._read(key):
            got += len(chunk)
            yield chunk
        if got != size:  # not every SDK notices
            raise failed("store_unreachable", self.url(key), f"the answer ended after {got} of {size} bytes")

    def name(self, key: str) -> str:
        """An object's whole name in the store."""
        return self._prefix + key

    def key(self, name: str) -> str:
        """The other way round; empty for what is no object of this target's."""
        key = name[len(self._prefix) :]
        return "" if "/" in key else key

    @abc.abstractmethod
    def _begin(self, key: str) -> Upload:
        """Begin an object."""

    @abc.abstractmethod
    def _read(self, key: str) -> t.Iterator[bytes]:
        """The bytes of an object."""

    @abc.abstractmethod
    def _size(self, key: str) -> int | None:
        """Of an object in bytes; None when it is not there."""

    def _expect_kept(self, key: str, sent: int) -> None:
        kept = self._size(key)
        if kept != sent:
            self.delete(key)
            raise SlipwayError(
                "is not what was sent",
                obj=self.url(key),
                actual="nothing" if kept is None else f"{kept} bytes",
                wanted=f"{sent} bytes",
                remedy=EXPLAINED["store_failed"],
                cause="store_failed",
            )


def parts(chunks: Chunks, size: int = PART) -> t.Iterator[bytes]:
    """The same bytes in pieces of one size, the last one excepted; one empty piece of nothing."""
    held = bytearray()
    whole = 0
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
            whole += 1
    if held or not whole:
        yield bytes(held)


def failed(cause: str, what: str, said: object) -> SlipwayError:
    """The error of a store.

    :param cause: one of :const:`EXPLAINED`.
    :param what: the object or the bucket.
    :param said: by the store or its SDK.
    """
    words = {
        "store_refused": "is refused by the store",
        "store_missing": "is no bucket or container of the store",
        "store_unreachable": "cannot be reached",
        "store_failed": "cannot be used",
        "missing": "is not there",
    }
    text = " ".join(str(said).split())[:400]
    return SlipwayError(words[cause], obj=what, actual=text, remedy=EXPLAINED[cause], cause=cause)


def cause_of(status: int) -> str:
    """By the status of HTTP (RFC 9110); 0 for none."""
    if status in (401, 403):
        return "store_refused"
    return "store_unreachable" if status >= 500 or status in (0, 408, 429) else "store_failed"


def sdk_missing(package: str, debian: str, error: ImportError) -> SlipwayError:
    """The vendor's own library is not there."""
    return SlipwayError(
        "cannot be imported by this machine's Python",
        obj=package,
        actual=str(error),
        remedy=f"Install {debian} there.",
        cause="driver_missing",
    )
