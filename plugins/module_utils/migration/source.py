# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a migration file, in pieces, so that a large one needs little memory (private to the collection)."""

from __future__ import annotations

import codecs
import contextlib
import functools
import re
import typing as t

from ..errors import SlipwayError

MARK = "\ufeff"  # the byte order mark
PIECE = 1 << 16
_END = re.compile(r"\r\n|\r|\n")


def read(path: str, encoding: str = "UTF-8", size: int = PIECE) -> t.Iterator[str]:
    """The text with its line ends as they are, and without a byte order mark.

    :param encoding: a name that Java knows, such as C(ISO-8859-1); UTF-16 without a mark is big-endian, as Java has it.
    :raises SlipwayError: C(bad_input) for a name of no encoding, or for bytes that are not of it, with their line; C(missing),
        C(denied), C(io).
    """
    known = _known(path, encoding)
    try:
        with open(path, "rb") as source:
            decoder = _decoder(known, source.peek(2)[:2])
            yield from _decoded(path, encoding, decoder, iter(lambda: source.read(size), b""))
    except OSError as error:
        raise _unreadable(path, error) from None


def little(path: str, most: int, encoding: str = "UTF-8") -> str | None:
    """All of the text at once; None where it has more bytes than that.

    :raises SlipwayError: as RV(read).
    """
    known = _known(path, encoding)
    try:
        with open(path, "rb", buffering=0) as source:
            octets = source.read(most)
            if source.read(1):
                return None
    except OSError as error:
        raise _unreadable(path, error) from None
    if known == "utf-8":
        with contextlib.suppress(UnicodeDecodeError):  # told below, with its line
            text = octets.decode()
            return text[1:] if text.startswith(MARK) else text
    return "".join(_decoded(path, encoding, _decoder(known, octets[:2]), iter((octets,))))


def lines(pieces: t.Iterable[str]) -> t.Iterator[str]:
    """Without their ends, whichever those are; one at least."""
    rest = ""
    for piece in pieces:
        rest += piece
        held = len(rest) - rest.endswith("\r")  # a line feed may follow
        *whole, last = _END.split(rest[:held])
        yield from whole
        rest = last + rest[held:]
    yield from _END.split(rest)


def _unreadable(path: str, error: OSError) -> SlipwayError:
    return SlipwayError(
        f"cannot be read: {error.strerror}",
        obj=path,
        remedy="Bring the file, and let this user read it.",
        cause={FileNotFoundError: "missing", PermissionError: "denied"}.get(type(error), "io"),
    )


def _decoder(known: str, mark: bytes) -> codecs.IncrementalDecoder:
    """By the first bytes of the text, where they decide it."""
    if known == "utf-16":
        known += {codecs.BOM_UTF16_LE: "-le", codecs.BOM_UTF16_BE: "-be"}.get(mark, "-be")
    return codecs.getincrementaldecoder(known)()


def _decoded(
    path: str, encoding: str, decoder: codecs.IncrementalDecoder, pieces: t.Iterator[bytes]
) -> t.Iterator[str]:
    line, first = 1, True
    try:
        for piece in pieces:
            text = decoder.decode(piece)
            line += text.count("\n")
            if first and text:
                first = False
                text = text[1:] if text.startswith(MARK) else text
            if text:
                yield text
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        start, end = int(error.start), int(error.end)
        line += error.object[:start].count(b"\n")
        raise SlipwayError(
            "is not encoded as it should be",
            obj=f"{path}:{line}",
            actual=f"bytes {error.object[start:end].hex(' ')}",
            wanted=encoding,
            remedy=f"Write it as {encoding}, or name its encoding in a file of the same name with .conf after it: encoding=…",
            cause="bad_input",
        ) from None


def _known(path: str, encoding: str) -> str:
    try:
        return _name(encoding)
    except LookupError:
        raise SlipwayError(
            "no encoding has this name",
            obj=path,
            actual=encoding,
            wanted="UTF-8, ISO-8859-1, windows-1252, UTF-16, …",
            remedy="Correct the encoding.",
            cause="bad_input",
        ) from None


@functools.lru_cache(maxsize=8)
def _name(encoding: str) -> str:
    """As Python calls it.

    :raises LookupError: also for an encoding of bytes, such as base64.
    """
    "".encode(encoding)
    return codecs.lookup(encoding).name
