# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What database_backup does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import base64
import os
import traceback
import typing as t

from ..backup import factory
from ..backup.codec import Codec
from ..backup.keeper import Keeper, Order, Outcome
from ..backup.model import Backup
from ..backup.retention import Policy
from ..errors import SlipwayError
from ..masking import mask_all
from ..system import System

Params = dict[str, t.Any]


def perform(params: Params, check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.DATABASE_BACKUP), with every default filled in.
    """
    url = ""
    try:
        url = base64.b64decode(params["url"], validate=True).decode()
        return {**act(params, url, System(), check)}
    except SlipwayError as error:
        said = error.result()
    except Exception as error:  # whatever it is, it may quote the connection string
        said = {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    return {"failed": True, **mask_all(said, {url, *factory.secrets_of(url)})}


def act(params: Params, url: str, system: System, check: bool) -> dict[str, t.Any]:
    """What C(state) says, under the target's lock where something is changed."""
    keeper = Keeper(factory.engine(params, url, system), factory.store(params, system), codec(params), system)
    if params["state"] == "listed":
        return report(keeper.list())
    if check:
        return report(ask(keeper, params, check=True))
    lock = os.path.join(params["root"], factory.STATE, f"{params['name']}.lock")
    system.make_directory(os.path.dirname(lock))
    with system.flock(lock, timeout=params["lock_wait"]):
        keeper.recover()
        return report(ask(keeper, params, check=False))


def ask(keeper: Keeper, params: Params, *, check: bool) -> Outcome:
    """One state, one question."""
    if params["state"] == "present":
        policy = Policy(**{name: value for name, value in (params["retention"] or {}).items() if value is not None})
        return keeper.present(Order(params["verify"], params["max_age"], policy, tuple(params["pinned"])), check=check)
    if params["state"] == "verified":
        return keeper.verified(params["id"], params["verify"], params["max_age"], check=check)
    if params["state"] == "restored":
        into, confirm = params["into"] or "", params["confirm"] or ""
        return keeper.restored(params["id"], into, confirm=confirm, safety=params["safety_backup"], check=check)
    return keeper.absent(params["id"], params["pinned"], check=check)


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
    if outcome.backup is not None:
        result["backup"] = described(outcome.backup)
    return result


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
