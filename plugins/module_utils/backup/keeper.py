# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a backup, prove it, and let go of what is beyond the retention (private to the collection)."""

from __future__ import annotations

import concurrent.futures
import contextlib
import secrets
import time
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import catalog, due, retention
from .clearing import Clearing
from .codec import Codec, Counter, Meter
from .engine import Engine, Snapshot, Source
from .further import Further, Trail, expect, told
from .model import DUMP, STRENGTH, Backup, Manifest, Part, Point
from .progress import Progress
from .prover import Copied, Prover
from .restorer import Restorer, Rolled
from .store import Store


class Order(t.NamedTuple):
    """What is wanted.

    :param verify: C(none), C(read) or C(restore).
    :param max_age: seconds; a backup with that proof and not older makes a new one needless. 0 always takes one.
    :param pinned: ids of backups that the retention leaves alone.
    :param patience: where a release waits; without it a backup may take as long as it takes.
    """

    verify: str
    max_age: float
    retention: retention.Policy
    pinned: tuple[str, ...] = ()
    patience: due.Patience | None = None


class Outcome(t.NamedTuple):
    """What was done, or with check mode would be.

    :param point: a restore point that a release can be undone to.
    :param why: it is a dump or a physical backup, in words, where there is a choice.
    :param damaged: backups whose manifest cannot be read, by id, and why.
    """

    changed: bool
    actions: list[str]
    backup: Backup | None
    backups: list[Backup]
    point: Point | None = None
    why: str = ""
    damaged: tuple[tuple[str, SlipwayError], ...] = ()


class Keeper:
    """The backups of one target.

    :param engine: the database.
    :param store: where its backups are; whoever calls the methods that act holds the target's lock.
    :param codec: for new backups; old ones say themselves how they were made.
    :param progress: where it is told how far a long run is.
    :param notes: what the names of this machine's notes about unfinished work begin with; empty for no notes.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        codec: Codec,
        system: System,
        progress: Progress | None = None,
        *,
        notes: str = "",
    ) -> None:
        self._engine, self._store, self._codec, self._system = engine, store, codec, system
        self._progress = engine.progress = progress or Progress("", system)
        self._clearing = Clearing(store, system, f"{notes}.writing" if notes else "")
        self._prover = Prover(engine, store, codec, system, self._clearing)
        self._restorer = Restorer(engine, self._prover, system, self._progress, f"{notes}.restoring" if notes else "")
        self._actions: list[str] = []
        self.trail: Trail | None = None  # what leads on from a dump, and is proven with it

    # --- what is asked for

    def recover(self) -> list[str]:
        """Before anything else is done: what a killed run has left of the live database's settings."""
        done = self._restorer.recover()
        self._actions += done
        return done

    def present(self, order: Order, *, check: bool = False) -> Outcome:
        """A backup as good and as young as the order asks for.

        :raises SlipwayError: nothing that is not whole is left then, and all backups that there were, are.
        """
        known = catalog.read(self._store)
        fresh = self._fresh(known, order)
        if fresh is not None:
            self._say(f"{fresh.manifest.id} is fresh: verified by {fresh.verified_by}, {self._age(fresh)}")
            return self._outcome(fresh, changed=False)
        source = self._engine.inspect(readable=True)
        scheduled = self._scheduled(known, source, order)
        if scheduled is not None:
            return self._outcome(scheduled, changed=False)
        self._expect_room(known, source)
        if check:
            self._actions += [source.first] if source.first else []
            self._say(f"back up {_name(source)}, and verify by {order.verify}")
            self._tell(
                retention.judge(known.backups, order.retention, self._system.wall(), order.pinned), "would delete"
            )
            return self._outcome(None, changed=True)
        for done in self._clearing.clear(known, order.pinned):
            self._say(done)
        backup = self._take(known, source)
        further = self.trail.ahead(backup) if self.trail and order.patience is None else None
        if order.verify != "none":
            backup = self._prove(backup, order.verify, further)
        expect(further)
        self._prune(order, spared=backup)
        return self._outcome(backup, changed=True)

    def verified(self, wanted: str, by: str, max_age: float, *, check: bool = False) -> Outcome:
        """A proof of a backup that is there: of this strength, and not older than ``max_age`` seconds."""
        backup = catalog.read(self._store).named(wanted)
        lately = due.proven_lately(backup, by, max_age, self._system.wall())
        if lately and not (self.trail and by == "restore" and self.trail.wanting(backup)):
            self._say(lately)
            return self._outcome(backup, changed=False)
        if check:
            self._say(f"verify {backup.manifest.id} by {by}")
            return self._outcome(backup, changed=True)
        further = self.trail.ahead(backup) if self.trail and by == "restore" else None
        backup = self._prove(backup, by, further)
        expect(further)
        return self._outcome(backup, changed=True)

    @contextlib.contextmanager
    def copied(self, wanted: str, role: str) -> t.Iterator[Copied]:
        """A restored copy of a backup, as long as the context lasts; the proof of it, where it was not proven so before.

        :param role: as whom to log in to it.
        """
        backup = catalog.read(self._store).named(wanted)
        known = backup.verified_by == "restore" and not backup.failed
        with self._prover.copied(backup, role, compare=not known) as copied:
            yield copied

    def absent(self, wanted: str, pinned: t.Collection[str], *, check: bool = False) -> Outcome:
        """One backup less.

        :raises SlipwayError: C(protected) for the last verified one and for one that is pinned; why its manifest cannot be
            read, else nobody would know what it was.
        """
        known = catalog.read(self._store)
        if wanted in known.damaged:
            raise known.damaged[wanted]
        if wanted not in [backup.manifest.id for backup in known.backups]:
            self._say(f"{wanted} is not there")
            return self._outcome(None, changed=False)
        why = retention.protected(known.backups, pinned).get(wanted)
        if why:
            raise SlipwayError(
                "is not deleted",
                obj=wanted,
                actual=why,
                remedy="Take and verify a newer one first, or let go of the release that it belongs to.",
                cause="protected",
            )
        self._say(f"delete {wanted}")
        if not check:
            self._remove([known.named(wanted)])
        return self._outcome(None, changed=True)

    def restored(
        self, wanted: str, into: str, *, confirm: str, safety: bool, check: bool = False, rolled: Rolled | None = None
    ) -> Outcome:
        """A backup restored beside the live database, or without ``into`` in its place.

        :param confirm: the live database's name, where that is replaced.
        :param safety: take a backup of the live database first, where that is replaced.
        :param rolled: see RV(Restorer.beside).
        :raises SlipwayError: C(unconfirmed), C(other_engine), C(newer_server), C(in_use), C(bad_backup), …; the live
            database is as it was then.
        """
        known = catalog.read(self._store)
        backup, live = known.named(wanted), self._engine.database
        source = self._engine.inspect(readable=safety and not into)
        self._expect_restorable(backup, source)
        self._prover.expect_stored(backup)
        if not into and confirm != live:
            raise SlipwayError(
                "would be replaced",
                obj=live,
                actual=f"confirm: {confirm!r}",
                wanted=f"confirm: {live!r}",
                remedy="Say its name with confirm, or name a new database with into.",
                cause="unconfirmed",
            )
        if into:
            self._restorer.expect_free(into)
        if check:
            self._say(f"restore {backup.manifest.id} into {into or live}")
            return self._outcome(backup, changed=True)
        if not into and safety:
            self._prove(self._take(known, source), "read")
        for done in self._restorer.beside(backup, into, rolled) if into else self._restorer.over(backup, rolled):
            self._say(done)
        return self._outcome(backup, changed=True)

    def list(self) -> Outcome:
        """Everything that is there; changes nothing."""
        return self._outcome(None, changed=False)

    def forecast(self) -> due.Forecast:
        """How long a backup of the database as it is now, and its restore, will take."""
        return due.forecast(catalog.read(self._store).backups, self._engine.inspect().size)

    # --- how it is done

    def _fresh(self, known: catalog.Catalog, order: Order) -> Backup | None:
        newest = known.newest()
        if newest is None or not order.max_age:
            return None
        strong = STRENGTH.index(newest.verified_by) >= STRENGTH.index(order.verify)
        # One from the future says that a clock went back: how old it is nobody knows.
        return newest if strong and 0 <= self._system.wall() - newest.manifest.taken <= order.max_age else None

    def _scheduled(self, known: catalog.Catalog, source: Source, order: Order) -> Backup | None:
        """The backup that a release leans on when one of its own would take too long."""
        if order.patience is None:
            return None
        expected, now = due.forecast(known.backups, source.size), self._system.wall()
        chosen = due.instead(known.backups, expected, order.patience, now)
        if chosen is None:
            self._say(f"a backup will take about {expected.seconds:.0f} s ({expected.basis})")
        else:
            self._say(due.predicted_too_long(expected, chosen, now))
        return chosen

    def _expect_room(self, known: catalog.Catalog, source: Source) -> None:
        room, newest = self._store.room(), known.newest()
        needed = int(newest.manifest.size * 1.2) if newest is not None else source.size // LEAST
        if room is not None and room < needed:
            raise SlipwayError(
                "has no room for another backup",
                obj=self._store.url(""),
                actual=f"{room} bytes free",
                wanted=f"about {needed} bytes",
                remedy="Free space there, shorten the retention, or choose another store.",
                cause="no_space",
            )

    def _take(self, known: catalog.Catalog, source: Source) -> Backup:
        taken, started = self._system.wall(), self._system.monotonic()
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(taken))}-{secrets.token_hex(3)}"
        parts: dict[str, Part] = {}
        with self._clearing.writing(name):
            try:
                with self._engine.snapshot() as snapshot:
                    facts = self._dump(name, snapshot, parts, expected_size(known, source))
                    position = snapshot.position
                manifest = Manifest(
                    id=name,
                    number=max([backup.manifest.number for backup in known.backups] or [0]) + 1,
                    engine=self._engine.name,
                    format=self._engine.format,
                    taken=taken,
                    seconds=round(self._system.monotonic() - started, 3),
                    source={**source.where, "size": source.size},
                    server=source.server,
                    client=source.client,
                    position=position,
                    compression=self._codec.method,
                    recipients=list(self._codec.recipients),
                    facts=facts,
                    parts=parts,
                )
                catalog.write_manifest(self._store, manifest)
            except BaseException:
                with contextlib.suppress(SlipwayError):  # what stopped it says more, and the next run clears up
                    for what in (catalog.MANIFEST, *parts):  # that may be there although the store said no word of it
                        self._store.delete(catalog.key_of(name, what))
                raise
        self._say(f"backed up {_name(source)} as {name}: {parts[DUMP].plain_size} bytes, {manifest.size} stored")
        return Backup(manifest)

    def _prove(self, backup: Backup, by: str, further: Further | None = None) -> Backup:
        proven = self._prover.prove(backup, by, further)
        took = f": restored in {proven.restore_seconds:.1f} s" if by == "restore" else ""
        self._say(f"{backup.manifest.id} is good, by {by}{took}")
        self._actions += told(further)
        return proven

    def _dump(self, name: str, snapshot: Snapshot, parts: dict[str, Part], expected: int) -> dict[str, t.Any]:
        """Write all parts, while the facts are asked for beside it."""
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
            facts = pool.submit(snapshot.facts)
            try:
                parts[DUMP] = self._put(name, DUMP, self._progress.through("dumped", expected, snapshot.dump()))
            except BaseException:
                snapshot.cancel()
                raise
            known = facts.result()
        if parts[DUMP].plain_size < self._engine.floor:
            raise SlipwayError(
                "the dump is too small to be one",
                obj=name,
                actual=f"{parts[DUMP].plain_size} bytes",
                wanted=f"at least {self._engine.floor}",
                cause="too_small",
            )
        for what, content in snapshot.beside().items():
            parts[what] = self._put(name, what, content)
        return snapshot.completed(known)

    def _put(self, name: str, what: str, content: t.Iterator[bytes]) -> Part:
        key, plain, stored = catalog.key_of(name, what), Counter(), Meter()
        self._store.put(key, stored.through(self._codec.encode(plain.through(content))))
        return Part(key, stored.size, stored.sha256, plain.size)

    def _expect_restorable(self, backup: Backup, source: Source) -> None:
        """What can be known before anything is touched."""
        manifest = backup.manifest
        if manifest.engine != self._engine.name:
            raise SlipwayError(
                "is a backup of another kind of database",
                obj=manifest.id,
                actual=manifest.engine,
                wanted=self._engine.name,
                remedy="Choose a backup of this kind.",
                cause="other_engine",
            )
        if _major(manifest.server) > _major(source.server):
            raise SlipwayError(
                "is a backup of a newer server",
                obj=manifest.id,
                actual=manifest.server,
                wanted=f"at most {_major(source.server)}",
                remedy="Restore it on a server of that version or a newer one.",
                cause="newer_server",
            )

    def _prune(self, order: Order, spared: Backup) -> None:
        known = catalog.read(self._store)
        pinned = {*order.pinned, spared.manifest.id}
        verdicts = retention.judge(known.backups, order.retention, self._system.wall(), pinned)
        self._tell(verdicts, "deleted")
        self._remove([verdict.backup for verdict in verdicts if not verdict.stays])

    def _remove(self, backups: t.Sequence[Backup]) -> None:
        if backups:
            with self._clearing.writing(*(backup.manifest.id for backup in backups)):
                for backup in backups:
                    catalog.remove(self._store, backup)

    # --- what is said

    def _tell(self, verdicts: t.Iterable[retention.Verdict], verb: str) -> None:
        for verdict in verdicts:
            if not verdict.stays:
                self._say(f"{verb} {verdict.backup.manifest.id}: {verdict.why}")

    def _age(self, backup: Backup) -> str:
        return f"{self._system.wall() - backup.manifest.taken:.0f} s old"

    def _say(self, action: str) -> None:
        self._actions.append(action)

    def _outcome(self, backup: Backup | None, *, changed: bool) -> Outcome:
        known = catalog.read(self._store)
        return Outcome(changed, self._actions, backup, known.backups, damaged=tuple(known.damaged.items()))


LEAST = 20  # a dump is hardly ever smaller than one part in so many of its database


def expected_size(known: catalog.Catalog, source: Source) -> int:
    """Bytes of the next dump: as many as the last one had of its database, else as the database has."""
    newest = known.newest()
    then = int(newest.manifest.source.get("size") or 0) if newest else 0
    return source.size * newest.manifest.parts[DUMP].plain_size // then if newest and then else source.size


def _major(version: str) -> int:
    return int(version.partition(".")[0] or 0)


def _name(source: Source) -> str:
    return f"{source.where.get('database')} of {source.where.get('host')}"
