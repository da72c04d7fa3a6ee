# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What release_state does on a machine, without Ansible (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from types import MappingProxyType

from ..errors import SlipwayError
from ..state.history import report
from ..state.lease import Lease, ReleaseToken
from ..state.machine import Machine, MachineView
from ..state.rebuild import rewritten, write_specifications
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
    frozen: str

    def text(self) -> str:
        lines = [f"fence: {self.fence}", f"lease: {self.lease}", f"outcome: {self.outcome}", f"frozen: {self.frozen}"]
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
        keep, found[params["model"]] = of_model(params, system)
        directories.update(keep)
    if "proxy" in params["parts"]:
        from ..traffic.certificates import ending
        from ..traffic.factory import provider
        from ..traffic.tls import build_tls
        from .one_side import read_secrets

        secrets = read_secrets(params["secrets"])
        proxy = provider(params["provider"], system, platform=names[0], environment=names[1], secrets=secrets)
        found["traffic"] = proxy.observe()
        tls = build_tls(params["tls"])
        found["traffic"]["refused_certificates"] = proxy.refused_certificates(tls, params["hosts"]) if tls else []
        found["traffic"]["refused_listen"] = proxy.refused_listen(params["bind"], params["listen"], tls)
        found["warnings"] = ending(found["traffic"]["certificates"])
    if "db" in params["parts"]:
        from ..backup import freshness
        from ..backup.factory import STATE

        known = freshness.read(system, os.path.join(params["root"], STATE), "-".join(names))
        found["backup"] = {"said": freshness.said(known, system.wall()), **(known._asdict() if known else {})}
    sides = (found.get("container") or found.get("process") or {}).get("sides", {})
    found["facts"] = gather(
        system,
        directories=directories,
        ports=params["ports"],
        containers=running(sides),
        programs=params["programs"],
        users=params["users"],
    )
    return found


def of_model(params: Params, system: System) -> tuple[dict[str, str], dict[str, t.Any]]:
    """What runs on this machine, and the directory that needs room for more of it, by its name; only that model is imported."""
    if params["model"] == "process":
        from ..process.factory import make_manager
        from ..process.observe import observe as observe_processes
        from .process_deploy import make_scope

        scope = make_scope(params)
        manager = make_manager(params["manager"], system, scope.base)
        return {"code": params["code_root"]}, observe_processes(scope, system, manager)
    from ..container.observe import observe

    names = (params["platform"], params["environment"])
    return {"docker": params["docker_root"]}, observe(*names, system, images=params["images"], root=params["root"])


def running(sides: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Name of everything that runs on one of the sides, and what its control group has in its path: an id, or a unit's name."""
    services = [replicas for side in sides.values() for replicas in side["services"].values()]
    return {
        replica["name"]: replica.get("id") or replica["name"]
        for replicas in services
        for replica in replicas
        if replica["running"]
    }


def outline(view: MachineView, params: Params) -> Outline:
    """The part of the view that a state may change."""
    known = view.journal.find(params["release"]["id"]) if params["release"] else None
    lease = view.lock.lease
    return Outline(
        fence=view.lock.fence,
        lease=f"{lease.release_id}, {lease.who()}" if lease else NOBODY,
        outcome=known.outcome if known else "",
        bad=frozenset(view.journal.bad),
        frozen=frozen_words(view.journal.frozen),
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


def plan_frozen(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    wanted = {name: params[name] for name in ("who", "why", "until")}
    if not wanted["why"]:
        raise SlipwayError("missing", obj="why", remedy="Say why it is frozen.", cause="invalid")
    now = before.journal.frozen or {}
    if all(now.get(name) == value for name, value in wanted.items()):
        return Plan(f"it is frozen so already, {frozen_words(now)}")
    words = frozen_words(wanted)
    lease = before.lock.lease if before.remaining > 0 else None
    goes_on = f"; release {lease.release_id} of {lease.who()} is under way, and goes on to its end" if lease else ""
    return Plan(f"freeze it, {words}{goes_on}", lambda: machine.tell("frozen", wanted), {"frozen": words})


def plan_thawed(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    if before.journal.frozen is None:
        return Plan("it is not frozen")
    told = {"who": params["who"]}
    words = frozen_words(before.journal.frozen)
    return Plan(f"thaw it: it is frozen {words}", lambda: machine.tell("thawed", told), {"frozen": NOBODY})


def frozen_words(frozen: t.Mapping[str, t.Any] | None) -> str:
    """A freeze for people: who, why and until when."""
    if not frozen:
        return NOBODY
    until = time.strftime("until %Y-%m-%d %H:%M:%S UTC", time.gmtime(frozen["until"])) if frozen["until"] else ""
    return f"by {frozen['who'] or '?'}: {frozen['why']} ({until or 'until it is thawed'})"


def plan_rebuilt(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    names = ", ".join(str(release["id"]) for release in params["memory"].get("releases") or ()) or "no release"
    action = f"write the journal anew: {names}"
    if params["release"] is None and check:
        return Plan(action, lambda: None)
    release = acting(params)

    def apply() -> None:
        with machine.stage(release, "rebuild", RECORDING) as step:
            write_specifications(machine, params["memory"])
            step.rewrite(lambda records: rewritten(records, params["memory"], release.id))

    return Plan(action, apply)


PLANS: dict[str, t.Callable[[Params, Machine, MachineView, bool], Plan]] = {
    "granted": plan_granted,
    "withdrawn": plan_given_back,
    "released": plan_given_back,
    "recorded": plan_recorded,
    "unlocked": plan_unlocked,
    "marked_bad": plan_marked_bad,
    "forgiven": plan_forgiven,
    "frozen": plan_frozen,
    "thawed": plan_thawed,
    "rebuilt": plan_rebuilt,
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
