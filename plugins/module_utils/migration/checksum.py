# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums of migration files, as Flyway computes them (private to the collection).

Source: Flyway 10, C(ChecksumCalculator): a CRC-32 over the UTF-8 of the lines without their ends, as a signed number. A versioned
file is summed up as it is; a repeatable one after its placeholders have been replaced, unless they are not to be.
"""

from __future__ import annotations

import typing as t
import zlib

_ENDS = b"\r\n"


def checksum(pieces: t.Iterable[str]) -> int:
    """Of the text of a file in any number of pieces; the same for every way to end a line, and 0 for nothing.

    :param pieces: without a byte order mark, as RV(source.read) has them.
    """
    total = 0
    for piece in pieces:
        total = zlib.crc32(piece.encode("utf-8").translate(None, _ENDS), total)
    return total - (1 << 32) if total & (1 << 31) else total
