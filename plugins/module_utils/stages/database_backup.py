# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What database_backup does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import os
import traceback
import typing as t

from ..backup import factory, freshness, mark
from ..backup.codec import Codec
from ..backup.due import Patience
from ..backup.keeper import Keeper, Order, Outcome
from ..backup.model import Backup
from ..backup.progress import Progress, path_of
from ..backup.retention import Policy
from ..database.secrets import MYSQL, secrets_of
from ..errors import SlipwayError
from ..masking import mask_all
from ..state.machine import Machine, ReleaseToken
from ..system import System
from .backup_notes import NOTE, WAIVED, pins, resolved
from .numbers import expect_numbers

if t.TYPE_CHECKING:
    from ..backup.binlog_restore import Moment
    from ..backup.method import Beyond, Either

NOTED = ("id", "taken", "verified_by", "restore_seconds", "size")
POINTED = ("name", "lsn")  # of the restore point, where a release leans on a physical backup or a snapshot

Params = dict[str, t.Any]


def perform(params: Params, check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.DATABASE_BACKUP), with every default filled in.
    """
    url = ""
    try:
        url = base64.b64decode(params["url"] or "", validate=True).decode()
        return {**run(params, url, System(), check)}
    except SlipwayError as error:
        said = error.result()
    except Exception as error:  # whatever it is, it may quote the connection string
        said = {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    return {"failed": True, **mask_all(said, secrets_of(params["engine"], url))}


def run(params: Params, url: str, system: System, check: bool) -> dict[str, t.Any]:
    """Alone, or as the stage of a release, which writes down what the release leans on."""
    expect_numbers(params)
    machine = machine_of(params, system)
    pinned = pins(machine, params["keep"]) if machine else []
    params = resolved({**params, "pinned": [*params["pinned"], *pinned]}, machine)
    if check or params["release"] is None:
        return gate(params, url, system, check)
    if machine is None:
        raise SlipwayError(
            "missing",
            obj="platform and environment",
            wanted="both, as those of the release",
            remedy="Pass on what the release is for.",
            cause="invalid",
        )
    release = params["release"]
    with machine.stage(ReleaseToken.parse(release), release["stage"], release["deadline"]) as step:
        result = gate(params, url, system, check)
        if params["waive"]:
            step.note(WAIVED, why=params["waive"])
        if "backup" in result:
            point = result.get("restore_point", {})
            noted = {"restore_point": {key: point[key] for key in POINTED}} if point else {}
            step.note(NOTE, **{key: result["backup"][key] for key in NOTED}, **noted)
    return result


def gate(params: Params, url: str, system: System, check: bool) -> dict[str, t.Any]:
    """What C(state) says, unless this is not the machine for it, or it was waived."""
    if params["waive"]:
        return {
            "changed": False,
            "actions": [f"no backup: waived, because {params['waive']}"],
            "waived": params["waive"],
        }
    if not params["here"]:
        return {"changed": False, "actions": []}
    return act(params, url, system, check)


def machine_of(params: Params, system: System) -> Machine | None:
    """The journal of the platform on this machine, where the platform is named."""
    if not (params["platform"] and params["environment"]):
        return None
    return Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])


def act(params: Params, url: str, system: System, check: bool) -> dict[str, t.Any]:
    """What C(state) says, under the target's lock where something is changed."""
    expect_options(params, url)
    if params["state"] == "reached":
        return reached(params, system, check)
    if params["mark"]:
        mark.expect(factory.store(params, system), params["mark"])
    progress = Progress(path_of(params["name"]), system)
    if params["run_in"]:
        params = {**params, "run_in": {**params["run_in"], "plan": check}}
    keeper = keeper_of(params, url, system, progress)
    if params["state"] == "listed":
        listed = keeper.list()
        table = [line(backup, system.wall()) for backup in listed.backups]
        return {
            **report(listed),
            "table": [*table, *(f"{name}  DAMAGED: {error.message}" for name, error in listed.damaged)],
        }
    if check and params["state"] != "recovered":
        return report(ask(keeper, params, check=True))
    lock = os.path.join(params["root"], factory.STATE, f"{params['name']}.lock")
    if params["state"] == "recovered":
        return recovered(keeper, lock, params, system, check)
    system.make_directory(os.path.dirname(lock))
    with system.flock(lock, timeout=params["lock_wait"]):
        try:
            if url:  # whoever can have closed the database had it
                keeper.recover()
            with remembered(keeper, params, url, system):
                return report(ask(keeper, params, check=False))
        finally:
            progress.end()


def expect_options(params: Params, url: str) -> None:
    """A store, and a database unless only a dump is proven.

    :raises SlipwayError: C(bad_input).
    """
    dumps = params["state"] == "reached" or params["mark"]
    missing = ""
    if not params["store"] and (dumps or not params["physical"]):
        missing, wanted = "store", "where the backups are kept" + ("" if dumps else ", or physical")
        remedy = "Name a place with store, such as {path: /var/backups/slipway}."
    elif not url and params["state"] != "reached" and (params["state"] != "verified" or whole_clusters(params)):
        missing, wanted = "url", "the connection string of the database"
        remedy = "Pass it as url, or set slipway_database.url."
    if missing:
        raise SlipwayError("missing", obj=missing, wanted=wanted, remedy=remedy, cause="bad_input")


def whole_clusters(params: Params) -> bool:
    """Whether there are backups that are proven beside a live database, and not in a store alone."""
    return bool(params["physical"] or params["snapshot"])


def reached(params: Params, system: System, check: bool) -> dict[str, t.Any]:
    """That backups could be proven here: the store is reached, and can be written to. Or that it is another machine's, too."""
    store = factory.store(params, system)
    if params["mark"]:
        mark.expect(store, params["mark"])
        return {"changed": False, "actions": [f"{store.url('')} is what the machine that proves sees"]}
    if check:
        store.entries()
        return {"changed": False, "actions": [f"{store.url('')} is reached"]}
    left = mark.leave(store, system)  # whoever looks for it takes it away, so nothing is changed in the end
    return {"changed": False, "actions": [f"left a mark in {store.url('')}"], "mark": left}


def keeper_of(params: Params, url: str, system: System, progress: Progress) -> Keeper | Either:
    """The backups of the target: dumps, and what a release leans on where those take too long."""
    dumps = None
    if params["store"]:
        engine, store = factory.engine(params, url, system), factory.store(params, system)
        notes = os.path.join(params["root"], factory.STATE, params["name"])
        dumps = Keeper(engine, store, codec(params), system, progress, notes=notes)
    other = factory.beyond(params, url, system, dumps=dumps, codec=codec(params), progress=progress)
    if other is None and dumps is not None:
        return dumps
    from ..backup.method import Either

    return Either(dumps, t.cast("Beyond", other), params["method"])


def recovered(keeper: Keeper | Either, lock: str, params: Params, system: System, check: bool) -> dict[str, t.Any]:
    """What a killed restore has left is put back, once it has ended."""
    if check or not os.path.exists(lock):
        return {"changed": False, "actions": []}
    with system.flock(lock, timeout=params["lock_wait"]):
        done = keeper.recover()
    return {"changed": bool(done), "actions": done}


@contextlib.contextmanager
def remembered(keeper: Keeper | Either, params: Params, url: str, system: System) -> t.Iterator[None]:
    """How fresh the backups are when this ends, for those who do not ask the store."""
    problem = ""
    try:
        yield
    except SlipwayError as error:
        problem = mask_all(error.message, secrets_of(params["engine"], url))
        raise
    finally:
        if params["state"] in ("present", "verified"):
            with contextlib.suppress(SlipwayError):  # a store that cannot be read has failed the run already
                listed = keeper.list()
                damaged = [error.message for _name, error in listed.damaged]
                known = freshness.of(listed.backups, system.wall(), problem, damaged)
                freshness.write(system, os.path.join(params["root"], factory.STATE), params["name"], known)


def ask(keeper: Keeper | Either, params: Params, *, check: bool) -> Outcome:
    """One state, one question."""
    if params["state"] == "present":
        policy = Policy(**{name: value for name, value in (params["retention"] or {}).items() if value is not None})
        order = Order(params["verify"], params["max_age"], policy, tuple(params["pinned"]), patience(params))
        return keeper.present(order, check=check)
    if params["state"] == "verified":
        return keeper.verified(params["id"], params["verify"], params["max_age"], check=check)
    if params["state"] == "restored" and params["into_dir"]:
        return into_directory(keeper, params, check=check)
    if params["state"] == "restored":
        into, confirm = params["into"] or "", params["confirm"] or ""
        asked = {"confirm": confirm, "safety": params["safety_backup"], "check": check}
        if isinstance(keeper, Keeper):
            return keeper.restored(params["id"], into, **asked)
        return keeper.restored(params["id"], into, **asked, moment=moment(params))
    return keeper.absent(params["id"], params["pinned"], check=check)


def into_directory(keeper: Keeper | Either, params: Params, *, check: bool) -> Outcome:
    """A physical backup, or a snapshot, as a cluster of its own."""
    if isinstance(keeper, Keeper):
        raise SlipwayError(
            "is for physical backups and snapshots",
            obj="into_dir",
            actual="only dumps",
            remedy="Name the stanza with physical, the storage's commands with snapshot, or a database with into.",
            cause="bad_input",
        )
    from ..backup.physical_restore import Target

    moments = (params[f"target_{what}"] or "" for what in ("time", "name", "lsn"))
    return keeper.restored_into(params["id"], Target(params["into_dir"].rstrip("/"), *moments), check=check)


def moment(params: Params) -> Moment | None:
    """Up to when binary logs lead on from a dump; None for the dump alone."""
    if params["engine"] not in MYSQL:
        return None
    from ..backup.binlog_restore import Moment

    return Moment(params["target_name"] or "", params["target_time"] or "") or None


def patience(params: Params) -> Patience | None:
    """How long a release waits; None where nobody does."""
    longest = params["in_release_max"]
    return None if longest is None else Patience(longest, params["scheduled_max_age"])


def codec(params: Params) -> Codec:
    """How new backups are stored."""
    compression, encryption = params["compression"] or {}, params["encryption"] or {}
    recipients = tuple(encryption.get("recipients") or ())
    if params["encryption"] and not recipients and params["state"] == "present":
        raise SlipwayError(
            "names no recipients",
            obj="encryption",
            wanted="at least one age recipient (age1…)",
            remedy="Make a key pair with age-keygen, keep the identity elsewhere, and name its recipient.",
            cause="bad_input",
        )
    return Codec(
        compression.get("method") or "zstd",
        compression.get("level") or 0,
        compression.get("threads") or 0,
        recipients,
        encryption.get("identity") or "",
    )


def report(outcome: Outcome) -> dict[str, t.Any]:
    """What the module returns."""
    result: dict[str, t.Any] = {
        "changed": outcome.changed,
        "actions": outcome.actions,
        "backups": [described(backup) for backup in outcome.backups],
    }
    if outcome.damaged:
        result["damaged"] = [{"id": name, **error.told()[0]} for name, error in outcome.damaged]
        result["warnings"] = [error.message for _name, error in outcome.damaged]
    if outcome.why:
        result["why"] = outcome.why
    if outcome.point is not None:
        result["restore_point"] = outcome.point._asdict()
    if outcome.backup is not None:
        result["backup"] = described(outcome.backup)
    return result


def line(backup: Backup, now: float) -> str:
    """A backup on a terminal."""
    manifest, last = backup.manifest, backup.last_restore
    proof = {"none": "not verified", "read": "verified by read", "restore": "restored"}[backup.verified_by]
    took = f" in {backup.restore_seconds:.1f} s" if backup.verified_by == "restore" else ""
    took += f", its binary logs replayed up to {last.logs}" if last and last.logs else ""
    state = f"BAD: {backup.proofs[-1].problem}" if backup.failed else f"{proof}{took}"
    return f"{manifest.id}  {(now - manifest.taken) / 3600:.1f} h old  {manifest.size / 2**20:.1f} MiB  {state}"


def described(backup: Backup) -> dict[str, t.Any]:
    """A backup in the words of C(RETURN)."""
    manifest = backup.manifest
    plain = manifest.parts["dump"].plain_size
    return {
        "id": manifest.id,
        "engine": manifest.engine,
        "format": manifest.format,
        "taken": manifest.taken,
        "source": manifest.source,
        "server": manifest.server,
        "client": manifest.client,
        "position": manifest.position,
        "size": manifest.size,
        "plain_size": plain,
        "seconds": manifest.seconds,
        "throughput": round(plain / manifest.seconds) if manifest.seconds else 0,
        "sha256": manifest.parts["dump"].sha256,
        "verified_by": backup.verified_by,
        "problem": backup.proofs[-1].problem if backup.proofs else "",
        "restore_seconds": backup.restore_seconds,
        "replayed": backup.last_restore.logs if backup.last_restore else "",
    }
