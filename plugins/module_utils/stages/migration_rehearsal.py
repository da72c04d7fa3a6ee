# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What migration_rehearsal does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import traceback
import typing as t

from ..backup import factory as backups
from ..backup.progress import Progress, path_of
from ..backup.prover import Copied
from ..database.copied import Copy
from ..database.secrets import secrets_of
from ..errors import SlipwayError
from ..masking import mask_all
from ..migration.tool import Order
from ..rehearsal.budget import Budget
from ..rehearsal.trial import Result, Trial
from ..rehearsal.witness import Nobody, Witness
from ..state.machine import Machine, ReleaseToken
from ..system import System
from .database_backup import described, keeper_of
from .migration_runner import named
from .rehearsed_tool import attempted
from .site_files import Files, unpacked

NOTE = "rehearsed"  # event of the journal: what was tried, and found
NOTED = ("pending", "seconds", "locks", "rewritten", "old_version")
MOST_NOTED = 10  # of each
SAID = 5
TRIED = ("latest", "target")  # states of migration_runner

Params = dict[str, t.Any]


class Given(t.NamedTuple):
    """What was handed over.

    :param url: of the live database, where backups of whole clusters need it.
    :param secrets: of the live version's services.
    :param files: of the site.
    """

    params: Params
    url: str
    secrets: t.Mapping[str, str]
    files: t.Optional[Files] = None

    def masked(self) -> set[str]:
        """What must never be shown."""
        return {one for one in (*secrets_of(self.params["backup"]["engine"], self.url), *self.secrets.values()) if one}


def perform(params: Params, check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(rehearsal_arguments.MIGRATION_REHEARSAL), with every default filled in.
    """
    given = Given(params, "", {})
    with contextlib.ExitStack() as stack:
        try:
            url = base64.b64decode(params["backup"].get("url") or "", validate=True).decode()
            given = given._replace(url=url, secrets=live_secrets(params))
            packed = params["migrations"].get("files")
            if packed and params["here"]:
                given = given._replace(files=stack.enter_context(unpacked(packed)))
            return plain(run(given, System(), check), given.files)
        except SlipwayError as error:
            said = error.result()
        except Exception as error:  # whatever it is, it may quote a connection string
            said = {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    return {"failed": True, **mask_all(plain(said, given.files), given.masked())}


def plain(told: dict[str, t.Any], files: Files | None) -> dict[str, t.Any]:
    """In the words of the site."""
    return t.cast("dict[str, t.Any]", files.renamed(told)) if files else told


def live_secrets(params: Params) -> dict[str, str]:
    """Those of the live version's services, decoded; what they are never shows in an error."""
    encoded = (params["old"] or {}).get("secrets") or ""
    try:
        return dict(json.loads(base64.b64decode(encoded, validate=True))) if encoded else {}
    except ValueError:
        raise SlipwayError(
            "not readable",
            obj="old.secrets",
            wanted="a JSON object in base64",
            remedy="Call the module through its action plugin, and give it a mapping.",
            cause="invalid",
        ) from None


def run(given: Given, system: System, check: bool) -> dict[str, t.Any]:
    """Alone, or as the stage of a release, which writes down what was found."""
    params = given.params
    expect_options(params)
    if check or params["release"] is None:
        return rehearsed(given, system, check) if params["here"] else idle()
    release = params["release"]
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    with machine.stage(ReleaseToken.parse(release), release["stage"], release["deadline"]) as step, named(given.files):
        if not params["here"]:
            return idle()
        try:
            told = rehearsed(given, system, check)
        except SlipwayError as error:
            if "rehearsal" in error.evidence:
                why = mask_all(error.message, given.masked())
                step.note(NOTE, ok=False, why=why, **noted(error.evidence["rehearsal"]))
            raise
        if "pending" in told:
            step.note(NOTE, ok=True, backup=told["backup"]["id"], **noted(told))
        return told


def expect_options(params: Params) -> None:
    """:raises SlipwayError: C(bad_input), C(invalid)."""
    for name in ("max_lock", "max_duration"):
        if not 0 < params[name] < float("inf"):
            raise SlipwayError(
                "is no duration",
                obj=name,
                actual=params[name],
                wanted="seconds, more than 0",
                remedy="Correct it.",
                cause="bad_input",
            )
    named = params["release"] is not None or (params["old"] or {}).get("services")
    if named and not (params["platform"] and params["environment"]):
        raise SlipwayError(
            "missing",
            obj="platform and environment",
            wanted="both, as those of the release, or of the live version",
            remedy="Pass them on.",
            cause="invalid",
        )


def idle() -> dict[str, t.Any]:
    """The answer of a machine that does not rehearse."""
    return {"changed": False, "actions": []}


def rehearsed(given: Given, system: System, check: bool) -> dict[str, t.Any]:
    """Restore, try, judge, drop.

    :raises SlipwayError: C(rehearsal_failed), C(rehearsal_lock), C(rehearsal_slow), C(old_version_broken), or why it could
        not be tried at all.
    """
    params, backup, migrations = given.params, given.params["backup"], given.params["migrations"]
    if check:
        return {"changed": False, "actions": [f"restore {backup['id']} and try the pending migrations on it"]}
    budget = Budget(params["max_lock"], params["max_duration"])
    order = Order(migrations["state"], migrations["target"] or "", migrations["phase"], budget.max_duration)
    with restored(backup, given.url, params["role"], system) as copied:
        if migrations["state"] not in TRIED:
            words = f"restored it; nothing is rehearsed for state: {migrations['state']}"
            return {"changed": False, "actions": [words], "backup": described(copied.backup)}
        trial = Trial(copied.copy, budget, lambda copy: witness_of(given, copy, system), system)
        with attempted(migrations, copied.copy, order, system, given.files) as (tried, lint):
            result = trial.run(tried)
    age = system.wall() - copied.backup.manifest.taken
    result.raised()
    warnings = [*result.warnings, *lint.get("warnings", ())]
    return {
        "changed": False,
        "actions": said(result, copied.backup.manifest.id, age),
        **result.told(),
        **lint,
        "warnings": warnings,
        "backup": {**described(copied.backup), "age": round(age)},
    }


@contextlib.contextmanager
def restored(backup: Params, url: str, role: str, system: System) -> t.Iterator[Copied]:
    """A copy of the backup, which is proven by it where it was not; under the target's lock."""
    progress = Progress(path_of(backup["name"]), system)
    keeper = keeper_of(backup, url, system, progress)
    lock = os.path.join(backup["root"], backups.STATE, f"{backup['name']}.lock")
    system.make_directory(os.path.dirname(lock))
    with system.flock(lock, timeout=backup["lock_wait"]):
        try:
            if url:
                keeper.recover()
            with keeper.copied(backup["id"], role) as copied:
                yield copied
        finally:
            progress.end()


def witness_of(given: Given, copy: Copy, system: System) -> Witness:
    """What speaks for the version that is live."""
    params = given.params
    old = params["old"]
    if not old or not old.get("services"):
        return Nobody("no version is live on this machine" if old else "nobody asked about it")
    from ..rehearsal.old_version import witness
    from .probing import prober

    known = {name: params[name] for name in ("platform", "environment", "root")}
    return witness(copy, {**known, **old, "secrets": given.secrets}, system, prober)


def noted(told: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What of it a journal keeps."""
    return {name: told[name][:MOST_NOTED] if isinstance(told[name], list) else told[name] for name in NOTED}


def said(result: Result, backup: str, age: float) -> list[str]:
    """What was found, in words."""
    copy = f"a copy restored from {backup}, {age / 3600:.1f} h old"
    if not result.pending:
        return [f"nothing is pending on {copy}"]
    lines = [f"{len(result.applied)} migrations took {result.seconds:.1f} s on {copy}"]
    lines += [
        f"{one.script or 'a migration'} kept {one.keeps_out} from {one.relation} for {one.seconds:.2f} s"
        for one in result.measures.locks[:SAID]
    ]
    lines += [f"{one.name} is written anew ({one.size} bytes)" for one in result.measures.rewritten[:SAID]]
    if not result.old:
        lines.append("the live version works with the migrated schema, on old and on new connections")
    return lines
