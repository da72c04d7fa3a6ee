# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing that a statement does to a schema (private to the collection)."""

from __future__ import annotations

import typing as t

from .tokens import Name


class Action(t.NamedTuple):
    """What is done, to what.

    :param kind: C(drop column), C(add check), …; what rules match.
    :param table: that it is done to, or in.
    :param name: of the column, constraint, index, …
    :param to: its new name; the table that a foreign key refers to; the column that a check says is not null.
    :param body: what it is to be, as it stands in the statement: a column's type, a constraint, …
    :param flags: what else is said, such as C(not valid).
    """

    kind: str
    line: int
    table: t.Optional[Name] = None
    name: t.Optional[Name] = None
    to: t.Optional[Name] = None
    body: str = ""
    flags: frozenset[str] = frozenset()

    def flagged(self, *flags: str) -> Action:
        """With more flags."""
        return self._replace(flags=self.flags.union(flags))
