# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Physical backups of a PostgreSQL cluster by pgBackRest: taken, proven, leaned on, brought back (private to the collection).

What it answers has the shape of what C(Keeper) answers, so that people, releases and timers read one thing.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import due, physical_point
from .keeper import Order, Outcome
from .model import STRENGTH, Backup, Point, Proof
from .pgbackrest import PgBackRest
from .pgbackrest_info import LABEL, Stanza, backup_of, versions_of
from .physical_point import Cluster
from .physical_prover import PhysicalProver
from .physical_records import Records
from .physical_restore import Target, restore_into
from .postgresql import PostgreSQL
from .prover import SURE, Copied

# Causes that say something about the backup or its WAL, and not about the place where it was looked at.
BAD = (*SURE, "wal_missing")


Backups = list[Backup]


class PhysicalKeeper:
    """The physical backups of one target; whoever calls the methods that act holds its lock.

    :param engine: the live database.
    :param records: what was found out about them.
    :param release: the release that this is for; empty without one.
    """

    name = "physical"
    alone = "pgBackRest is named, and this is no release"
    apart = True

    def __init__(
        self,
        engine: PostgreSQL,
        backrest: PgBackRest,
        records: Records,
        system: System,
        *,
        release: str = "",
    ) -> None:
        self._engine, self._backrest, self._records, self._system = engine, backrest, records, system
        self._prover = PhysicalProver(engine, backrest, system)
        self._release, self._why = release, ""
        self._actions: list[str] = []
        self._point: Point | None = None  # the one that was made for a release

    # --- what is asked for

    def knows(self, wanted: str) -> bool:
        """Whether an id is that of a physical backup."""
        return LABEL.fullmatch(wanted) is not None

    def hindrance(self) -> str:
        """Nothing is in the way of using them from the beginning."""
        return ""

    def recover(self) -> list[str]:
        """Nothing of theirs is left by a killed run that the next one would not find by itself."""
        return []

    def because(self, why: str) -> None:
        """Say why physical backups are what is used."""
        self._why = why
        self._say(f"physical: {why}")

    def present(self, order: Order, *, check: bool = False) -> Outcome:
        """A backup as good and as young as the order asks for; for a release, one to lean on and a restore point.

        :raises SlipwayError: C(stanza_missing), C(archive_off), C(archive_broken), C(other_cluster), C(no_fresh_backup), …
        """
        stanza, known = self._read()
        if order.patience is not None:
            return self._lean(stanza, known, order.patience, check=check)
        fresh = self._fresh(known, order)
        if fresh is not None:
            self._say(f"{fresh.manifest.id} is fresh: verified by {fresh.verified_by}, {self._age(fresh)}")
            return self._outcome(fresh, known, changed=False)
        cluster = self._expect_usable(stanza)
        if check:
            self._say(f"back up {self._where()} by pgBackRest, and verify by {order.verify}")
            return self._outcome(None, known, changed=True)
        self._backrest.check()
        backup = self._take(known, order.pinned)
        if order.verify != "none":
            backup = self._prove(backup, order.verify, cluster, stanza)
        known = self._read()[1]
        self._records.forget([one.manifest.id for one in known])
        return self._outcome(backup, known, changed=True)

    def verified(self, wanted: str, by: str, max_age: float, *, check: bool = False) -> Outcome:
        """A proof of a backup that is there: of this strength, and not older than ``max_age`` seconds."""
        stanza, known = self._read()
        backup = _named(known, wanted)
        lately = due.proven_lately(backup, by, max_age, self._system.wall())
        if lately:
            self._say(lately)
            return self._outcome(backup, known, changed=False)
        cluster = self._expect_usable(stanza)
        if check:
            self._say(f"verify {backup.manifest.id} by {by}")
            return self._outcome(backup, known, changed=True)
        proven = self._prove(backup, by, cluster, stanza)
        return self._outcome(proven, self._read()[1], changed=True)

    @contextlib.contextmanager
    def copied(self, wanted: str, role: str) -> t.Iterator[Copied]:
        """A restored copy, as long as the context lasts: by default of the newest one that was restored before.

        :param role: as whom to log in to it.
        """
        stanza, known = self._read()
        proven = [one for one in known if one.verified_by == "restore" and not one.failed]
        backup = proven[-1] if wanted == "latest" and proven else _named(known, wanted)
        with self._prover.tried(backup, self._expect_usable(stanza), role) as where:
            yield Copied(backup, where)

    def absent(self, wanted: str, _pinned: t.Collection[str], *, check: bool = False) -> Outcome:
        """Never: others may stand on it, and which stay is a matter of pgBackRest's own retention."""
        del check
        raise SlipwayError(
            "is not deleted by Slipway",
            obj=wanted,
            actual="a backup of pgBackRest",
            remedy=f"Let its own retention do it, or: {self._backrest.shown('expire', f'--set={wanted}')}",
            cause="not_ours",
        )

    def restored_into(self, wanted: str, target: Target, *, check: bool = False) -> Outcome:
        """A cluster of its own in a new directory, as it was at a moment; started once to see that it comes up, and left stopped.

        :raises SlipwayError: C(exists), C(bad_input), C(no_space), C(wal_missing), C(too_early), C(damaged), …
        """
        known = self._read()[1]
        backup, found = target.choose(known, self._records.points(), wanted)
        self._say(f"{'would restore' if check else 'restore'} {backup.manifest.id} into {target.into}, {found.words}")
        if not check:
            for line in restore_into(backup, found, self._prover):
                self._say(line)
        return self._outcome(backup, known, changed=True)

    def list(self) -> Outcome:
        """Everything that is there; changes nothing."""
        return self._outcome(None, self._read()[1], changed=False)

    # --- a release

    def _lean(self, stanza: Stanza, known: Backups, patience: due.Patience, *, check: bool) -> Outcome:
        """The newest backup that was restored, and a restore point now, from which a release can be undone."""
        chosen = due.fresh(known, patience, self._system.wall(), self._why or "no physical one is taken in a release")
        self._expect_usable(stanza)
        name = physical_point.name_of(
            self._release or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._system.wall()))
        )
        if check:
            self._say(f"lean on {chosen.manifest.id}, {self._age(chosen)}, and make the restore point {name}")
            return self._outcome(chosen, known, changed=True)
        login = self._engine.login
        point = physical_point.make(login, name, known[-1].manifest.id, self._system)
        took = physical_point.await_archived(login, point, self._backrest, stanza.archives, self._system)
        self._records.add(point.backup, point)
        self._point = point
        self._say(
            f"lean on {chosen.manifest.id}, {self._age(chosen)}, restored in {chosen.restore_seconds:.1f} s; restore point {name}"
            f" at {point.lsn}, whose WAL was archived in {took:.1f} s"
        )
        return self._outcome(chosen, known, changed=True)

    # --- how it is done

    def _read(self) -> tuple[Stanza, Backups]:
        stanza, text = self._backrest.stanza()
        versions = versions_of(text, self._backrest.order.stanza)
        where = self._engine.login.where
        found = [backup_of(record, number, where, versions) for number, record in enumerate(stanza.backups, start=1)]
        return stanza, [self._records.with_proofs(backup) for backup in found]

    def _expect_usable(self, stanza: Stanza) -> Cluster:
        cluster = physical_point.look(self._engine.login)
        physical_point.expect_archiving(cluster, stanza.system, self._backrest.order.stanza)
        return cluster

    def _fresh(self, known: Backups, order: Order) -> Backup | None:
        good = [backup for backup in known if not backup.failed]
        if not good or not order.max_age:
            return None
        strong = STRENGTH.index(good[-1].verified_by) >= STRENGTH.index(order.verify)
        # One from the future says that a clock went back: how old it is nobody knows.
        return good[-1] if strong and 0 <= self._system.wall() - good[-1].manifest.taken <= order.max_age else None

    def _take(self, known: Backups, pinned: t.Collection[str]) -> Backup:
        before = {backup.manifest.id for backup in known}
        held = before.intersection(pinned)
        self._backrest.backup(expires=not held)
        made = [backup for backup in self._read()[1] if backup.manifest.id not in before]
        if not made:
            raise SlipwayError(
                "says that it took a backup, and has none more than before",
                obj=f"pgbackrest, stanza {self._backrest.order.stanza}",
                remedy=f"See {self._backrest.shown('info')}",
                cause="command_failed",
            )
        backup = made[-1]
        manifest = backup.manifest
        self._say(
            f"backed up {self._where()} as {manifest.id} ({manifest.format}): {manifest.parts['dump'].plain_size} of"
            f" {manifest.source['size']} bytes, {manifest.size} stored"
        )
        if held:
            self._expire(held)
        if backup.failed:
            raise self._bad(backup)
        return backup

    def _expire(self, held: t.Collection[str]) -> None:
        """Let pgBackRest's own retention do its work, unless it would take away what a kept release leans on.

        It knows no backup that stays, so nothing goes then.
        """
        lost = sorted({*self._backrest.doomed()}.intersection(held))
        if lost:
            self._say(f"left pgBackRest's retention out: {', '.join(lost)} would go, and a kept release leans on it")
        else:
            self._backrest.expire()

    def _prove(self, backup: Backup, by: str, cluster: Cluster, stanza: Stanza) -> Backup:
        """Look at a backup, and write down what was found.

        :raises SlipwayError: what is wrong with it.
        """
        label, started = backup.manifest.id, self._system.wall()
        if backup.proofs and not backup.proofs[0].ok and backup.proofs[0].at == backup.manifest.taken:
            raise self._bad(backup)
        seconds, words = 0.0, ""
        try:
            if by == "restore":
                found = self._prover.restore(backup, cluster, stanza.archives)
                seconds, words = found.seconds, f": restored up to {found.point.lsn} in {found.seconds:.1f} s"
                if found.changed:
                    words += f"; changed meanwhile, so only read: {', '.join(found.changed)}"
            else:
                self._read_whole(backup)
        except SlipwayError as error:
            if error.cause in BAD:
                self._records.add(label, Proof(by, False, started, 0.0, error.message))
            raise
        proof = Proof(by, True, self._system.wall(), round(seconds, 3))
        self._records.add(label, proof)
        self._say(f"{label} is good, by {by}{words}")
        return backup._replace(proofs=(*backup.proofs, proof))

    def _read_whole(self, backup: Backup) -> None:
        stanza = self._backrest.stanza()[0]
        record = next((one for one in stanza.backups if one["label"] == backup.manifest.id), None)
        if record is None:
            raise SlipwayError("is no longer there", obj=backup.manifest.id, cause="missing")
        archive = (record["archive"]["start"], record["archive"]["stop"], stanza.archives)
        self._prover.read(backup, record is stanza.backups[-1], record["reference"] or [], archive)

    @staticmethod
    def _bad(backup: Backup) -> SlipwayError:
        return SlipwayError(
            "has pages in it whose checksums are wrong",
            obj=backup.manifest.id,
            actual=backup.proofs[0].problem,
            remedy="The live cluster has damaged pages: see what pgBackRest's log names, and check its disk, now.",
            cause="bad_backup",
        )

    # --- what is said

    def _where(self) -> str:
        where = self._engine.login.where
        return f"the cluster of {where['database']} on {where['host']}"

    def _age(self, backup: Backup) -> str:
        return f"{self._system.wall() - backup.manifest.taken:.0f} s old"

    def _say(self, action: str) -> None:
        self._actions.append(action)

    def _outcome(self, backup: Backup | None, known: Backups, *, changed: bool) -> Outcome:
        return Outcome(changed, self._actions, backup, known, self._point)


def _named(known: t.Sequence[Backup], wanted: str) -> Backup:
    """The one with a label, or the newest good one for C(latest).

    :raises SlipwayError: C(missing).
    """
    good = [backup for backup in known if not backup.failed]
    if wanted == "latest" and good:
        return good[-1]
    for backup in known:
        if backup.manifest.id == wanted:
            return backup
    raise SlipwayError(
        "no such backup",
        obj=wanted,
        actual=", ".join(backup.manifest.id for backup in known) or "none at all",
        remedy="List them with state: listed.",
        cause="missing",
    )
