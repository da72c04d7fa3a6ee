# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What migration_runner does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import gc
import typing as t

from ..database.secrets import secrets_of
from ..errors import SlipwayError
from ..masking import mask_all
from ..migration import model
from ..migration.database import Fence
from ..migration.lint.gate import REFUSE, WARN, Gate
from ..migration.model import Report, Status
from ..migration.names import Version
from ..migration.tool import Order, Tool
from ..migration.validate import expect_none
from ..system import System
from .migration_place import opened, unseen
from .migration_release import NOTE, WAIVED, done_actions, expect_allowed, noted, of_history, planned_actions, table

if t.TYPE_CHECKING:
    from ..state.step import Step
    from .site_files import Files

GARBAGE = 50_000  # objects more than before; what thousands of migrations are made of is held to the end
BEGUN_ONLY = (model.DIRTY, model.BACKFILLING)  # states of a line that says what was begun

Params = dict[str, t.Any]


def perform(params: Params, check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(migration_arguments.MIGRATION_RUNNER), with every default filled in.
    """
    gc.set_threshold(GARBAGE)
    url, files = "", None
    with contextlib.ExitStack() as stack:
        try:
            url = base64.b64decode(params["url"] or "", validate=True).decode()
            if params["files"] and params["here"]:
                from .site_files import unpacked

                files = stack.enter_context(unpacked(params["files"]))
                params = placed(params, files.directory)
            found = run(params, url, System(), check, files)
            return t.cast("dict[str, t.Any]", files.renamed(found)) if files else found
        except SlipwayError as error:
            said = error.result()
        except Exception as error:  # whatever it is, it may quote the connection string
            import traceback

            said = {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    said = files.renamed(said) if files else said
    return {"failed": True, **mask_all(said, hidden(params, url))}


def hidden(params: Params, url: str) -> set[str]:
    """What of the connection strings nobody may read."""
    found = secrets_of(params["engine"], url)
    for one in params["replicas"]:
        with contextlib.suppress(ValueError):  # what is no base64 is hidden as the option that it is
            found |= secrets_of(params["engine"], base64.b64decode(one, validate=True).decode())
    return found


def placed(params: Params, directory: str) -> Params:
    """The parameters with the directory that has the site's files for now."""
    if params["tool"] in ("sql", "flyway"):
        params = {**params, "locations": [directory]}
    return {**params, "project": {**(params["project"] or {}), "directory": directory}}


def run(params: Params, url: str, system: System, check: bool, files: Files | None = None) -> dict[str, t.Any]:
    """Alone, or as the stage of a release, which writes down what was applied."""
    if params["state"] == "replayed":
        from .migration_replicas import run as wait_for_replicas

        return wait_for_replicas(params, url, system, check)
    alone = check or params["release"] is None or params["state"] == "status"
    if not params["here"] and alone:
        return idle(params)
    if params["here"]:
        expect_options(params, url)
    order = Order(params["state"], params["target"] or "", params["phase"], params["timeout"])
    gate = Gate(params["lint"] or (WARN if params["phase"] == "all" else REFUSE), params["lint_squawk"], system)
    if alone:
        return by_itself(params, url, order, gate, check)
    release = params["release"]
    from ..state.machine import Machine, ReleaseToken

    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    with machine.stage(ReleaseToken.parse(release), release["stage"], release["deadline"]) as step, named(files):
        if params["waive"]:
            step.note(WAIVED, why=params["waive"])
        return staged(params, url, order, gate, step) if params["here"] else idle(params)


def by_itself(params: Params, url: str, order: Order, gate: Gate, check: bool) -> dict[str, t.Any]:
    """Of no release, or only looking."""
    try:
        with opened(params, url, gate.system, plan=check) as tool:
            if check and order.state != "status":
                expect_allowed(params, tool.status(), order)
            told_of = gate.told(gate.look(tool, order), order)
            found = planned(tool, order) if check or order.state == "status" else done(tool.apply(order), order)
            return {**found, **told_of}
    except SlipwayError as error:
        if check and error.cause == "image_missing":
            return unseen(params)
        raise


def staged(params: Params, url: str, order: Order, gate: Gate, step: Step) -> dict[str, t.Any]:
    """The stage on the machine that migrates; what was applied is written down also where the next one failed."""
    fence = Fence(f"{params['platform']}/{params['environment']}", params["release"]["token"])
    with opened(params, url, gate.system, fence) as tool:
        return carried_out(params, tool, order, gate, step)


def carried_out(params: Params, tool: Tool, order: Order, gate: Gate, step: Step) -> dict[str, t.Any]:
    """By what the release may do and the lint allows."""
    before = tool.status()
    expect_allowed(params, before, order)
    found = gate.look(tool, order)
    try:
        report = tool.apply(order)
    except SlipwayError:
        with contextlib.suppress(SlipwayError):  # what failed first is what is told
            after = tool.status()
            step.note(NOTE, **noted(Report(before, after, applied_between(before, after)), order, gate.allowed(found)))
        raise
    step.note(NOTE, **noted(report, order, gate.allowed(found)))
    waived = {"waived": params["waive"]} if params["waive"] else {}
    return {**done(report, order), **gate.told(found, order), **waived}


def idle(params: Params) -> dict[str, t.Any]:
    """The answer of a machine that does not migrate."""
    waived = {"waived": params["waive"]} if params["waive"] else {}
    return {"changed": False, "actions": [], **waived}


@contextlib.contextmanager
def named(files: Files | None) -> t.Iterator[None]:
    """What fails within is said, and written down, in the words of the site."""
    try:
        yield
    except SlipwayError as error:
        if files is not None:
            told = {name: files.renamed(value) for name, value in vars(error).items()}
            raise SlipwayError(told.pop("what"), **told) from None
        raise


def expect_options(params: Params, url: str) -> None:
    """:raises SlipwayError: C(bad_input) with the option's name."""
    for name in ("lock_wait", "lock_timeout", "retry", "statement_timeout", "timeout"):
        if not 0 <= params[name] < float("inf"):
            raise _wrong("is no duration", name, params[name], "seconds, 0 or more")
    if not url:
        raise _wrong("missing", "url", None, "the connection string of the database, or the path of a SQLite file")
    if params["tool"] in ("sql", "flyway") and not params["locations"]:
        raise _wrong("missing", "locations", None, "directories with migrations, or path for one on the controller")
    if params["target"] and params["tool"] in ("sql", "flyway"):
        Version(params["target"])
    if params["release"] is not None and not (params["platform"] and params["environment"]):
        raise _wrong("missing", "platform and environment", None, "both, as those of the release")


def planned(tool: Tool, order: Order) -> dict[str, t.Any]:
    """What would be done, and the SQL of it; nothing is."""
    status = tool.status()
    sql = "" if order.state == "status" else tool.preview(order)
    if order.state in ("latest", "target"):
        expect_none(status, "the database")
    rewritten = of_history(status, order)
    return {
        "changed": bool(sql or rewritten),
        "history": rewritten,
        "sql": sql,
        "current_before": status.current,
        "current_after": status.current,
        "applied": [],
        "actions": planned_actions(status, order),
        **({"table": table(status)} if order.state == "status" else {}),
        **told(status),
        "diff": [{"before_header": "migrations", "after_header": "migrations", "before": "", "after": sql}],
    }


def applied_between(before: Status, after: Status) -> tuple[model.Done, ...]:
    """What is in the history now and was not."""
    was = {one.rank for one in before.migrations}
    new = [one for one in after.migrations if one.rank and one.rank not in was and one.state not in BEGUN_ONLY]
    return tuple(
        model.Done(one.version, one.description, one.script, one.checksum, one.milliseconds or 0, one.transactional)
        for one in new
    )


def done(report: Report, order: Order) -> dict[str, t.Any]:
    """What was done."""
    return {
        "changed": report.changed,
        "current_before": report.before.current,
        "current_after": report.after.current,
        "applied": [one._asdict() for one in report.done],
        "lock_wait_ms": report.lock_wait_ms,
        "actions": done_actions(report, order),
        **told(report.after),
    }


def told(status: Status) -> dict[str, t.Any]:
    """How the database is."""
    return {
        "recorded": status.recorded,
        "migrations": [one.told() for one in status.migrations],
        "pending": [one.told() for one in status.pending],
        "ahead": [one.told() for one in status.of(model.AHEAD)],
        "dirty": [one.told() for one in status.of(model.DIRTY)],
        "problems": list(status.problems),
    }


def _wrong(what: str, obj: str, actual: object, wanted: str) -> SlipwayError:
    return SlipwayError(what, obj=obj, actual=actual, wanted=wanted, remedy="Correct it.", cause="bad_input")
