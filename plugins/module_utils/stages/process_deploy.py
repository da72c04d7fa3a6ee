# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What process_deploy does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import os
import re
import typing as t

from ..process.factory import make_manager, refuse_others
from ..process.manager import Manager
from ..process.options import parse_services
from ..process.packages import Packages
from ..process.report import Report
from ..process.spec import Order, Scope, default_identity, release_name
from ..side.options import invalid
from ..system import System
from .one_side import NO_STEP, performed, record_outcome, stage


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.PROCESS_DEPLOY), with every default filled in.
    """
    return performed(params, check, run, Report)


def run(params: dict[str, t.Any], secrets: dict[str, str], system: System, check: bool) -> dict[str, t.Any]:
    """Everything but the exit."""
    scope = make_scope(params)
    manager = make_manager(params["manager"], system, scope.base)
    if params["state"] == "observed":
        from ..process.observe import observe

        found = observe(scope, system, manager)
        return {"changed": False, "actions": [], "processes": {}, "sources": {}, "timings": {}, "observed": found}
    order = make_order(params, scope, secrets)
    refuse_others(params["manager"], scope)
    if check:
        return act(order, params, system, manager, None).result()
    with stage(params, system) as step:
        if step is not None and params["state"] == "decided" and params["release"]["spec"]:
            step.decision(params["release"]["spec"])
        if step is not None and params["state"] == "built":
            step.wait_for_others()  # who wait for the one that builds, and then for what it has built
        Packages(system, scope.base).receive(params["packages"])
        report = act(order, params, system, manager, step or NO_STEP)
        if step is not None:
            record_outcome(order, params, step, report)
    return report.result()


def make_scope(params: t.Mapping[str, t.Any]) -> Scope:
    """The platform; its code and its state are in two directories, because programs may enter only one of them."""
    names = (params["platform"], params["environment"])
    for key, name in zip(("platform", "environment"), names):
        if "." in name or "/" in name:
            raise invalid(key, name, "small letters, digits and hyphens")
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", params["code_root"]):
        raise invalid("code_root", params["code_root"], "an absolute path of letters, digits, '.', '-' and '_'")
    return Scope(*names, os.path.join(params["root"], *names), os.path.join(params["code_root"], *names))


def make_order(params: dict[str, t.Any], scope: Scope, secrets: dict[str, str]) -> Order:
    """The options, checked, with their defaults."""
    services = parse_services(params["services"], params["side"])
    identity = params["identity"] or default_identity(services, params["version"])
    release = params["release"] or {}
    return Order(
        scope=scope,
        side=params["side"],
        release=release_name(release.get("id") or f"{params['version'] or 'alone'}-{identity[:12]}-{params['side']}"),
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


def act(order: Order, params: dict[str, t.Any], system: System, manager: Manager, step: t.Any) -> Report:
    """Do what the state asks for; without a step, only say what would be done."""
    check = step is None
    if not order.services:
        return Report(system, ())
    if params["state"] in ("built", "fetched", "prepared"):
        return brought(order, params, system, manager, check)
    if params["state"] == "rebuilt":
        from ..process.rebuild import rebuild

        return rebuild(order, system, manager, check=check)
    if params["state"] in ("workers_paused", "workers_resumed"):
        from ..process.workers import hold, let_go

        do = hold if params["state"] == "workers_paused" else let_go
        return do(order, system, manager, (step or NO_STEP).note, check=check)
    from ..process.sides import decide, pause, revert, settle

    if params["state"] == "decided":
        probe = None
        if any(service.in_place for service in order.services):
            from .probing import prober

            probe = prober(order.secrets.values(), system)
        return decide(order, system, manager, (step or NO_STEP).note, check=check, probe=probe)
    acts = {"settled": settle, "paused": pause, "reverted": revert}
    return acts[params["state"]](order, system, manager, check=check)


def brought(order: Order, params: dict[str, t.Any], system: System, manager: Manager, check: bool) -> Report:
    """The new side, or what it is made of; and before it the releases that this machine has missed."""
    earlier = Report(system, ())
    if params["retained"]:
        from ..process.retained import bring

        earlier = bring(order, params["retained"], system, manager, check=check)
    if params["state"] in ("built", "fetched"):
        from ..process.prepare import build, fetch

        make = build if params["state"] == "built" else fetch
        return earlier.followed_by(make(order, system, manager, check=check))
    from ..process.prepare import prepare
    from .probing import prober

    return earlier.followed_by(prepare(order, system, manager, prober(order.secrets.values(), system), check=check))
