# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a PostgreSQL cluster by its storage: taken, proven, leaned on, brought back (private to the collection).

What it answers has the shape of what C(Keeper) answers, so that people, releases and timers read one thing. What is known of a
snapshot stands in the store; what there is, only the storage can tell.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import catalog, due, retention
from .catalog import Catalog
from .keeper import Order, Outcome
from .model import DUMP, STRENGTH, Backup, Manifest, Part, Point, Proof
from .physical_looks import preload
from .physical_point import owned
from .physical_restore import Target, how_to_start
from .postgresql import PostgreSQL
from .prover import SURE, Copied
from .scratch_place import place
from .scratch_server import SOCKETS
from .snapshot_clone import Clones, Undone
from .snapshot_commands import Storage
from .snapshot_left import Left
from .snapshot_prover import Live, SnapshotProver
from .store import Store

NAME = "snapshot"
NO_ARCHIVE = (
    "\n# Written by Slipway: a copy must not write into the archive of the live cluster.\narchive_mode = 'off'\n"
)

Words = list[str]
Verdicts = list[retention.Verdict]


class SnapshotKeeper:
    """The snapshots of one target; whoever calls the methods that act holds its lock.

    :param engine: the live database.
    :param storage: what has the snapshots.
    :param store: what is known of them.
    :param undone: what this machine has begun.
    """

    name = NAME
    alone = "snapshots are what is named, and this is no release"
    apart = True

    def __init__(self, engine: PostgreSQL, storage: Storage, store: Store, undone: Undone, system: System) -> None:
        self._engine, self._storage, self._store, self._undone = engine, storage, store, undone
        self._system = system
        self._clones = Clones(storage, undone)
        self._prover = SnapshotProver(engine, self._clones, system)
        self._left = Left(storage, store, undone, self._clones)
        self._actions: list[str] = []
        self._why = ""
        self._point: Point | None = None  # the snapshot that was made for a release

    # --- what is asked for

    def knows(self, wanted: str) -> bool:
        """Whether an id is that of a snapshot."""
        known = catalog.read(self._store)
        return wanted in known.damaged or wanted in [one.manifest.id for one in known.backups]

    def hindrance(self) -> str:
        """Nothing is in the way of using them from the beginning."""
        return ""

    def because(self, why: str) -> None:
        """Say why snapshots are what is used."""
        self._why = why
        self._say(f"{NAME}: {why}")

    def recover(self) -> Words:
        """Let go of what a killed run has left; what was done, or why it could not be, in words."""
        try:
            done = self._left.clear()
        except SlipwayError as error:  # the database must be recovered all the same
            done = [f"left as it is: {error.message}"]
        self._actions += done
        return done

    def present(self, order: Order, *, check: bool = False) -> Outcome:
        """A snapshot as good and as young as the order asks for; for a release, one to lean on and one made now.

        :raises SlipwayError: C(no_fresh_backup), C(standby), C(command_failed), C(timeout), C(bad_backup), …
        """
        known, there = self._read()
        if order.patience is not None:
            return self._lean(known, order.patience, check=check)
        fresh = self._fresh(known, order)
        if fresh is not None:
            self._say(f"{fresh.manifest.id} is fresh: verified by {fresh.verified_by}, {self._age(fresh)}")
            return self._outcome(fresh, known, changed=False)
        live = self._prover.live()
        if check:
            self._say(f"snapshot {self._where()}, and verify by {order.verify}")
            self._tell(known, order, "would remove")
            return self._outcome(None, known, changed=True)
        self._expect_clear()
        backup = self._take(known, live, counted=True)
        if order.verify != "none":
            backup = self._prove(backup, live, new=True)
        known, there = self._read()
        for verdict in self._tell(known, order, "removed", spared=backup.manifest.id):
            self._remove(verdict.backup, there)
        return self._outcome(backup, self._read()[0], changed=True)

    def verified(self, wanted: str, by: str, max_age: float, *, check: bool = False) -> Outcome:
        """A proof of a snapshot that is there: of this strength, and not older than ``max_age`` seconds."""
        known, _there = self._read()
        backup = self._newest_counted(known) if wanted == "latest" else known.named(wanted)
        lately = due.proven_lately(backup, by, max_age, self._system.wall())
        if lately:
            self._say(lately)
            return self._outcome(backup, known, changed=False)
        live = self._prover.live()
        if check:
            self._say(f"verify {backup.manifest.id} by {by}")
            return self._outcome(backup, known, changed=True)
        self._expect_clear()
        return self._outcome(self._prove(backup, live, new=False), self._read()[0], changed=True)

    @contextlib.contextmanager
    def copied(self, wanted: str, role: str) -> t.Iterator[Copied]:
        """A server on a clone, as long as the context lasts; of a snapshot that is not proven thereby.

        :param role: as whom to log in to it.
        """
        self._expect_clear()
        known, there = self._read()
        backup = known.named(wanted)
        name = backup.manifest.id
        path = os.path.join(self._engine.scratch_dir, self._storage.name_of(name))
        with contextlib.ExitStack() as until:
            yield Copied(backup, until.enter_context(self._prover.tried(backup, there[name], path, role)))

    def absent(self, wanted: str, pinned: t.Collection[str], *, check: bool = False) -> Outcome:
        """One snapshot less, or what is known of one that is gone.

        :raises SlipwayError: C(protected), C(command_failed), why its manifest cannot be read.
        """
        there, every = self._storage.there(), catalog.read(self._store)
        known = self._those(every, there)
        if wanted in every.damaged:
            raise every.damaged[wanted]
        found = {one.manifest.id: one for one in every.backups}.get(wanted)
        if found is None:
            self._say(f"{wanted} is not there")
            return self._outcome(None, known, changed=False)
        why = retention.protected(known.backups, pinned).get(wanted)
        if why:
            raise SlipwayError(
                "is not deleted",
                obj=wanted,
                actual=why,
                remedy="Take and verify a newer one first, or let go of the release that it belongs to.",
                cause="protected",
            )
        self._say(f"remove {wanted}" if wanted in there else f"forget {wanted}, whose snapshot is gone")
        if not check:
            self._expect_clear()
            self._remove(found, there)
        return self._outcome(None, self._read()[0], changed=True)

    def restored_into(self, wanted: str, target: Target, *, check: bool = False) -> Outcome:
        """A clone that stays, started once to see that it comes up, and left stopped.

        :raises SlipwayError: C(missing), C(bad_input), C(exists), C(not_apart), C(bad_backup), …
        """
        known, there = self._read()
        if target.time or target.lsn:
            raise SlipwayError(
                "cannot be reached",
                obj="target_time or target_lsn",
                actual="a snapshot is of one moment",
                wanted="id, or target_name with that of a release",
                remedy="List them with state: listed.",
                cause="bad_input",
            )
        backup = known.named(target.name or wanted)
        if not os.path.isabs(target.into) or not os.path.isdir(os.path.dirname(target.into)):
            raise SlipwayError(
                "cannot be used",
                obj="into_dir",
                actual=target.into,
                wanted="an absolute path in a directory that is there",
                remedy="Correct it.",
                cause="bad_input",
            )
        self._say(f"{'would clone' if check else 'clone'} {backup.manifest.id} to {target.into}")
        if not check:
            self._expect_clear()
            self._stay(backup, there[backup.manifest.id], target.into)
        return self._outcome(backup, known, changed=True)

    def list(self) -> Outcome:
        """Everything that is there; changes nothing."""
        known, there = self._read()
        every = catalog.read(self._store)
        noted = {*every.damaged, *(one.manifest.id for one in every.backups)}
        for one in sorted({*there} - noted):
            self._say(f"the storage has {self._storage.name_of(one)}, of which nothing is known here; it is left alone")
        return self._outcome(None, known, changed=False)

    # --- a release

    def _lean(self, known: Catalog, patience: due.Patience, *, check: bool) -> Outcome:
        """The newest snapshot that was proven, and one made now, from which a release can be undone."""
        why = self._why or "none is drilled in a release"
        chosen = due.fresh(known.backups, patience, self._system.wall(), why)
        live = self._prover.live()
        if check:
            self._say(f"lean on {chosen.manifest.id}, {self._age(chosen)}, and make a snapshot")
            return self._outcome(chosen, known, changed=True)
        self._expect_clear()
        made = self._take(known, live, counted=False).manifest
        self._point = Point(made.id, made.position, "", made.taken, chosen.manifest.id)
        self._say(
            f"lean on {chosen.manifest.id}, {self._age(chosen)}, which came up in {chosen.restore_seconds:.1f} s; restore point"
            f" {made.id} at {made.position}, made in {made.seconds:.1f} s"
        )
        return self._outcome(chosen, self._read()[0], changed=True)

    # --- how it is done

    def _read(self) -> tuple[Catalog, dict[str, str]]:
        """What is known of the snapshots that there are, and what there is; those that are gone count as damaged."""
        there = self._storage.there()
        return self._those(catalog.read(self._store), there), there

    def _those(self, known: Catalog, there: t.Collection[str]) -> Catalog:
        gone = [one.manifest.id for one in known.backups if one.manifest.id not in there]
        found = [one for one in known.backups if one.manifest.id in there]
        return known._replace(backups=found, damaged={**known.damaged, **{one: self._gone(one) for one in gone}})

    def _gone(self, snapshot: str) -> SlipwayError:
        return SlipwayError(
            "is gone: the storage does not have it any more, and it was not Slipway that removed it",
            obj=snapshot,
            wanted=f"{self._storage.name_of(snapshot)} in what {self._storage.shown('list')} says",
            remedy="See who has removed it. When that is known, state: absent forgets it.",
            cause="snapshot_missing",
        )

    def _fresh(self, known: Catalog, order: Order) -> Backup | None:
        counted = [one for one in known.backups if "before" in one.manifest.facts and not one.failed]
        if not counted or not order.max_age:
            return None
        strong = STRENGTH.index(counted[-1].verified_by) >= STRENGTH.index(order.verify)
        # One from the future says that a clock went back: how old it is nobody knows.
        young = 0 <= self._system.wall() - counted[-1].manifest.taken <= order.max_age
        return counted[-1] if strong and young else None

    @staticmethod
    def _newest_counted(known: Catalog) -> Backup:
        """The newest one whose tables were counted; of the others nobody knows what they should have."""
        counted = [one for one in known.backups if "before" in one.manifest.facts]
        return known._replace(backups=counted).named("latest")

    def _take(self, known: Catalog, live: Live, *, counted: bool) -> Backup:
        source = self._engine.inspect(readable=counted)
        now = self._system.wall()
        name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{secrets.token_hex(3)}"
        self._store.leftovers(remove=True)
        before = self._prover.before(counted=counted)
        self._undone.begin("create", name)
        taken, started = self._system.wall(), self._system.monotonic()
        try:
            self._storage.create(name)
            seconds = round(self._system.monotonic() - started, 3)
            facts = {**self._prover.after(before), "data": live.data, "preload": preload(self._engine)}
            every = catalog.read(self._store).backups
            manifest = Manifest(
                id=name,
                number=max([one.manifest.number for one in every] or [0]) + 1,
                engine=self._engine.name,
                format=NAME,
                taken=taken,
                seconds=seconds,
                source={**source.where, "size": source.size, "system": live.system},
                server=source.server,
                client="",
                position=str(facts["from"]),
                compression="none",
                recipients=[],
                facts=facts,
                parts={DUMP: Part(catalog.key_of(name, "snapshot"), 0, "", source.size)},
            )
            catalog.write_manifest(self._store, manifest)
        except BaseException:
            with contextlib.suppress(SlipwayError):  # what stopped it says more, and the next run clears up
                self._left.clear()
            raise
        self._undone.ended()
        self._say(f"made the snapshot {name} of {self._where()} in {seconds:.1f} s, at {manifest.position}")
        return Backup(manifest)

    def _prove(self, backup: Backup, live: Live, *, new: bool) -> Backup:
        """Look at a snapshot, and write down what was found."""
        name = backup.manifest.id
        stored = self._storage.there()[name]
        path = os.path.join(self._engine.scratch_dir, self._storage.name_of(name))
        by = "restore" if "before" in backup.manifest.facts else "read"
        try:
            found = self._prover.prove(backup, stored, path, live, new=new)
        except SlipwayError as error:
            if error.cause in SURE:
                catalog.write_proof(self._store, backup, Proof(by, False, self._system.wall(), 0.0, error.message))
            raise
        proof = Proof(by, True, self._system.wall(), round(found.seconds, 3), changed=tuple(found.changed))
        proven = catalog.write_proof(self._store, backup, proof)
        words = f": its clone came up in {found.seconds:.1f} s"
        if found.changed:
            words += f"; changed meanwhile, so only read: {', '.join(found.changed)}"
        if not found.compared:
            words += "; it was made for a release, which counts no rows, so it was read to its end and not compared"
        self._say(f"{name} is good, by {by}{words}")
        return proven

    def _stay(self, backup: Backup, stored: str, into: str) -> None:
        manifest, prover = backup.manifest, self._prover
        programs, started = prover.programs(manifest.server), self._system.monotonic()
        live = str(manifest.facts["data"])  # which need not run now
        with self._clones.of(manifest.id, stored, into, live, stays=True) as data:
            prover.expect_ours(data, programs, manifest.source["system"])
            with open(os.path.join(data, "postgresql.auto.conf"), "a", encoding="ascii") as stream:
                stream.write(NO_ARCHIVE)
            with place(SOCKETS, 0) as sockets:
                owned(sockets)
                with prover.recovered(data, sockets, programs, manifest.facts["preload"], durable=True) as copy:
                    seconds = self._system.monotonic() - started
                    copy.stop()
        self._say(f"{data} has come up in {seconds:.1f} s, as it was when the snapshot was made; it is stopped again")
        self._actions += how_to_start(data, programs)
        unclone = self._storage.shown("unclone", manifest.id, stored, into)
        self._say(f"the storage may keep the snapshot as long as the clone is there; when nobody needs it: {unclone}")

    def _remove(self, backup: Backup, there: t.Mapping[str, str]) -> None:
        name = backup.manifest.id
        self._undone.begin("remove", name)
        if name in there:
            self._storage.remove(name, there[name])
        catalog.remove(self._store, backup)
        self._undone.ended()

    def _expect_clear(self) -> None:
        """:raises SlipwayError: what could not be let go of."""
        for done in self._left.clear():
            self._say(done)

    # --- what is said

    def _tell(self, known: Catalog, order: Order, verb: str, spared: str = "") -> Verdicts:
        """What the retention lets go of."""
        pinned = {*order.pinned, spared}
        verdicts = retention.judge(known.backups, order.retention, self._system.wall(), pinned)
        going = [verdict for verdict in verdicts if not verdict.stays]
        for verdict in going:
            self._say(f"{verb} {verdict.backup.manifest.id}: {verdict.why}")
        return going

    def _where(self) -> str:
        where = self._engine.login.where
        return f"the cluster of {where['database']} on {where['host']}"

    def _age(self, backup: Backup) -> str:
        return f"{self._system.wall() - backup.manifest.taken:.0f} s old"

    def _say(self, action: str) -> None:
        self._actions.append(action)

    def _outcome(self, backup: Backup | None, known: Catalog, *, changed: bool) -> Outcome:
        damaged = tuple(known.damaged.items())
        return Outcome(changed, self._actions, backup, known.backups, self._point, damaged=damaged)
