# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stage of a sequence; controller-only (private to the collection).

Each is plain JSON: C(name), the C(role) and the C(tasks) of it that do it, and C(at), the machines on which it acts; on
all others it only renews the lease. C(passed) are those on which the version has passed before; C(code_of) is the release
whose code is here already: what one machine has fetched must not differ from what another one fetches later. C(retains) is
whether a new machine is brought earlier releases by it.
"""

from __future__ import annotations

import typing as t

from .target import MARGIN, Target

Stage = dict[str, t.Any]


def of_model(name: str, target: Target, at: t.Sequence[str], passed: t.Sequence[str] = ()) -> Stage:
    """One that the model's role does."""
    tasks = {"decision": "decide"}.get(name, name)
    before = target["interrupts"] or target["in_place"] or len(target["batches"]) > 1  # fetched before it is prepared
    fetches = name not in ("build", "fetch") and before
    return {
        "name": name,
        "role": target["model_role"],
        "tasks": tasks,
        "at": list(at),
        "passed": list(passed),
        # As early as may be: behind a closed door nothing is to be waited for.
        "retains": name == "fetch" or not fetches,
        "code_of": target["kept_release"] or (target["id"] if fetches else ""),
    }


def least(target: Target) -> float:
    """Seconds in which each step of a batch must show no fault."""
    return float(target["rolling"].get("min_healthy_time", target["watch"]["bake"]))


def baked(target: Target, last: bool) -> float:
    """Seconds in which a whole batch is watched: between two of them longer, and the last one as any release."""
    if last:
        return max(least(target), float(target["watch"]["bake"]))
    return least(target) + float(target["rolling"]["pause"])


def shift(
    target: Target,
    at: t.Sequence[str],
    weights: t.Mapping[str, int],
    apart: t.Mapping[str, t.Any],
    *,
    bake: float,
    drains: bool = False,
    batch: t.Mapping[str, t.Any] | None = None,
) -> Stage:
    """Move traffic. Only the last one drains: the old side runs on until then.

    :param batch: what is complete with that, for journal and report.
    """
    drain = float(target["drain"]["deadline"]) if drains else 0.0
    return {
        "name": "shift",
        "role": target["strategy_role"],
        "tasks": "shift",
        "at": list(at),
        "weights": dict(weights),
        "apart": dict(apart),
        "batch": dict(batch) if batch else None,
        "bake": bake,
        "drains": drains,
        "deadline": float(target["gate"]) + max(bake, drain) + MARGIN + target["opening"],
    }
