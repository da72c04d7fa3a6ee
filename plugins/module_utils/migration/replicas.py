# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether replicas follow what is written, and waiting until they do (private to the collection).

How far a replica is behind is measured here: by the oldest of our own changes that it does not have. What the server tells of it
stays as it is for one that has stopped, and is nothing for one that has just caught up (PostgreSQL manual, "pg_stat_replication").
"""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..system import System
from .database import Database

USUAL = 10.0  # seconds that a replica may be behind
AGAIN = 0.5
PATIENCE = 600.0  # seconds of waiting without a batch, after which a replica has stopped rather than is slow


class Replication(t.NamedTuple):
    """What the server that is written to knows.

    :param written: the position of what was written last.
    :param replayed: that of the replica that is farthest behind; None where there is no replica.
    :param hidden: whether there are some that this user may not look at.
    """

    written: int
    replayed: t.Optional[int] = None
    hidden: bool = False


class Replicas:
    """Those of one database.

    :param most: seconds that one may be behind.
    """

    def __init__(self, database: Database, system: System, most: float) -> None:
        self._database, self._system, self._most = database, system, most
        self._marks: list[
            tuple[int, float]
        ] = []  # positions that not all replicas have reached, and when they were written

    @classmethod
    def of(cls, database: Database, system: System, most: float | None, obj: str) -> Replicas | None:
        """None where nobody can tell, or nobody has asked.

        :param most: None for the usual.
        :param obj: what has asked, for a message.
        :raises SlipwayError: C(bad_input), C(denied) where RV(most) cannot be kept.
        """
        now = database.replication()
        if now is not None and not now.hidden:
            return cls(database, system, USUAL if most is None else most)
        if most is None or (now is None and database.dialect == "sqlite"):
            return None
        raise SlipwayError(
            "says how far replicas may be behind, and that cannot be seen here",
            obj=obj,
            actual=f"max_lag={most:g}",
            wanted="a user that may read pg_stat_replication" if now else "PostgreSQL",
            remedy="GRANT pg_read_all_stats TO the user." if now else "Take max_lag away, and write pause= for it.",
            cause="denied" if now else "bad_input",
        )

    def behind(self) -> float:
        """Seconds since the first of our changes that some replica does not have; 0 when all have all."""
        now = self._database.replication()
        if now is None or now.replayed is None:
            self._marks.clear()
            return 0.0
        moment = self._system.monotonic()
        self._marks.append((now.written, moment))
        self._marks = [mark for mark in self._marks if mark[0] > (now.replayed or 0)]
        return moment - self._marks[0][1] if self._marks else 0.0

    def wait(self, deadline: float | None, say: t.Callable[[str], None]) -> None:
        """Until all are near enough, or until a moment of RV(System.monotonic).

        :param say: told what is waited for.
        :raises SlipwayError: C(replica_lag) for one that does not come nearer.
        """
        began = self._system.monotonic()
        while True:
            behind = self.behind()
            now = self._system.monotonic()
            if behind <= self._most or (deadline is not None and now >= deadline):
                return
            if now - began >= PATIENCE:
                raise SlipwayError(
                    "a replica does not follow",
                    obj="pg_stat_replication",
                    actual=f"{behind:.0f} s behind",
                    wanted=f"{self._most:g} s at most",
                    remedy="See why it does not replay, or drop what it left behind.",
                    cause="replica_lag",
                )
            say(f"waits for a replica that is {behind:.0f} s behind")
            self._system.sleep(AGAIN if deadline is None else max(0.0, min(AGAIN, deadline - now)))
