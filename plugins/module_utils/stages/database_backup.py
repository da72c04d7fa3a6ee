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

from ..backup import factory, freshness
from ..backup.codec import Codec
from ..backup.due import Patience
from ..backup.keeper import Keeper, Order, Outcome
from ..backup.model import Backup
from ..backup.progress import Progress, path_of
from ..backup.retention import Policy
from ..errors import SlipwayError
from ..masking import mask_all
from ..state.machine import Machine, ReleaseToken
from ..system import System

if t.TYPE_CHECKING:
    from ..backup.method import Either

NOTE, WAIVED = "backup", "backup_waived"  # in the journal: what a release leans on, or that it leans on nothing
NOTED = ("id", "taken", "verified_by", "restore_seconds", "size")
POINTED = ("name", "lsn")  # of the restore point, where a release leans on a physical backup

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
    return {"failed": True, **mask_all(said, factory.secrets_of(params["engine"], url))}


def run(params: Params, url: str, system: System, check: bool) -> dict[str, t.Any]:
    """Alone, or as the stage of a release, which writes down what the release leans on."""
    machine = machine_of(params, system)
    pinned = pins(machine, params["keep"]) if machine else []
    if params["into_dir"] and not any(params[f"target_{what}"] for what in ("time", "name", "lsn")):
        params = {**params, "target_name": point_of_release(machine, params["id"])}
    params = {**params, "pinned": [*params["pinned"], *pinned], "id": of_release(machine, params["id"])}
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


def pins(machine: Machine, keep: int) -> list[str]:
    """The backups that the releases kept for a rollback were made on, and those of unfinished ones."""
    journal = machine.read().journal
    kept = [release for release in journal.releases if release.outcome == "succeeded"][-keep:]
    noted = [note["id"] for release in (*kept, *journal.unfinished) for note in release.notes if note["name"] == NOTE]
    return list(dict.fromkeys(noted))


def of_release(machine: Machine | None, wanted: str | None) -> str | None:
    """The backup that a release was made on, where a release or its version is named instead of a backup."""
    noted = note_of(machine, wanted)
    return str(noted["id"]) if noted else wanted


def point_of_release(machine: Machine | None, wanted: str | None) -> str | None:
    """The restore point that was made before a release, where that or its version is named instead of a backup."""
    return (note_of(machine, wanted).get("restore_point") or {}).get("name")


def note_of(machine: Machine | None, wanted: str | None) -> dict[str, t.Any]:
    """What the journal has of the backup of a release; empty where no such release leant on one."""
    for release in reversed(machine.read().journal.releases if machine and wanted else []):
        noted = [note for note in release.notes if note["name"] == NOTE]
        if noted and wanted in (release.id, release.about.get("version")):
            return dict(noted[-1])
    return {}


def act(params: Params, url: str, system: System, check: bool) -> dict[str, t.Any]:
    """What C(state) says, under the target's lock where something is changed."""
    progress = Progress(path_of(params["name"]), system)
    keeper = keeper_of(params, url, system, progress)
    if params["state"] == "listed":
        listed = keeper.list()
        return {**report(listed), "table": [line(backup, system.wall()) for backup in listed.backups]}
    if check and params["state"] != "recovered":
        return report(ask(keeper, params, check=True))
    lock = os.path.join(params["root"], factory.STATE, f"{params['name']}.lock")
    if params["state"] == "recovered":
        return recovered(keeper, lock, params, system, check)
    system.make_directory(os.path.dirname(lock))
    with system.flock(lock, timeout=params["lock_wait"]):
        try:
            keeper.recover()
            with remembered(keeper, params, url, system):
                return report(ask(keeper, params, check=False))
        finally:
            progress.end()


def keeper_of(params: Params, url: str, system: System, progress: Progress) -> Keeper | Either:
    """The backups of the target: dumps, and where O(physical) names a stanza of pgBackRest, physical ones too."""
    if not (params["store"] or params["physical"]):
        raise SlipwayError(
            "missing",
            obj="store",
            wanted="where the backups are kept, or physical",
            remedy="Name a place with store, such as {path: /var/backups/slipway}.",
            cause="bad_input",
        )
    dumps = None
    if params["store"]:
        engine, store = factory.engine(params, url, system), factory.store(params, system)
        dumps = Keeper(engine, store, codec(params), system, progress)
        if not params["physical"]:
            return dumps
    from ..backup.method import Either

    return Either(dumps, factory.physical(params, url, system), params["method"])


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
        problem = mask_all(error.message, factory.secrets_of(params["engine"], url))
        raise
    finally:
        if params["state"] in ("present", "verified"):
            with contextlib.suppress(SlipwayError):  # a store that cannot be read has failed the run already
                known = freshness.of(keeper.list().backups, system.wall(), problem)
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
        return keeper.restored(params["id"], into, confirm=confirm, safety=params["safety_backup"], check=check)
    return keeper.absent(params["id"], params["pinned"], check=check)


def into_directory(keeper: Keeper | Either, params: Params, *, check: bool) -> Outcome:
    """A physical backup as a cluster of its own."""
    if isinstance(keeper, Keeper):
        raise SlipwayError(
            "is for physical backups",
            obj="into_dir",
            actual="only dumps",
            remedy="Name the stanza of pgBackRest with physical, or a database with into.",
            cause="bad_input",
        )
    from ..backup.physical_restore import Target

    moments = (params[f"target_{what}"] or "" for what in ("time", "name", "lsn"))
    return keeper.restored_into(params["id"], Target(params["into_dir"].rstrip("/"), *moments), check=check)


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
    if outcome.why:
        result["why"] = outcome.why
    if outcome.point is not None:
        result["restore_point"] = outcome.point._asdict()
    if outcome.backup is not None:
        result["backup"] = described(outcome.backup)
    return result


def line(backup: Backup, now: float) -> str:
    """A backup on a terminal."""
    manifest = backup.manifest
    proof = {"none": "not verified", "read": "verified by read", "restore": "restored"}[backup.verified_by]
    took = f" in {backup.restore_seconds:.1f} s" if backup.verified_by == "restore" else ""
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
        "problem": backup.proofs[-1].problem if backup.failed else "",
        "restore_seconds": backup.restore_seconds,
    }
