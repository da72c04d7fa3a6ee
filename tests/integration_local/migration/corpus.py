# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of ``corpus/``, and those that cannot be kept in a repository as they are: other line ends, encodings and names."""

from __future__ import annotations

import codecs
import pathlib
import shutil
import typing as t

CORPUS = pathlib.Path(__file__).parent / "corpus"
PLACEHOLDERS = {"word": "it is", "table_name": "placed", "empty": "", "again": "${word}"}


def _crlf(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


def _encoded(encoding: str) -> t.Callable[[bytes], bytes]:
    return lambda text: text.decode("utf-8").encode(encoding)


# Bytes that a file is laid down with, by the number or word its name begins with.
CHANGED: dict[str, t.Callable[[bytes], bytes]] = {
    "V11__": _crlf,
    "V12__": lambda text: text.replace(b"\n", b"\r"),
    "V13__": lambda text: codecs.BOM_UTF8 + text,
    "V14__": lambda text: codecs.BOM_UTF8 + _crlf(text),
    "V18__latin1.sql": _encoded("iso-8859-1"),
    "V19__utf16.sql": _encoded("utf-16"),
    "R__crlf": _crlf,
}
# Names that are no names for a repository, and what is in them.
NAMED = {
    "V61__with spaces in_it.sql": "SELECT 61;\n",
    "V62__größer_ツ.sql": "SELECT 62;\n",
    "V63__suffix_in_capitals.SQL": "SELECT 63;\n",
    f"V64__{'long_' * 48}end.sql": "SELECT 64;\n",
    "V65_0_1__folded.sql": "SELECT 65;\n",
    ".hidden/V66__in_a_hidden_folder.sql": "this is no SQL;\n",
    "V67__utf16_without_a_mark.sql.conf": "encoding=UTF-16\n",
}


def lay(dialect: str, target: pathlib.Path) -> pathlib.Path:
    """Put the scripts of a dialect into a directory, as they are meant."""
    shutil.copytree(CORPUS / dialect, target)
    for path in target.rglob("*.sql*"):
        for beginning, change in CHANGED.items():
            if path.name.startswith(beginning) and not path.name.endswith(".conf"):
                path.write_bytes(change(path.read_bytes()))
    if dialect == "postgresql":
        for name, text in NAMED.items():
            path = target / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode())
        (target / "V67__utf16_without_a_mark.sql").write_bytes("SELECT 67;\n".encode("utf-16-be"))
    return target
