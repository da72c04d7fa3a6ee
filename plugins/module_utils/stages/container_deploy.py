# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What container_deploy does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import os
import typing as t

from ..container.engine import Engine
from ..container.observe import observe
from ..container.report import Report
from ..container.spec import Order, Scope, default_identity, parse_services
from ..system import System
from .one_side import NO_STEP, performed, record_outcome, stage


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.CONTAINER_DEPLOY), with every default filled in.
    """
    return performed(params, check, run, Report)


def run(params: dict[str, t.Any], secrets: dict[str, str], system: System, check: bool) -> dict[str, t.Any]:
    """Everything but the exit."""
    if params["state"] == "observed":
        found = observe(params["platform"], params["environment"], system, images=params["images"], root=params["root"])
        return {"changed": False, "actions": [], "containers": {}, "timings": {}, "observed": found}
    order = make_order(params, secrets)
    if check:
        return act(order, params, system, None).result()
    with stage(params, system) as step:
        if step is not None and params["state"] == "decided" and params["release"]["spec"]:
            step.decision(params["release"]["spec"])
        report = act(order, params, system, step or NO_STEP)
        if step is not None:
            record_outcome(order, params, step, report)
    return report.result()


def make_order(params: dict[str, t.Any], secrets: dict[str, str]) -> Order:
    """The options, checked, with their defaults."""
    services = parse_services(params["services"], params["side"])
    identity = params["identity"] or default_identity(services, params["version"])
    release = params["release"] or {}
    directory = os.path.join(params["root"], params["platform"], params["environment"])
    return Order(
        scope=Scope(params["platform"], params["environment"], directory),
        side=params["side"],
        release=release.get("id") or f"{params['version'] or 'alone'}-{identity[:12]}-{params['side']}",
        version=params["version"],
        identity=identity,
        publish=params["publish"],
        services=services,
        secrets=secrets,
        keep=params["keep"],
        live_side=params["live_side"],
        deadline=float(release.get("deadline") or 900),
        kept_release=params["kept_release"],
        alone=release.get("outcome") == "open",
    )


def act(order: Order, params: dict[str, t.Any], system: System, step: t.Any) -> Report:
    """Do what the state asks for; without a step, only say what would be done."""
    check = step is None
    if not order.services:
        return Report(system, ())
    if params["state"] in ("fetched", "prepared"):
        return brought(order, params, system, check)
    if params["state"] == "rebuilt":
        from ..container.rebuild import rebuild

        return rebuild(order, system, Engine(), check=check)
    if params["state"] in ("workers_paused", "workers_resumed"):
        from ..container.workers import hold, let_go

        do = hold if params["state"] == "workers_paused" else let_go
        return do(order, system, Engine(), (step or NO_STEP).note, check=check)
    from ..container.sides import decide, pause, revert, settle

    if params["state"] == "decided":
        return decide(order, system, Engine(), (step or NO_STEP).note, check=check)
    acts = {"settled": settle, "paused": pause, "reverted": revert}
    return acts[params["state"]](order, system, Engine(), check=check)


def brought(order: Order, params: dict[str, t.Any], system: System, check: bool) -> Report:
    """The new side, or what it is made of; and before it the releases that this machine has missed."""
    earlier = Report(system, ())
    if params["retained"]:
        from ..container.retained import bring

        earlier = bring(order, params["retained"], system, Engine(), check=check)
    if params["state"] == "fetched":
        from ..container.fetch import fetch

        return earlier.followed_by(fetch(order, system, Engine(), check=check))
    from ..container.prepare import prepare
    from .probing import prober

    return earlier.followed_by(prepare(order, system, Engine(), prober(order.secrets.values(), system), check=check))
