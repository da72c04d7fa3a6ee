# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What container_deploy does on a host, without Ansible (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import traceback
import typing as t

from ..container.engine import Engine
from ..container.observe import Report, observe
from ..container.spec import Order, Scope, default_identity, parse_services
from ..errors import SlipwayError
from ..state.machine import Machine, ReleaseToken
from ..system import System


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.CONTAINER_DEPLOY), with every default filled in.
    """
    secrets: dict[str, str] = {}
    try:
        secrets.update(read_secrets(params["secrets"]))
        return run(params, secrets, System(), check)
    except SlipwayError as error:
        said = error.result()
    except Exception as error:  # whatever it is, it may quote what a container was to be made with
        said = {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    return {"failed": True, **Report(System(), secrets.values()).clean(said)}


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
            record_outcome(order, params, step)
    return report.result()


def read_secrets(encoded: str) -> dict[str, str]:
    """The secrets, decoded; what they are never shows in an error."""
    try:
        values = json.loads(base64.b64decode(encoded, validate=True)) if encoded else {}
        return {str(name): str(value) for name, value in values.items()}
    except (ValueError, AttributeError):
        raise SlipwayError(
            "not readable",
            obj="secrets",
            wanted="a JSON object in base64",
            remedy="Call the module through its action plugin, and give it a mapping.",
            cause="invalid",
        ) from None


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
    )


@contextlib.contextmanager
def stage(params: dict[str, t.Any], system: System) -> t.Iterator[t.Any]:
    """The stage of the release, or this machine's lock alone (then there is no step)."""
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    release = params["release"]
    if release is None:
        with machine.alone():
            yield None
    else:
        name = release["stage"] or params["state"]
        with machine.stage(ReleaseToken.parse(release), name, release["deadline"]) as step:
            yield step


class NoStep:
    """Where there is no release there is no journal."""

    def note(self, event: str, **data: t.Any) -> None:
        """Nothing."""


NO_STEP = NoStep()


def act(order: Order, params: dict[str, t.Any], system: System, step: t.Any) -> Report:
    """Do what the state asks for; without a step, only say what would be done."""
    check = step is None
    if not order.services:
        return Report(system, ())
    if params["state"] == "prepared":
        from ..container.prepare import prepare

        return prepare(order, system, Engine(), prober(order.secrets.values(), system), check=check)
    from ..container.sides import decide, pause, revert, settle

    if params["state"] == "decided":
        return decide(order, system, Engine(), (step or NO_STEP).note, check=check)
    acts = {"settled": settle, "paused": pause, "reverted": revert}
    return acts[params["state"]](order, system, Engine(), check=check)


def prober(secrets: t.Iterable[str], system: System) -> t.Callable[[t.Sequence[t.Any]], list[t.Any]]:
    """The probe engine, in the words of the container engine.

    :param secrets: values that must not show in any verdict.
    """
    hidden = tuple(secrets)

    def probe(checks: t.Sequence[t.Any]) -> list[t.Any]:
        from ..container.engine import parallel
        from ..container.verify import Verdict
        from ..probe.loop import check_once, probe_all
        from ..probe.model import Policy, Target

        targets = [Target(policy=Policy(**check.policy), **check.target) for check in checks]
        if checks[0].once:
            results = parallel(
                lambda item: check_once(item, system=system, policy=item.policy, secrets=hidden), targets
            )
        else:
            results = probe_all(targets, system=system, policy=Policy(), secrets=hidden)
        return [Verdict(r.healthy, r.cause, r.message, r.evidence, r.seconds, r.remedy) for r in results]

    return probe


def record_outcome(order: Order, params: dict[str, t.Any], step: t.Any) -> None:
    """The last words of a release on this machine; its lease goes back when the stage ends."""
    release = params["release"]
    about = {"version": order.version, "identity": order.identity, "side": order.side}
    if params["state"] == "settled":
        step.outcome("succeeded", **about)
        step.release_lease()
    elif params["state"] == "reverted" and release["outcome"] != "open":
        if release["mark_bad"]:
            step.mark_bad(order.identity, version=order.version, why=why(release["diagnosis"]))
        step.outcome(release["outcome"], diagnosis={"failures": release["diagnosis"]}, **about)
        step.release_lease()


def why(diagnosis: t.Sequence[t.Any]) -> str:
    """The first failure in a sentence."""
    first = diagnosis[0] if diagnosis else "it was reverted"
    return str(first.get("message") or first) if isinstance(first, dict) else str(first)
