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

if t.TYPE_CHECKING:
    from ..state.machine import Step

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
                note(step, params["state"], result)
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


def note(step: Step, state: str, result: t.Mapping[str, t.Any]) -> None:
    """What the journal keeps of a platform's having been closed or opened."""
    if state == "closed" and result["changed"]:
        step.note("closed", **{key: result["closed"][key] for key in ("since", "retry_after", "hold")})
    elif state == "opened" and result["changed"]:
        step.note("opened", closed_seconds=result["closed_seconds"])


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
    )
    if params["state"] == "observed":
        return {"changed": False, **proxy.observe()}
    if params["state"] in ("closed", "opened"):
        from ..traffic.maintenance import close, reopen

        if params["state"] == "opened":
            return with_diff(reopen(proxy, system, check=check), params)
        drain = params["drain"] and Drain(**params["drain"])
        return with_diff(close(proxy, system, params["closed"], drain=drain, check=check), params)
    traffic = build_traffic(params)
    if not traffic.services:
        return {"changed": False, "actions": ["no service with traffic"], "weights": {}, "live_side": None}
    if params["state"] == "configured":
        result = configure(proxy, traffic, check=check)
    elif traffic.weights is None:
        raise SlipwayError("missing", obj="weights", remedy="Say which side is to serve.", cause="invalid")
    else:
        watch = params["watch"] and Watch(revert=params["revert_on_watch"], **params["watch"])
        drain = params["drain"] and Drain(**params["drain"])
        result = switch(proxy, system, traffic, gate=params["gate"], watch=watch, drain=drain, check=check)
    return with_diff(result, params)


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
