# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What release_state does on a machine, without Ansible (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import typing as t
from types import MappingProxyType

from ..errors import SlipwayError
from ..state.history import report
from ..state.lease import Lease, ReleaseToken
from ..state.machine import Machine, MachineView
from ..system import System

RECORDING = 10.0  # seconds that writing an outcome may take

NOBODY = "none"
Params = t.Mapping[str, t.Any]


class Plan(t.NamedTuple):
    """What a state would do: nothing when there is no C(apply)."""

    action: str
    apply: t.Callable[[], t.Any] | None = None
    after: t.Mapping[str, t.Any] = MappingProxyType({})  # what becomes of the outline


class Outline(t.NamedTuple):
    """What a diff compares."""

    fence: int
    lease: str
    outcome: str
    bad: frozenset[str]

    def text(self) -> str:
        lines = [f"fence: {self.fence}", f"lease: {self.lease}", f"outcome: {self.outcome}"]
        return "".join(f"{line}\n" for line in [*lines, *(f"bad: {identity}" for identity in sorted(self.bad))])


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(arguments.RELEASE_STATE), with every default filled in.
    """
    try:
        return run(params, System(), check)
    except SlipwayError as error:
        return {"failed": True, **error.result()}


def run(params: Params, system: System, check: bool) -> dict[str, t.Any]:
    """Everything but the exit."""
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    if params["state"] == "read":
        return {"changed": False, "actions": [], **described(machine.read(), system), **live(params, system, machine)}
    if params["state"] == "journal_repaired":
        return repair(machine, system, check)
    before = machine.read()
    plan = PLANS[params["state"]](params, machine, before, check)
    changed = plan.apply is not None
    if plan.apply is not None and not check:
        plan.apply()
    was = outline(before, params)
    diff = {"before": was.text(), "after": was._replace(**plan.after).text()}
    return {"changed": changed, "actions": [plan.action], "diff": diff, **described(machine.read(), system)}


# Reading ------------------------------------------------------------------------------------------------------


def described(view: MachineView, system: System) -> dict[str, t.Any]:
    """Lock and journal as the module returns them."""
    lease = view.lock.lease
    lock: dict[str, t.Any] = {"fence": view.lock.fence, "live": view.remaining > 0, "source": view.lock.source}
    if lease is not None:
        remaining = max(0.0, view.remaining)
        lock.update(
            token=lease.token,
            release_id=lease.release_id,
            holder=lease.holder,
            remaining=round(remaining, 1),
            until=round(system.wall() + remaining, 1),
        )
    return {"lease": lock, "journal": report(view.journal)}


def live(params: Params, system: System, machine: Machine) -> dict[str, t.Any]:
    """Facts, and what the parts of this machine say of themselves."""
    from ..preflight.facts import gather

    directories = {"state": machine.directory}
    found: dict[str, t.Any] = {}
    names = (params["platform"], params["environment"])
    if "app" in params["parts"]:
        from ..container.observe import observe

        directories["docker"] = params["docker_root"]
        found["container"] = observe(*names, system, images=params["images"], root=params["root"])
    if "proxy" in params["parts"]:
        from ..traffic.factory import provider

        proxy = provider(params["provider"], system, platform=names[0], environment=names[1])
        found["traffic"] = proxy.observe()
    if "db" in params["parts"]:
        from ..backup import freshness
        from ..backup.factory import STATE

        known = freshness.read(system, os.path.join(params["root"], STATE), "-".join(names))
        found["backup"] = {"said": freshness.said(known, system.wall()), **(known._asdict() if known else {})}
    sides = found.get("container", {}).get("sides", {})
    found["facts"] = gather(system, directories=directories, ports=params["ports"], containers=running(sides))
    return found


def running(sides: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Name and id of every container that runs on one of the sides."""
    services = [replicas for side in sides.values() for replicas in side["services"].values()]
    return {replica["name"]: replica["id"] for replicas in services for replica in replicas if replica["running"]}


def outline(view: MachineView, params: Params) -> Outline:
    """The part of the view that a state may change."""
    known = view.journal.find(params["release"]["id"]) if params["release"] else None
    lease = view.lock.lease
    return Outline(
        fence=view.lock.fence,
        lease=f"{lease.release_id}, {lease.who()}" if lease else NOBODY,
        outcome=known.outcome if known else "",
        bad=frozenset(view.journal.bad),
    )


# Changing -----------------------------------------------------------------------------------------------------


def plan_granted(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    if params["release"] is None and check:
        return Plan("a preview takes no lock")
    release = acting(params)
    terms = {"takeover": params["takeover"], "break_glass": params["break_glass"]}
    new = machine.grantable(release, **terms)

    def apply() -> None:
        machine.grant(release, params["duration"], about=params["about"], **terms)

    if not new:
        if not check:
            apply()  # the same again only renews what this release has
        return Plan(f"release {release.id} holds the lease already")
    lease = before.lock.lease
    instead = f", instead of {lease.who()}" if lease and before.remaining > 0 else ""
    holder = Lease(release.token, release.id, release.holder, "", 0.0, 0.0).who()
    after = {"fence": release.token, "lease": f"{release.id}, {holder}"}
    return Plan(f"grant the lease to release {release.id} for {params['duration']:g} s{instead}", apply, after)


def plan_given_back(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    if params["release"] is None and check:
        return Plan("a preview takes no lock, so there is none to give back")
    release = acting(params)
    lease = before.lock.lease
    if lease is None or not lease.belongs_to(release):
        return Plan(f"release {release.id} holds no lease here")
    give_back = machine.withdraw if params["state"] == "withdrawn" else machine.release
    untouched = [found for found in before.journal.unfinished if found.id == release.id and not found.stages]
    after = {"lease": NOBODY, **({"outcome": "withdrawn"} if untouched else {})}
    return Plan(f"take the lease back from release {release.id}", lambda: give_back(release), after)


def plan_recorded(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    if params["release"] is None and check:
        return Plan("a preview takes no lock, so there is no release to record")
    release = acting(params)
    known, lease = before.journal.find(release.id), before.lock.lease
    mine = lease is not None and lease.belongs_to(release)
    if known is not None and known.outcome == params["outcome"] and not mine:
        return Plan(f"release {release.id} is recorded as {params['outcome']} already")

    def apply() -> None:
        with machine.stage(release, "record", RECORDING) as step:
            step.outcome(params["outcome"], diagnosis=params["diagnosis"], **params["about"])
            step.release_lease()

    after = {"outcome": params["outcome"], "lease": NOBODY}
    return Plan(f"record release {release.id} as {params['outcome']} and give the lease back", apply, after)


def plan_unlocked(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    lease = before.lock.lease
    if lease is None:
        return Plan("nobody holds the lease; there is nothing to break")
    left = f"which has {before.remaining:.0f} s left" if before.remaining > 0 else "which has lapsed"
    release = before.journal.find(lease.release_id)
    at = f" in stage {release.reached}" if release and release.stages and not release.outcome else ""
    return Plan(
        f"remove the lease of release {lease.release_id}{at}, held by {lease.who()}, {left}; "
        "whatever it still has at work ends by itself, and its next stage is refused on this machine",
        machine.unlock,
        {"lease": NOBODY},
    )


def plan_marked_bad(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    identity = params["identity"]
    if identity in before.journal.bad:
        return Plan(f"{identity} is marked bad already")
    release = params["release"]["id"] if params["release"] else ""

    def apply() -> None:
        machine.mark_bad(identity, version=params["version"], why=params["why"], release=release)

    after = {"bad": before.journal.bad.keys() | {identity}}
    return Plan(f"refuse {identity} (version {params['version'] or 'unknown'}) from now on", apply, after)


def plan_forgiven(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    identity = params["identity"]
    if identity not in before.journal.bad:
        return Plan(f"{identity} is not marked bad")
    after = {"bad": before.journal.bad.keys() - {identity}}
    return Plan(f"let {identity} out again", lambda: machine.forgive(identity), after)


PLANS: dict[str, t.Callable[[Params, Machine, MachineView, bool], Plan]] = {
    "granted": plan_granted,
    "withdrawn": plan_given_back,
    "released": plan_given_back,
    "recorded": plan_recorded,
    "unlocked": plan_unlocked,
    "marked_bad": plan_marked_bad,
    "forgiven": plan_forgiven,
}


def acting(params: Params) -> ReleaseToken:
    """The release that acts.

    :raises SlipwayError: C(invalid).
    """
    if params["release"] is None:
        raise SlipwayError(
            "missing", obj="release", wanted=f"id and token for state={params['state']}", cause="invalid",
            remedy="Pass on the release that the lease is for.",
        )  # fmt: skip
    return ReleaseToken.parse(params["release"])


def repair(machine: Machine, system: System, check: bool) -> dict[str, t.Any]:
    """The one state that must not read the journal first."""
    done = machine.damage() if check else machine.repair()
    if done is None:
        action = "the journal is not damaged"
    else:
        action = f"keep every good line, and the damaged file as {done['kept_aside']}; {done['lines_lost']} lines lost"
    view: dict[str, t.Any] = {}
    with contextlib.suppress(SlipwayError):  # in check mode it is damaged still
        view = described(machine.read(), system)
    return {"changed": done is not None, "actions": [action], "repair": done, **view}
