# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rule is (private to the collection)."""

from __future__ import annotations

import typing as t

from .action import Action
from .known import Known

CONTRACT = "contract"  # breaks the version that still runs
UNSAFE_LOCK = "unsafe_lock"  # keeps others from a table for as long as it takes

POSTGRESQL = ("postgresql",)
MYSQL = ("mysql", "mariadb")
SQLITE = ("sqlite",)
ALL = (*POSTGRESQL, *MYSQL, *SQLITE)


class Rule(t.NamedTuple):
    """One rule.

    :param kind: RV(CONTRACT) or RV(UNSAFE_LOCK).
    :param on: kinds of actions; none for all.
    :param says: what is done, behind the name of the script. C({table}), C({name}), C({to}), C({body}), C({short}) (the table
        without its schema) are those of the action.
    :param recipe: what to do instead.
    :param needs: flags that an action must have, all of them.
    :param unless: flags of which it may have none.
    :param when: what else must be so.
    :param fresh: whether it speaks as well of what only pending migrations have made.
    """

    name: str
    kind: str
    on: tuple[str, ...]
    says: str
    recipe: str
    dialects: tuple[str, ...] = ALL
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    when: t.Optional[t.Callable[[Action, Known], bool]] = None
    fresh: bool = False

    def speaks(self, action: Action) -> bool:
        """Whether it speaks of such an action."""
        if self.on and action.kind not in self.on:
            return False
        return action.flags.issuperset(self.needs) and not action.flags.intersection(self.unless)

    def spares(self, action: Action, known: Known) -> bool:
        """Whether it does no harm here: to what no version knows yet, or to what is there again a moment later."""
        if known.fresh(action) and not self.fresh:
            return True
        if self.kind == CONTRACT and action.kind.startswith(("drop ", "rename ", "move ")) and known.again(action):
            return True
        return self.when is not None and not self.when(action, known)


LATER = "let the statement wait for the contract phase, in a migration with -- slipway: phase=contract above it."


def filled(action: Action) -> dict[str, str]:
    """What the texts of a rule may name."""
    table = action.table or action.name
    return {
        "table": action.table.shown if action.table else "the table",
        "short": table.parts[-1] if table else "it",
        "name": action.name.shown if action.name else "it",
        "to": action.to.shown if action.to else "…",
        "body": action.body,
    }
