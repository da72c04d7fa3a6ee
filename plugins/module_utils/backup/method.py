# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logical or physical backups, where a target has both (private to the collection).

A dump is compared with the very moment it is of, and takes time that grows with the database. So C(auto) takes a dump in a release
while that is quick, by what earlier ones took, and beyond that leans on a physical backup that was restored and on a restore point
made now. Timers and people take physical ones.
"""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .keeper import Keeper, Order, Outcome
from .pgbackrest_info import LABEL
from .physical import PhysicalKeeper
from .physical_restore import Target

AUTO, LOGICAL, PHYSICAL = "auto", "logical", "physical"

LIVE = (
    "Stop the services and the cluster, keep its data directory under another name, move a restored one (into_dir) to its place"
    " with its own configuration, start it, and take a full backup: it is on a new timeline."
)


class Either:
    """What C(Keeper) offers, by whichever kind of backup a question is about.

    :param logical: None where no store is named for dumps.
    :param method: C(auto), C(logical) or C(physical).
    """

    def __init__(self, logical: Keeper | None, physical: PhysicalKeeper, method: str) -> None:
        self._logical, self._physical, self._method = logical, physical, method

    def recover(self) -> list[str]:
        """As C(Keeper) does."""
        return self._logical.recover() if self._logical else []

    def present(self, order: Order, *, check: bool = False) -> Outcome:
        """A backup by the method, which is said with its reason."""
        if self._method == LOGICAL:
            return self._dumps("method is logical").present(order, check=check)
        if self._logical is None or self._method == PHYSICAL or order.patience is None:
            why = "no store for dumps is named" if order.patience else "pgBackRest is named, and this is no release"
            return self._physically("method is physical" if self._method == PHYSICAL else why, order, check)
        expected, longest = self._logical.forecast(), order.patience.seconds
        took = f"about {expected.seconds:.0f} s ({expected.basis})"
        words = f"a dump and its restore will take {took}, and a release waits {longest:.0f} s"
        if expected.seconds > longest:
            return self._physically(words, order, check)
        made = self._logical.present(order, check=check)
        return made._replace(actions=[f"logical: {words}", *made.actions], why=f"logical: {words}")

    def _physically(self, why: str, order: Order, check: bool) -> Outcome:
        self._physical.because(why)
        return self._physical.present(order, check=check)._replace(why=f"physical: {why}")

    def verified(self, wanted: str, by: str, max_age: float, *, check: bool = False) -> Outcome:
        """As C(Keeper) does, for the newest physical one by default."""
        return self._of(wanted).verified(wanted, by, max_age, check=check)

    def absent(self, wanted: str, pinned: t.Collection[str], *, check: bool = False) -> Outcome:
        """As C(Keeper) does, for dumps."""
        return self._of(wanted).absent(wanted, pinned, check=check)

    def restored(self, wanted: str, into: str, *, confirm: str, safety: bool, check: bool = False) -> Outcome:
        """As C(Keeper) does, for dumps; a physical one is never put in the place of a live cluster.

        :raises SlipwayError: C(whole_cluster).
        """
        if self._logical is None or LABEL.fullmatch(wanted):
            raise SlipwayError(
                "is a backup of a whole cluster, which is neither one database nor put in the place of a live one",
                obj=wanted,
                wanted="into_dir, a directory for a cluster beside the live one",
                remedy=LIVE,
                cause="whole_cluster",
            )
        return self._logical.restored(wanted, into, confirm=confirm, safety=safety, check=check)

    def restored_into(self, wanted: str, target: Target, *, check: bool = False) -> Outcome:
        """A cluster of its own in a new directory."""
        return self._physical.restored(wanted, target, check=check)

    def list(self) -> Outcome:
        """Both kinds, by their age."""
        physical = self._physical.list()
        dumps = self._logical.list().backups if self._logical else []
        return physical._replace(backups=sorted([*dumps, *physical.backups], key=lambda one: one.manifest.taken))

    def _of(self, wanted: str) -> Keeper | PhysicalKeeper:
        dumps = self._logical and not LABEL.fullmatch(wanted) and (wanted != "latest" or self._method == LOGICAL)
        return self._logical if dumps and self._logical else self._physical

    def _dumps(self, what: str) -> Keeper:
        if self._logical is None:
            raise SlipwayError(
                "needs a place for dumps",
                obj=what,
                actual="no store",
                remedy="Name one with store, such as {path: /var/backups/slipway}.",
                cause="bad_input",
            )
        return self._logical
