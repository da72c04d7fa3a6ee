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
from ..migration.model import Report, Status
from ..migration.names import Version
from ..migration.tool import Order, Tool
from ..migration.validate import expect_none
from ..state.machine import Machine, ReleaseToken
from ..system import System

NOTE = "migrated"  # event of the journal: what a release has applied

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
    if check or params["release"] is None or params["state"] == "status":
        tool = factory.tool(params, url, system)
        return planned(tool, order) if check or order.state == "status" else done(tool.apply(order))
    release = params["release"]
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    fence = Fence(f"{params['platform']}/{params['environment']}", release["token"])
    with machine.stage(ReleaseToken.parse(release), release["stage"], release["deadline"]) as step:
        report = factory.tool(params, url, system, fence).apply(order)
        step.note(NOTE, scripts=[one.script for one in report.done], current=report.after.current)
    return done(report)


def expect_options(params: Params, url: str) -> None:
    """:raises SlipwayError: C(bad_input) with the option's name."""
    for name in ("lock_wait", "lock_timeout", "retry", "statement_timeout", "timeout"):
        if not 0 <= params[name] < float("inf"):
            raise _wrong("is no duration", name, params[name], "seconds, 0 or more")
    if not url:
        raise _wrong("missing", "url", None, "the connection string of the database, or the path of a SQLite file")
    if params["target"]:
        Version(params["target"])
    if params["release"] is not None and not (params["platform"] and params["environment"]):
        raise _wrong("missing", "platform and environment", None, "both, as those of the release")


def planned(tool: Tool, order: Order) -> dict[str, t.Any]:
    """What would be done, and the SQL of it; nothing is."""
    status = tool.status()
    sql = "" if order.state in ("status", "baselined", "repaired") else tool.preview(order)
    if order.state in ("latest", "target"):
        expect_none(status, "the database")
    changes = bool(sql) or order.state in ("baselined", "repaired")
    return {
        "changed": changes and order.state != "status",
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
