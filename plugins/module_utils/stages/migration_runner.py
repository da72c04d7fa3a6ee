# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What migration_runner does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import base64
import traceback
import typing as t

from ..database.secrets import secrets_of
from ..errors import SlipwayError
from ..masking import mask_all
from ..migration import factory, model
from ..migration.database import Fence
from ..migration.lint.gate import REFUSE, WARN, Gate
from ..migration.model import Report, Status
from ..migration.names import Version
from ..migration.tool import Order, Tool
from ..migration.validate import expect_none
from ..state.machine import Machine, ReleaseToken
from ..system import System

NOTE = "migrated"  # event of the journal: what a release has applied
REPAIRED = ("dirty", "edited", "missing_file")  # problems that C(state: repaired) takes away

Params = dict[str, t.Any]


def perform(params: Params, check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.MIGRATION_RUNNER), with every default filled in.
    """
    url = ""
    try:
        url = base64.b64decode(params["url"] or "", validate=True).decode()
        return run(params, url, System(), check)
    except SlipwayError as error:
        said = error.result()
    except Exception as error:  # whatever it is, it may quote the connection string
        said = {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    return {"failed": True, **mask_all(said, secrets_of(params["engine"], url))}


def run(params: Params, url: str, system: System, check: bool) -> dict[str, t.Any]:
    """Alone, or as the stage of a release, which writes down what was applied."""
    expect_options(params, url)
    order = Order(params["state"], params["target"] or "", params["phase"], params["timeout"])
    gate = Gate(params["lint"] or (WARN if params["phase"] == "all" else REFUSE), params["lint_squawk"], system)
    if check or params["release"] is None or params["state"] == "status":
        tool = factory.tool(params, url, system)
        told_of = gate.told(gate.look(tool, order), order)
        return {**(planned(tool, order) if check or order.state == "status" else done(tool.apply(order))), **told_of}
    release = params["release"]
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    fence = Fence(f"{params['platform']}/{params['environment']}", release["token"])
    with machine.stage(ReleaseToken.parse(release), release["stage"], release["deadline"]) as step:
        tool = factory.tool(params, url, system, fence)
        found = gate.look(tool, order)
        report = tool.apply(order)
        scripts, allowed = [one.script for one in report.done], gate.allowed(found)
        step.note(NOTE, scripts=scripts, current=report.after.current, lint_overruled=allowed)
    return {**done(report), **gate.told(found, order)}


def expect_options(params: Params, url: str) -> None:
    """:raises SlipwayError: C(bad_input) with the option's name."""
    for name in ("lock_wait", "lock_timeout", "retry", "statement_timeout", "timeout"):
        if not 0 <= params[name] < float("inf"):
            raise _wrong("is no duration", name, params[name], "seconds, 0 or more")
    if not url:
        raise _wrong("missing", "url", None, "the connection string of the database, or the path of a SQLite file")
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
    repairs = order.state == "repaired" and any(one["cause"] in REPAIRED for one in status.problems)
    begins = order.state == "baselined" and not any(one.rank for one in status.migrations)
    return {
        "changed": bool(sql) or repairs or begins,
        "sql": sql,
        "current_before": status.current,
        "current_after": status.current,
        "applied": [],
        **told(status),
        "diff": [{"before_header": "migrations", "after_header": "migrations", "before": "", "after": sql}],
    }


def done(report: Report) -> dict[str, t.Any]:
    """What was done."""
    return {
        "changed": report.changed,
        "current_before": report.before.current,
        "current_after": report.after.current,
        "applied": [one._asdict() for one in report.done],
        "lock_wait_ms": report.lock_wait_ms,
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
