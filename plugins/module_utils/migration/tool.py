# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool that changes schemas must be able to do (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from .conf import Notes
from .model import Report, Status

if t.TYPE_CHECKING:
    from .splitter import Statement

STATES = ("latest", "target", "status", "undone", "baselined", "repaired")


class Order(t.NamedTuple):
    """What is wanted.

    :param target: version up to and with which to apply or undo; empty for all, or for the last one alone.
    :param phase: C(expand), C(contract), C(backfill) or C(all).
    :param timeout: seconds for all of it; 0 for no limit.
    """

    state: str = "latest"
    target: str = ""
    phase: str = "all"
    timeout: float = 0.0


class Text(t.NamedTuple):
    """The SQL of one migration.

    :param script: its name, as people know it.
    :param pieces: of the SQL, placeholders replaced.
    :param notes: the annotations above it.
    :param whole: whether it runs in one transaction.
    :param statements: of the SQL, where it has been taken apart.
    """

    script: str
    pieces: t.Iterable[str]
    notes: Notes = Notes()
    whole: bool = True
    statements: t.Optional[t.Iterable[Statement]] = None


class Sources(t.NamedTuple):
    """What the lint looks at.

    :param texts: of the migrations that would be applied, in order.
    :param server: major version of PostgreSQL.
    :param tables: that the database has, without those of the history; None where nobody asked it.
    :param comment: what annotations begin with in the files of migrations.
    """

    texts: t.Sequence[Text]
    dialect: str
    server: int = 0
    tables: t.Optional[frozenset[str]] = None
    comment: str = "--"


class Tool(abc.ABC):
    """One tool, one database, and the migrations of one version of a program."""

    name: t.ClassVar[str]
    comment: t.ClassVar[str] = "--"  # what one in a file of a migration begins with
    say: t.Callable[[str], None] = staticmethod(lambda _text: None)  # told how far a long one is, where a tool knows
    begun: t.Callable[[str], None] = staticmethod(
        lambda _script: None
    )  # told each script that is at work, where a tool knows

    @abc.abstractmethod
    def status(self) -> Status:
        """Read files and history; nothing is created, the history's table included.

        :raises SlipwayError: C(unreachable), C(login), C(tool_missing), C(bad_input), …
        """

    @abc.abstractmethod
    def preview(self, order: Order) -> str:
        """The exact SQL that RV(apply) would run, as far as the tool can tell; nothing is run."""

    @abc.abstractmethod
    def apply(self, order: Order) -> Report:
        """Do what is wanted, one at a time on a database.

        :raises SlipwayError: C(migration_failed) with script, line and the database's words; C(dirty); C(lock_held); …
        """

    def sources(self, _order: Order) -> Sources | None:
        """The SQL that RV(apply) would run, for the lint; None where the tool cannot tell."""
        return None
