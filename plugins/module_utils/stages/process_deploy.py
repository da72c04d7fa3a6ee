# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What process_deploy does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import os
import re
import traceback
import typing as t

from ..errors import SlipwayError
from ..process.factory import make_manager
from ..process.manager import Manager
from ..process.options import invalid, parse_services
from ..process.report import Report
from ..process.spec import Order, Scope, default_identity
from ..system import System
from .one_side import NO_STEP, read_secrets, record_outcome, stage


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.PROCESS_DEPLOY), with every default filled in.
    """
    secrets: dict[str, str] = {}
    try:
        secrets.update(read_secrets(params["secrets"]))
        return run(params, secrets, System(), check)
    except SlipwayError as error:
        said = error.result()
    except Exception as error:  # whatever it is, it may quote what a process was to be started with
        said = {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    return {"failed": True, **Report(System(), secrets.values()).clean(said)}


def run(params: dict[str, t.Any], secrets: dict[str, str], system: System, check: bool) -> dict[str, t.Any]:
    """Everything but the exit."""
    scope = make_scope(params)
    manager = make_manager(params["manager"], system, scope.base)
    if params["state"] == "observed":
        from ..process.observe import observe

        found = observe(scope, system, manager)
        return {"changed": False, "actions": [], "processes": {}, "sources": {}, "timings": {}, "observed": found}
    order = make_order(params, scope, secrets)
    if check:
        return act(order, params, system, manager, None).result()
    with stage(params, system) as step:
        if step is not None and params["state"] == "decided" and params["release"]["spec"]:
            step.decision(params["release"]["spec"])
        report = act(order, params, system, manager, step or NO_STEP)
        if step is not None:
            record_outcome(order, params, step)
    return report.result()


def make_scope(params: dict[str, t.Any]) -> Scope:
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
        release=_plain(release.get("id") or f"{params['version'] or 'alone'}-{identity[:12]}-{params['side']}"),
        version=params["version"],
        identity=identity,
        publish=params["publish"],
        services=services,
        secrets=secrets,
        keep=params["keep"],
        live_side=params["live_side"],
        deadline=float(release.get("deadline") or 900),
        kept_release=params["kept_release"],
    )


def _plain(release: str) -> str:
    """A release id as the name of a directory."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", release)[:120]
    return f"_{name}" if name.startswith(".") else name


def act(order: Order, params: dict[str, t.Any], system: System, manager: Manager, step: t.Any) -> Report:
    """Do what the state asks for; without a step, only say what would be done."""
    check = step is None
    if not order.services:
        return Report(system, ())
    if params["state"] == "prepared":
        from ..process.prepare import prepare

        return prepare(order, system, manager, prober(order.secrets.values(), system), check=check)
    from ..process.sides import decide, pause, revert, settle

    if params["state"] == "decided":
        return decide(order, system, manager, (step or NO_STEP).note, check=check)
    acts = {"settled": settle, "paused": pause, "reverted": revert}
    return acts[params["state"]](order, system, manager, check=check)


def prober(secrets: t.Iterable[str], system: System) -> t.Callable[[t.Sequence[t.Any]], list[t.Any]]:
    """The probe engine, in the words of the process engine.

    :param secrets: values that must not show in any verdict.
    """
    hidden = tuple(secrets)

    def probe(checks: t.Sequence[t.Any]) -> list[t.Any]:
        from ..probe.loop import check_once, probe_all
        from ..probe.model import Policy, Target
        from ..process.verify import Verdict

        targets = [Target(policy=Policy(**check.policy), **check.target) for check in checks]
        if checks[0].once:
            results = [
                check_once(item, system=system, policy=item.policy or Policy(), secrets=hidden) for item in targets
            ]
        else:
            results = probe_all(targets, system=system, policy=Policy(), secrets=hidden)
        return [Verdict(r.healthy, r.cause, r.message, r.evidence, r.seconds, r.remedy) for r in results]

    return probe
