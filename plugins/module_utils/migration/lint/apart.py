# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL that a tool shows of all that is pending, taken apart into migrations (private to the collection)."""

from __future__ import annotations

import typing as t

from ..conf import Notes
from ..model import Migration
from ..tool import Text


def texts_of(sql: str, wanted: t.Sequence[Migration]) -> list[Text]:
    """One for each migration of which it shows something.

    :param sql: with a comment above each migration whose last word is its name or version, as Alembic, Django and Liquibase write
        them. What stands above the first belongs to it.
    :param wanted: what it shows.
    """
    names = {name: one for one in wanted for name in (one.script, one.version) if name}
    found: list[tuple[Migration, list[str]]] = []
    head: list[str] = []
    for line in sql.splitlines(keepends=True):
        word = line.split()[-1] if line.startswith("--") else ""
        if word in names:
            found.append((names[word], [] if found else head))
        (found[-1][1] if found else head).append(line)
    if not found and wanted and any(line.strip() and not line.startswith("--") for line in head):
        found.append((wanted[-1], head))
    notes = {"contract": Notes(phase="contract")}
    return [Text(one.label, lines, notes.get(one.phase, Notes()), one.transactional) for one, lines in found]
