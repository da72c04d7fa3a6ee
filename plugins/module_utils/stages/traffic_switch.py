# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What traffic_switch does on a machine, without Ansible (private to the collection)."""

from __future__ import annotations

import contextlib
import json
import typing as t

from ..errors import SlipwayError
from ..system import System
from ..traffic.factory import provider
from ..traffic.options import build_traffic
from ..traffic.structure import masked
from ..traffic.switch import Drain, Watch, configure, switch
from ..traffic.tls import build_tls
from .one_side import read_secrets

if t.TYPE_CHECKING:
    from ..state.step import Step
    from ..traffic.model import Provider

SETTINGS = (
    "root",
    "config_dir",
    "main_config",
    "socket",
    "include_file",
    "pid_file",
    "log_dir",
    "check_command",
    "reload_command",
)


Params = t.Mapping[str, t.Any]


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.TRAFFIC_SWITCH), with every default filled in.
    """
    system = System()
    try:
        with stage(params, system, check) as step:
            result = act(params, system, check)
            if step is not None:
                note(step, params, result)
                if not params["proxy"]:
                    step.wait_for_others()  # who may watch for minutes
            return result
    except SlipwayError as error:
        return {"failed": True, **error.result()}


@contextlib.contextmanager
def stage(params: Params, system: System, check: bool) -> t.Iterator[Step | None]:
    """The release's stage on this machine, when there is a release and something may be written."""
    release = params["release"]
    if release is None or check or params["state"] == "observed":
        yield None
        return
    from ..state.machine import Machine, ReleaseToken

    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    with machine.stage(ReleaseToken.parse(release), stage=release["stage"], deadline=release["deadline"]) as step:
        yield step


def note(step: Step, params: Params, result: t.Mapping[str, t.Any]) -> None:
    """What the journal keeps of a platform's having been closed or opened, and of the batches of a rolling release."""
    if params["state"] == "closed" and result["changed"]:
        step.note("closed", **{key: result["closed"][key] for key in ("since", "retry_after", "hold")})
    elif result.get("closed_seconds") is not None:
        step.note("opened", closed_seconds=result["closed_seconds"])
    if params["interrupted"] is not None:
        step.note("interrupted", seconds=round(params["interrupted"], 1))
    if params["batch"]:
        step.note("batch", **params["batch"])


def act(params: Params, system: System, check: bool) -> dict[str, t.Any]:
    """What C(state) says, on the proxy of this machine."""
    if not params["proxy"]:
        return {"changed": False, "actions": []}
    proxy = provider(
        params["provider"],
        system,
        platform=params["platform"],
        environment=params["environment"],
        settings={name: params[name] for name in SETTINGS},
        secrets=None if keeps_certificates(params) else read_secrets(params["secrets"]),
    )
    if params["state"] == "observed":
        return {"changed": False, **proxy.observe()}
    if params["state"] in ("closed", "opened", "renewed"):
        return with_diff(at_the_door(proxy, params, system, check), params)
    traffic = build_traffic(params)
    if not traffic.services:
        return {"changed": False, "actions": ["no service with traffic"], "weights": {}, "live_side": None}
    if params["state"] == "configured":
        result = configure(proxy, traffic, check=check)
    elif traffic.weights is None:
        raise SlipwayError("missing", obj="weights", remedy="Say which side is to serve.", cause="invalid")
    else:
        took_over = take_over(proxy, params, check) if params["before"] else []
        watch = params["watch"] and Watch(revert=params["revert_on_watch"], **params["watch"])
        drain = params["drain"] and Drain(**params["drain"])
        result = switch(
            proxy,
            system,
            traffic,
            gate=params["gate"],
            watch=watch,
            drain=drain,
            check=check,
            opens=opener(proxy, system) if params["opens"] else None,
            spares=params["spares"],
            anew=params["anew"],
        )
        result["actions"] = [*took_over, *result["actions"]]
    return with_diff(result, params)


def take_over(proxy: Provider, params: Params, check: bool) -> list[str]:
    """Have a proxy that does not know the platform serve what serves already: the servers that were made by hand.

    Else its first structure would be one in which no server has traffic, until the gate has passed.
    """
    if proxy.in_force() is not None:
        return []
    first = build_traffic({**params, **params["before"], "apart": {}})
    return [f"take over as it is: {words}" for words in configure(proxy, first, check=check)["actions"]]


def at_the_door(proxy: Provider, params: Params, system: System, check: bool) -> dict[str, t.Any]:
    """What leaves routes, servers and weights as they are."""
    from ..traffic.maintenance import close, renew, reopen

    if params["state"] == "renewed":
        return renew(proxy, build_tls(params["tls"]), check=check)
    if params["state"] == "opened":
        return reopen(proxy, system, check=check)
    drain = params["drain"] and Drain(**params["drain"])
    return close(proxy, system, params["closed"], drain=drain, check=check)


def keeps_certificates(params: Params) -> bool:
    """Whether what the balancer has must do: taking a release back, closing, or draining a machine must not fail for one."""
    stage = (params["release"] or {}).get("stage")
    return params["state"] in ("observed", "closed", "opened") or stage in ("revert_traffic", "drain", "unroute")


def opener(proxy: t.Any, system: System) -> t.Callable[[], dict[str, t.Any]]:
    """Opens the platform at this proxy."""
    from ..traffic.maintenance import reopen

    return lambda: reopen(proxy, system, check=False)


def with_diff(result: dict[str, t.Any], params: Params) -> dict[str, t.Any]:
    """Weights and file as a diff; the texts themselves are not part of the result."""
    texts = result.pop("config")
    file = f"{params['provider']}: {params['platform']}-{params['environment']}"
    result["diff"] = [
        {
            "before_header": "weights",
            "after_header": "weights",
            "before": json.dumps(result["weights_before"], indent=1, sort_keys=True) + "\n",
            "after": json.dumps(result["weights"], indent=1, sort_keys=True) + "\n",
        },
        {
            "before_header": file,
            "after_header": file,
            "before": masked(texts["before"]),
            "after": masked(texts["after"]),
        },
    ]
    return result
