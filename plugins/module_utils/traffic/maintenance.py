# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes at the door alone: closing a platform for maintenance, opening it again, new certificates.

Private to the collection.

That it is closed is part of the structure that the proxy's own file says and its process runs. So a reload, a restart and
a reboot keep it, and so does a release: C(switch.still_closed).
"""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..system import System
from .closure import build_closure, told
from .model import Plan, Provider, Traffic
from .switch import POLL, Drain, Drainer, outcome
from .tls import Tls

HANDED_OVER = 2.0  # seconds more than a request may be held


def close(
    provider: Provider, system: System, wanted: t.Mapping[str, t.Any], *, drain: Drain | None, check: bool
) -> dict[str, t.Any]:
    """No request reaches the platform any more; those under way end, for as long as C(drain) says.

    :param wanted: see C(build_closure). A platform that is closed already stays closed since when it was.
    :raises SlipwayError: C(invalid), C(structure_unknown), and whatever a reload raises; it is as open as before then.
    """
    with provider.lock():
        in_force = _known(provider)
        closure = build_closure(wanted, in_force, system.wall())
        plan = provider.plan(in_force._replace(closure=closure, entrance=False), shift=False)
        if not check:
            _carry_out(provider, plan)
    done = {**outcome(plan), "closed": told(plan.traffic, system.wall()), "said": "closed"}
    if not check:
        drainer = Drainer(drain if plan.reshapes else None)
        _until_empty(provider, system, drainer)
        done["drain"] = drainer.result()
        left = len((done["drain"] or {}).get("remaining") or ())
        done["said"] += f", requests under way: {left} workers" if left else ""
    return done


def reopen(provider: Provider, system: System, *, check: bool) -> dict[str, t.Any]:
    """Requests reach the platform again, those first that were held.

    :raises SlipwayError: C(structure_unknown), and whatever a reload raises; it is as closed as before then.
    """
    with provider.lock():
        in_force = _known(provider)
        closure = in_force.closure
        held = bool(closure and closure.hold)
        plan = provider.plan(in_force._replace(closure=None, entrance=held), shift=False)
        if not check:
            _carry_out(provider, plan)
    done = {**outcome(plan), "closed": None, "closed_seconds": None, "said": "opened"}
    if closure:
        done["closed_seconds"] = round(max(0.0, system.wall() - closure.since), 1)
        done["said"] += f" after {done['closed_seconds']} s"
    if held:
        done["actions"].append("let in what was held, then take the entrance away by another reload")
    if held and not check:
        _until_empty(provider, system, Drainer(Drain(t.cast(t.Any, closure).hold + HANDED_OVER)))
        with provider.lock():
            _carry_out(provider, provider.plan(_known(provider)._replace(entrance=False), shift=False))
    return done


def renew(provider: Provider, tls: Tls | None, *, check: bool) -> dict[str, t.Any]:
    """New certificates alone, in the structure that is in force.

    :param tls: what the site says now; another structure than the one in force wants a release.
    :raises SlipwayError: C(structure_unknown), C(structure_differs), C(certificate_…); nothing was touched.
    """
    with provider.lock():
        in_force = _known(provider, "its certificates cannot be renewed")
        if tls is not None and tls != in_force.tls:
            raise SlipwayError(
                "the certificates in force have other names than those of the site",
                actual=[one.chain for one in in_force.tls.certificates] if in_force.tls else "no TLS",
                wanted=[one.chain for one in tls.certificates],
                remedy="Release a version: another slipway_traffic.tls is another configuration.",
                cause="structure_differs",
            )
        plan = provider.plan(in_force, shift=False)
        if not check:
            _carry_out(provider, plan)
    return {**outcome(plan), "said": "; ".join(plan.certificates) or "nothing is new"}


def _known(provider: Provider, otherwise: str = "it can be neither closed nor opened") -> Traffic:
    in_force = provider.in_force()
    if in_force is None:
        raise SlipwayError(
            f"it is not known what this proxy has of the platform, so {otherwise}",
            remedy="Release a version first; or, where somebody has changed the file that Slipway wrote, the same version again.",
            cause="structure_unknown",
        )
    return in_force


def _carry_out(provider: Provider, plan: Plan) -> None:
    provider.configure(plan)
    provider.shift(plan)


def _until_empty(provider: Provider, system: System, drainer: Drainer) -> None:
    started = system.monotonic()
    while drainer.open:
        drainer.count(provider.retired(), system.monotonic() - started)
        if drainer.open:
            system.sleep(POLL)
