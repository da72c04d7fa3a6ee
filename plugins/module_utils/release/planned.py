# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every plan is made of: its words, its refusals, the name of its run; controller-only (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from ..errors import SlipwayError
from .fleet import Fleet
from .recover import Interrupted
from .target import Live, Target


class Plan(t.NamedTuple):
    """What this run does, in the words of the role that does it."""

    action: str  # finish (an interrupted release comes first), release, restore, migrate, maintenance, remove, rebuild, nothing
    course: str  # of the one that is finished
    target: t.Optional[Target]  # of the one that is finished or released
    takeover: list[dict[str, t.Any]]  # leases whose holder is gone
    say: list[str]  # for the terminal
    stages: t.Sequence[dict[str, t.Any]] = ()  # between the database and the end of the old side
    back: t.Sequence[t.Sequence[dict[str, t.Any]]] = ()  # what puts batches back one by one, the last of them first


def refused(goal: str, problems: t.Sequence[str]) -> SlipwayError:
    """All problems at once, numbered."""
    listed = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(problems, start=1))
    return SlipwayError(
        f"{goal} refused before anything was touched, for {len(problems)} reason{'s'[: len(problems) != 1]}",
        remedy=f"\n{listed}",
        cause="refused",
        evidence={"problems": list(problems)},
    )


def refuse_other_model(config: t.Mapping[str, t.Any], left: Interrupted | None, live: Live) -> None:
    """Both sides are of one model, because each model sees, starts and stops only its own.

    :raises SlipwayError: C(other_model).
    """
    spec: t.Mapping[str, t.Any] = (left.spec or left.about if left else None) or live.target or {}
    role = str(spec.get("model_role") or "")
    runs_as = str(spec.get("model") or role.rpartition(".")[2].removesuffix("_deploy") or config["model"])
    wrong = [("slipway_model", runs_as, config["model"])]
    wrong += [
        (f"slipway_process.{key}", value, config["process"][key])
        for key, value in ((spec.get("process") or {}).items() if config["process"] else ())
    ]
    for path, found, wanted in wrong:
        if found != wanted:
            raise SlipwayError(
                f"it cannot be changed while a version is {'half released' if left else 'live'}",
                obj=path,
                actual=wanted,
                wanted=found,
                remedy=f"Set it back to {found}. To change it, release a platform of another name beside this one, and move the"
                " traffic to that yourself.",
                cause="other_model",
            )


def with_id(target: Target, fleet: Fleet, now: float, suffix: str) -> Target:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    if target["replicas"]:
        target["replicas"]["owed"] = fleet.unreplayed()
    target.update(
        id=f"{target['version']}-{stamp}-{suffix}",
        token=fleet.next_token(),
        started=now,
        majority=False,
        traffic_may_have_moved=False,
        about=about_of(target),
    )
    return target


def about_of(target: Target) -> dict[str, t.Any]:
    """What stands in every journal as soon as the lock is granted."""
    about = {key: target[key] for key in ("version", "identity", "side", "live_side")}
    about["model"] = target.get("model", "container")  # the only one before targets named it
    if target.get("forgotten"):
        about["balancers_forgotten"] = target["forgotten"]
    waived = (target.get("replicas") or {}).get("waive")
    return {**about, "replicas_waived": waived} if waived else about
