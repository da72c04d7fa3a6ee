# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this run does: finish something, refuse, do nothing, or release; controller-only (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from ..errors import SlipwayError
from . import maintenance
from .fleet import Fleet, Read
from .foreseen import Words, in_the_way
from .migrate import compatible_with, migrating, unheard, unjudged
from .preflight import problems_of
from .recover import CLOSE, RESUME, UNDO, Interrupted, interrupted
from .target import OTHER, Live, Target, from_config, from_kept

RESTORES = Words(
    "its services cannot be stopped",
    "its connections to the database end all the same",
    "restores",
    "the backup",
)


class Plan(t.NamedTuple):
    """What this run does, in the words of the role that does it."""

    action: str  # finish (an interrupted release comes first), release, restore, migrate, maintenance, nothing
    course: str  # of the one that is finished
    target: t.Optional[Target]  # of the one that is finished or released
    takeover: list[dict[str, t.Any]]  # leases whose holder is gone
    say: list[str]  # for the terminal


def decide(
    goal: str,
    config: t.Mapping[str, t.Any],
    fleet: Fleet,
    *,
    now: float,
    suffix: str,
    finished: str = "",
    foreseen: Read | None = None,
    replicas: Read | None = None,
) -> Plan:
    """Decide what this run does from everything that was read.

    :param goal: C(deploy), C(rollback), C(restore), C(migrate), C(contract) or C(maintenance).
    :param now: seconds since the epoch, for the release's name only.
    :param suffix: four random hexadecimal digits, so that no two releases ever share a name.
    :param finished: the interrupted release that this run has just brought to its end.
    :param foreseen: for C(restore), what a preview of it said on the machine that takes the backups; for C(migrate) and
        C(contract), on the one that migrates.
    :param replicas: what the machine that migrates has seen of the database's replicas.
    :raises SlipwayError: C(refused), with every problem at once; C(lock_held).
    """
    fleet.refuse_foreign_lock(break_glass=config["break_glass"])
    left = interrupted(fleet.traces())
    if left is not None:
        if left.id == finished:
            raise SlipwayError(
                "the interrupted release is still open after this run has brought it to its end",
                obj=f"release {left.id}",
                actual=left.why,
                remedy="Run it again; `status` shows which machine holds it back.",
                cause="still_open",
            )
        return _finish(left, config, fleet)
    live = fleet.live()
    if goal == "restore":
        return _restore(config, fleet, live, _chosen(config, fleet, foreseen), now=now, suffix=suffix)
    if goal == "maintenance":
        return _maintained(config, fleet, live, now=now, suffix=suffix)
    if goal in ("migrate", "contract"):
        return _migrate(goal, config, fleet, live, foreseen=foreseen, replicas=replicas, now=now, suffix=suffix)
    problems = problems_of(goal, config, fleet)
    silent = unheard(config, fleet, replicas) if goal == "deploy" else []
    target = None if problems else _asked_for(goal, config, fleet, live, problems)
    if problems or target is None:
        raise refused(goal, [*problems, *silent])
    if _is_live_already(target, fleet, live):
        where = f"{target['platform']}/{target['environment']}"
        return Plan("nothing", "", None, [], [f"{where}: {target['version']} is live on {live.side} already"])
    if silent:
        raise refused(goal, silent)
    say = [*_said(target, live), *(unjudged(target, fleet) if goal == "deploy" else ()), *maintenance.reminder(fleet)]
    return Plan("release", "", _named(target, fleet, now, suffix), fleet.takeover(), say)


def _migrate(
    goal: str,
    config: t.Mapping[str, t.Any],
    fleet: Fleet,
    live: Live,
    *,
    foreseen: Read | None,
    replicas: Read | None,
    now: float,
    suffix: str,
) -> Plan:
    """Apply migrations without a release: under its lock and in its journal, like one that prepares nothing."""
    found = migrating(goal, config, fleet, live, foreseen)
    if found.target is None and not found.problems:
        return Plan("nothing", "", None, [], found.say)
    waits = goal == "migrate" and (found.target is None or found.target["replicas"])
    problems = [*found.problems, *(unheard(config, fleet, replicas) if waits else ())]
    if problems or found.target is None:
        raise refused(goal, problems)
    named = _named(found.target, fleet, now, suffix)
    named["about"] = {**named["about"], **found.about}
    return Plan("migrate", "", named, fleet.takeover(), found.say)


def _chosen(config: t.Mapping[str, t.Any], fleet: Fleet, foreseen: Read | None) -> Read:
    """The backup that a restore over the live database takes, as database_backup describes it.

    :raises SlipwayError: C(refused), with everything that can be known to be in its way before the services stop.
    """
    backup = (config["database"] or {}).get("backup")
    if not backup:
        raise refused("restore", ["slipway_database.backup: missing, so it is not known where the backups are kept."])
    problems = in_the_way(fleet, backup["host"], foreseen, RESTORES, break_glass=config["break_glass"])
    if problems or foreseen is None:
        raise refused("restore", problems)
    point = (foreseen.get("restore_point") or {}).get("name")  # that of a release that leant on binary logs
    return t.cast(Read, {**foreseen["backup"], "point": point})


def _restore(config: t.Mapping[str, t.Any], fleet: Fleet, live: Live, chosen: Read, *, now: float, suffix: str) -> Plan:
    """Stop the services, restore the database, start them: as a release that prepares nothing and is put back."""
    target = from_config({**config, "version": f"restore of {config['backup']}", "identity": ""}, live)
    until = {"point": chosen.get("point"), "time": config["restore_time"]}
    moment = {kind: value for kind, value in until.items() if value}
    target["restore"] = {"id": chosen["id"], "over": config["restore_over"], **moment}
    target["machines"] = sorted(fleet.readable())
    target["proxies"] = [machine for machine in target["proxies"] if machine in target["machines"]]
    target = _named({**target, "version": "restore"}, fleet, now, suffix)
    target["about"] = {**target["about"], "version": f"restore of {config['backup']}", "restore": target["restore"]}
    running = f"{live.version} on {live.side}" if live.side else "nothing"
    say = [
        f"{target['platform']}/{target['environment']}: restore {chosen['id']} over {config['restore_over']}",
        f"  of {config['backup']}, {(now - chosen['taken']) / 3600:.1f} h old{_brought_on(moment)}",
        f"  stopped meanwhile: {running}",
    ]
    return Plan("restore", "", target, fleet.takeover(), say)


def _maintained(config: t.Mapping[str, t.Any], fleet: Fleet, live: Live, *, now: float, suffix: str) -> Plan:
    """Close the platform for maintenance, or open it: under the lock of a release that prepares nothing."""
    problems = maintenance.problems_of(config, fleet, live)
    if problems:
        raise refused("maintenance", problems)
    if maintenance.is_done(config, fleet):
        return Plan("nothing", "", None, [], [f"{config['platform']}/{config['environment']} is open already"])
    target = _named(maintenance.target_of(config, fleet, live), fleet, now, suffix)
    return Plan("maintenance", "", target, fleet.takeover(), maintenance.said(target, fleet, live))


def _brought_on(moment: t.Mapping[str, t.Any]) -> str:
    """Up to when binary logs lead on from what is restored, for people."""
    return "".join(f", brought on to {until}" for until in moment.values())


def refused(goal: str, problems: t.Sequence[str]) -> SlipwayError:
    """All problems at once, numbered."""
    listed = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(problems, start=1))
    return SlipwayError(
        f"{goal} refused before anything was touched, for {len(problems)} reason{'s'[: len(problems) != 1]}",
        remedy=f"\n{listed}",
        cause="refused",
        evidence={"problems": list(problems)},
    )


def _finish(left: Interrupted, config: t.Mapping[str, t.Any], fleet: Fleet) -> Plan:
    """Finish an interrupted release with what was frozen, on the machines that can be reached."""
    if left.course == CLOSE:
        return _close(left, config, fleet)
    target = dict(left.spec or _bare_target(left, config, fleet))
    away = sorted(set(target["machines"]) - set(fleet.readable()))
    strangers = sorted(set(target["machines"]) - set(config["machines"]))
    if strangers and not config["break_glass"]:
        raise SlipwayError(
            f"release {left.id} was interrupted and must be brought to its end first, on machines that this inventory lacks",
            obj=", ".join(strangers),
            remedy="Run it with the inventory that has them; or, when they are gone for good, with -e slipway_break_glass=true.",
            cause="strangers",
        )
    if left.decided and set(away) & set(target["proxies"]) and not config["break_glass"]:
        raise SlipwayError(
            f"release {left.id} was interrupted after its decision, and a balancer that may send traffic to either side "
            "cannot be read; both sides keep running",
            obj=", ".join(sorted(set(away) & set(target["proxies"]))),
            remedy="Bring the balancer back and run this again; or, when it is gone for good, add -e slipway_break_glass=true.",
            cause="balancer_away",
        )
    if away and left.course == RESUME:
        left = left._replace(course=UNDO, why=f"{left.why}, and {', '.join(away)} cannot be reached to verify it again")
    target["machines"] = [machine for machine in target["machines"] if machine not in away]
    target["proxies"] = [machine for machine in target["proxies"] if machine not in away]
    target.update(
        id=left.id,
        token=fleet.next_token(),
        started=time.time(),
        majority=left.course == UNDO,
        traffic_may_have_moved=left.decided,
        about={key: target[key] for key in ("version", "identity", "side", "live_side")},
    )
    say = [
        f"release {left.id} was interrupted ({left.why}): {left.course} it first, on {', '.join(target['machines'])}"
    ]
    return Plan("finish", left.course, target, fleet.takeover(), say)


def _close(left: Interrupted, config: t.Mapping[str, t.Any], fleet: Fleet) -> Plan:
    """Give a release that others have overtaken its end, in the journals where it lacks one."""
    target = _bare_target(left, config, fleet)
    target.update(
        id=left.id,
        token=fleet.next_token(),
        machines=left.machines,
        majority=False,
        traffic_may_have_moved=False,
        outcome=left.outcome,
        about={key: target[key] for key in ("version", "identity", "side", "live_side")},
    )
    say = [f"release {left.id} was interrupted ({left.why}): close its journal on {', '.join(left.machines)}"]
    return Plan("finish", left.course, target, fleet.takeover(), say)


def _bare_target(left: Interrupted, config: t.Mapping[str, t.Any], fleet: Fleet) -> Target:
    """What undoing a release needs that was never decided: no balancer has moved, so only its containers are stopped."""
    live = fleet.live()
    side = left.about.get("side") or OTHER.get(live.side, "blue")
    target = from_config({**config, "version": left.about.get("version", ""), "identity": ""}, live)
    target.update(side=side, live_side=left.about.get("live_side", live.side))
    if not left.about.get("restore"):
        target["weights_before"] = None
    target["version"], target["identity"] = left.about.get("version", ""), left.about.get("identity", "")
    target["restore"] = left.about.get("restore")
    return target


def _asked_for(
    goal: str, config: t.Mapping[str, t.Any], fleet: Fleet, live: Live, problems: list[str]
) -> Target | None:
    if goal == "deploy":
        target = from_config(config, live)
        problems += compatible_with(target, fleet)
    else:
        kept = fleet.kept(config["rollback_to"], live, problems)
        if kept is None:
            return None
        target = from_kept(kept, config, live)
    why = fleet.marked_bad(target["identity"])
    if why and not config["allow_bad"]:
        problems.append(
            f"version {target['version']}: marked bad before ({why}). Release another version, or set "
            "-e slipway_allow_bad=true."
        )
        return None
    return target


def _is_live_already(target: Target, fleet: Fleet, live: Live) -> bool:
    return live.target is not None and live.target["identity"] == target["identity"] and fleet.serves(live, target)


def _named(target: Target, fleet: Fleet, now: float, suffix: str) -> Target:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    if target["replicas"]:
        target["replicas"]["owed"] = fleet.unreplayed()
    target.update(
        id=f"{target['version']}-{stamp}-{suffix}",
        token=fleet.next_token(),
        started=now,
        majority=False,
        traffic_may_have_moved=False,
        about={key: target[key] for key in ("version", "identity", "side", "live_side")},
    )
    return target


def _said(target: Target, live: Live) -> list[str]:
    hosts = ", ".join(sorted(target["services"]))
    before = f"{live.version} on {live.side}" if live.side else "nothing"
    return [
        f"{target['platform']}/{target['environment']}: {before} -> {target['version']} on {target['side']}",
        f"  application machines: {hosts}",
        f"  balancers: {', '.join(target['proxies']) or 'none (nothing is shifted)'}",
    ]
