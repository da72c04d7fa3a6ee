# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release goes by, where a dump may take longer than it can wait (private to the collection).

A dump is compared with the very moment it is of, and takes time that grows with the database. So C(auto) takes a dump in a
release while that is quick, by what earlier ones took, and beyond that leans on what grows with the changes alone: a physical
backup and the WAL after it, a snapshot of the storage, or a dump and the binary logs after it. Each was restored before, and each
has a restore point made now. Timers and people take those that are backups of their own.
"""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .factory import METHODS
from .keeper import Keeper, Order, Outcome

if t.TYPE_CHECKING:
    from .binlog_restore import Moment
    from .incremental import Incremental
    from .physical import PhysicalKeeper
    from .physical_restore import Target
    from .prover import Copied
    from .snapshot import SnapshotKeeper

    Beyond = t.Union[PhysicalKeeper, SnapshotKeeper, Incremental]

AUTO, LOGICAL = "auto", "logical"

LIVE = (
    "Stop the services and the cluster, keep its data directory under another name, move a restored one (into_dir) to its place"
    " with its own configuration, start it, and take a full backup: it is on a new timeline."
)


class Either:
    """What C(Keeper) offers, by whichever kind of backup a question is about.

    :param logical: None where no store is named for dumps.
    :param beyond: what there is for a database that is too large for dumps.
    :param method: C(auto), C(logical), or the name of the other kind.
    :raises SlipwayError: C(bad_input) where that is not there.
    """

    def __init__(self, logical: Keeper | None, beyond: Beyond, method: str) -> None:
        self._logical, self._beyond, self._method = logical, beyond, method
        if method not in (AUTO, LOGICAL, beyond.name):
            raise SlipwayError(
                "is not there for this target",
                obj=f"method {method}",
                wanted=f"{AUTO}, {LOGICAL} or {beyond.name}",
                remedy=METHODS,
                cause="bad_input",
            )

    def recover(self) -> list[str]:
        """As C(Keeper) does."""
        return [*(self._logical.recover() if self._logical else ()), *self._beyond.recover()]

    def present(self, order: Order, *, check: bool = False) -> Outcome:
        """A backup by the method, which is said with its reason."""
        if self._method == LOGICAL:
            return self._dumps("method is logical").present(order, check=check)
        if self._logical is not None and order.patience is None and not self._beyond.apart:
            return self._logical.present(order, check=check)
        if self._method == self._beyond.name:
            return self._by_the_other(f"method is {self._method}", order, check)
        if self._logical is None or order.patience is None:
            return self._by_the_other(
                "no store for dumps is named" if order.patience else self._beyond.alone, order, check
            )
        return self._by_size(self._logical, order, order.patience.seconds, check)

    def _by_size(self, dumps: Keeper, order: Order, longest: float, check: bool) -> Outcome:
        expected = dumps.forecast()
        took = f"about {expected.seconds:.0f} s ({expected.basis})"
        words = f"a dump and its restore will take {took}, and a release waits {longest:.0f} s"
        if expected.seconds > longest:
            hindrance = self._beyond.hindrance()
            if not hindrance:
                return self._by_the_other(words, order, check)
            words = f"{words}; {hindrance}"
        made = dumps.present(order, check=check)
        return made._replace(actions=[f"logical: {words}", *made.actions], why=f"logical: {words}")

    def _by_the_other(self, why: str, order: Order, check: bool) -> Outcome:
        self._beyond.because(why)
        return self._beyond.present(order, check=check)._replace(why=f"{self._beyond.name}: {why}")

    def verified(self, wanted: str, by: str, max_age: float, *, check: bool = False) -> Outcome:
        """As C(Keeper) does, for the newest physical one by default."""
        return self._of(wanted).verified(wanted, by, max_age, check=check)

    def copied(self, wanted: str, role: str) -> t.ContextManager[Copied]:
        """As C(Keeper) does, for the newest physical one by default."""
        return self._of(wanted).copied(wanted, role)

    def absent(self, wanted: str, pinned: t.Collection[str], *, check: bool = False) -> Outcome:
        """As C(Keeper) does, for dumps."""
        return self._of(wanted).absent(wanted, pinned, check=check)

    def restored(
        self, wanted: str, into: str, *, confirm: str, safety: bool, check: bool = False, moment: Moment | None = None
    ) -> Outcome:
        """As C(Keeper) does, for dumps; a physical one is never put in the place of a live cluster.

        :param moment: up to when; only binary logs lead to one.
        :raises SlipwayError: C(whole_cluster).
        """
        if moment and not self._beyond.apart:
            logs = t.cast("Incremental", self._beyond)
            return logs.restored(wanted, into, confirm=confirm, safety=safety, check=check, moment=moment)
        if self._logical is None or self._beyond.knows(wanted):
            raise SlipwayError(
                "is a backup of a whole cluster, which is neither one database nor put in the place of a live one",
                obj=wanted,
                wanted="into_dir, a directory for a cluster beside the live one",
                remedy=LIVE,
                cause="whole_cluster",
            )
        return self._logical.restored(wanted, into, confirm=confirm, safety=safety, check=check)

    def restored_into(self, wanted: str, target: Target, *, check: bool = False) -> Outcome:
        """A cluster of its own in a new directory.

        :raises SlipwayError: C(bad_input) where there are neither physical backups nor snapshots.
        """
        return self._beyond.restored_into(wanted, target, check=check)

    def list(self) -> Outcome:
        """Both kinds, by their age."""
        other = self._beyond.list()
        if self._logical is None or not self._beyond.apart:
            return other
        dumps = self._logical.list()
        both = sorted([*dumps.backups, *other.backups], key=lambda one: one.manifest.taken)
        return other._replace(backups=both, damaged=(*dumps.damaged, *other.damaged))

    def _of(self, wanted: str) -> Keeper | Beyond:
        dumps = self._logical and not self._beyond.knows(wanted) and (wanted != "latest" or self._method == LOGICAL)
        return self._logical if dumps and self._logical else self._beyond

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
