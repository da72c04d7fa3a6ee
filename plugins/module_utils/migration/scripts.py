# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migration files of one version of a program (private to the collection)."""

from __future__ import annotations

import functools
import os
import typing as t

from ..errors import SlipwayError
from . import model, names, source
from .checksum import checksum
from .conf import MARK, Conf, Notes, in_transaction, read_conf, read_notes
from .model import Migration
from .names import CONF, FileName
from .placeholders import Placeholders

if t.TYPE_CHECKING:
    from .splitter import Statement

BATCH = "slipway:batch"  # placeholder of a backfill
SMALL = 1 << 12  # bytes of a file that is read but once
# What neither ends a transaction nor sets anything for what follows.
PLAIN = frozenset(("ALTER", "COMMENT", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "REVOKE", "UPDATE"))


class Reader(t.NamedTuple):
    """How files are read.

    :param dialect: of SQL.
    :param server: major version of PostgreSQL.
    """

    dialect: str
    placeholders: Placeholders
    encoding: str = "UTF-8"
    server: int = 15


class Script:
    """One file. What is in it is read when it is first asked for.

    :param path: of the file.
    """

    def __init__(self, name: FileName, path: str, reader: Reader) -> None:
        self.name = name
        self.path = path
        self._reader = reader

    @functools.cached_property
    def conf(self) -> Conf:
        """What the file beside it says."""
        return read_conf(source.read(self.path + CONF), self.name.script + CONF) if self.name.conf else Conf()

    @functools.cached_property
    def notes(self) -> Notes:
        """What is written above its first statement."""
        if self._small is not None and MARK not in self._small.casefold():
            return Notes()
        return read_notes(self._raw(), self.name.script)

    @functools.cached_property
    def checksum(self) -> int:
        """As the history has it."""
        return checksum(self.pieces() if self.name.kind == model.REPEATABLE else self._raw())

    def has(self, recorded: int | None) -> bool:
        """Whether a checksum of the history is this file's; that of a repeatable one may be of before its placeholders."""
        if recorded == self.checksum:
            return True
        return self.name.kind == model.REPEATABLE and recorded == checksum(self._raw())

    @property
    def phase(self) -> str:
        """C(expand), C(contract) or C(backfill)."""
        return self.notes.phase or "expand"

    @functools.cached_property
    def transactional(self) -> bool:
        """Whether it runs in one transaction with its line in the history. All of it is read for that, so that nothing of it runs
        before it could be.

        :raises SlipwayError: C(bad_input) as RV(split); for statements of both sorts where nothing is said, or in spite of what is
            said; for a transaction of its own within ours.
        """
        from .split import controls, expect_uncontrolled, transactional

        if self.notes.backfill is not None:
            return False
        said = in_transaction(self.conf, self.notes, self.name.script)
        alone, others, control = None, None, None
        for statement in self.statements():
            if not transactional(statement, self._reader.dialect, self._reader.server):
                alone = alone or statement
            else:
                others = others or statement
            if controls(statement, self._reader.dialect):
                control = control or statement
        if said is False:
            return False
        if alone is not None and self._reader.dialect == "postgresql" and (said or others):
            raise SlipwayError(
                "cannot run in a transaction, and the rest of its script would",
                obj=f"{self.name.script}:{alone.line}",
                actual=" ".join(alone.words[:4]),
                remedy="Give it a file of its own; or write -- slipway: transaction=off at the top, for statements that each"
                " stand alone.",
                cause="bad_input",
            )
        if alone is None and control is not None:
            expect_uncontrolled(control, self._reader.dialect, self.name.script)
        return alone is None

    def pieces(self, batch: int = 0) -> t.Iterator[str]:
        """The text, placeholders replaced.

        :param batch: rows of a batch, of a backfill; by default as it says itself.
        """
        none = self._small is not None and not self._reader.placeholders.may_be_in(self._small)
        if none or self.conf.replacement is False:
            return self._raw()
        usual = self.notes.backfill
        more = {BATCH: str(batch or usual.batch)} if usual else None
        return self._reader.placeholders.replace(self._raw(), self.name.script, more)

    def statements(self, batch: int = 0) -> t.Iterator[Statement]:
        """One after the other."""
        if not batch and self._few is not None:
            return iter(self._few)
        return self._split(batch)

    def last(self) -> Statement | None:
        """The last statement of a small file, if what concludes the script may be sent along with it."""
        last = self._few[-1] if self._few else None
        return last if last is not None and last.words[:1] and last.words[0] in PLAIN else None

    @functools.cached_property
    def _few(self) -> tuple[Statement, ...] | None:
        """All of a small file, whose statements are asked for again and again; the data of a COPY are read but once."""
        found = tuple(self._split(0)) if self._small is not None else None
        return None if found is None or any(one.data for one in found) else found

    def _split(self, batch: int) -> t.Iterator[Statement]:
        from .split import split

        return split(self.pieces(batch), self._reader.dialect, self.name.script)

    def _raw(self) -> t.Iterator[str]:
        return source.read(self.path, self._encoding) if self._small is None else iter((self._small,))

    @functools.cached_property
    def _small(self) -> str | None:
        """All of it where that is little, as it mostly is: to read it again takes longer than all that is done with it."""
        return source.little(self.path, SMALL, self._encoding)

    @property
    def _encoding(self) -> str:
        return self.conf.encoding or self._reader.encoding


class Scripts:
    """All files below some directories.

    :raises SlipwayError: as RV(names.scan).
    """

    def __init__(self, locations: t.Sequence[str], reader: Reader) -> None:
        self._locations = locations
        self._reader = reader

    @functools.cached_property
    def all(self) -> list[Script]:
        """In the order in which they are applied."""
        found = []
        for location in self._locations:
            found += [Script(name, os.path.join(location, name.script), self._reader) for name in names.scan(location)]
        names.expect_distinct(", ".join(self._locations), [one.name for one in found])
        return sorted(found, key=lambda one: names.order(one.name))

    def of(self, migration: Migration) -> Script:
        """The file of a migration."""
        return self._named[migration.kind, migration.script]

    @functools.cached_property
    def _named(self) -> dict[tuple[str, str], Script]:
        return {(one.name.kind, one.name.script): one for one in self.all}
