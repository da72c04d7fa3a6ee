# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this run does: finish something, refuse, do nothing, or release; controller-only (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from ..errors import SlipwayError
from . import (
    adopt,
    beside,
    drain,
    freeze,
    in_place,
    machine_removal,
    maintenance,
    one_port,
    rebuild,
    removal,
    retained,
    sequence,
    singletons,
    strategy,
)
from .fleet import Fleet, Read
from .foreseen import Words, in_the_way
from .forget import forget, said, without_forgotten
from .migrate import compatible_with, migrating, passed_over, unheard, unjudged
from .planned import Plan, about_of, refuse_other_model, refused, with_id
from .preflight import problems_of
from .recover import CLOSE, DRAIN, RESUME, UNDO, Interrupted, interrupted
from .target import IN_ONE_STEP, OTHER, Live, Target, from_config, from_kept

RESTORES = Words(
    "its services cannot be stopped",
    "its connections to the database end all the same",
    "restores",
    "the backup",
)


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
    previews: removal.Previews | None = None,
    check: bool = False,
) -> Plan:
    """Decide what this run does from everything that was read.

    :param goal: C(deploy), C(rollback), C(restore), C(migrate), C(contract), C(maintenance), C(drain), C(undrain),
        C(remove_machine), C(remove), C(rebuild) or C(adopt).
    :param now: seconds since the epoch, for the release's name only.
    :param suffix: four random hexadecimal digits, so that no two releases ever share a name.
    :param finished: the interrupted release that this run has just brought to its end.
    :param foreseen: for C(restore), what a preview of it said on the machine that takes the backups; for C(migrate) and
        C(contract), on the one that migrates.
    :param replicas: what the machine that migrates has seen of the database's replicas.
    :param previews: for C(remove), what each machine has of the platform; for C(adopt), how each balancer has found the servers.
    :param check: whether this is only looked at, which wants no confirmation.
    :raises SlipwayError: C(refused), with every problem at once; C(lock_held); C(frozen).
    """
    config, fleet = without_forgotten(config, fleet)
    fleet.refuse_foreign_lock(break_glass=config["break_glass"])
    emergency = freeze.passed(goal, config, fleet, now)
    if goal == "remove":
        found = beside.removed(config, fleet, previews or {}, now=now, suffix=suffix, check=check)
    elif goal == "rebuild":
        found = beside.rebuilt(config, fleet, now=now, suffix=suffix)
    elif goal == "adopt":
        found = beside.adopted(config, fleet, previews or {}, now=now, suffix=suffix)
    else:
        rebuild.refuse_lost(fleet)
        found = _decided(
            goal, config, fleet, now=now, suffix=suffix, finished=finished, foreseen=foreseen, replicas=replicas
        )
    if emergency is None or found.target is None:
        return found
    found.target["about"]["emergency"] = emergency
    return found._replace(say=[*found.say, *(f"  {words}" for words in emergency["frozen"]), _although(emergency)])


def _although(emergency: t.Mapping[str, t.Any]) -> str:
    return f"  it goes ahead all the same, in an emergency: {emergency['why']}"


def _decided(
    goal: str,
    config: t.Mapping[str, t.Any],
    fleet: Fleet,
    *,
    now: float,
    suffix: str,
    finished: str,
    foreseen: Read | None,
    replicas: Read | None,
) -> Plan:
    left = interrupted(fleet.traces())
    live = fleet.live()
    removal.refuse_begun(left)
    refuse_other_model(config, left, live)
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
    if goal == "restore":
        return _restore(config, fleet, live, _chosen(config, fleet, foreseen), now=now, suffix=suffix)
    if goal == "maintenance":
        return _maintained(config, fleet, live, now=now, suffix=suffix)
    if goal in (*drain.DONE, machine_removal.GOAL):
        return _of_one_machine(goal, config, fleet, live, now=now, suffix=suffix)
    if goal in ("migrate", "contract"):
        return _migrate(goal, config, fleet, live, foreseen=foreseen, replicas=replicas, now=now, suffix=suffix)
    return _released(goal, config, fleet, live, replicas=replicas, now=now, suffix=suffix)


def _released(
    goal: str,
    config: t.Mapping[str, t.Any],
    fleet: Fleet,
    live: Live,
    *,
    replicas: Read | None,
    now: float,
    suffix: str,
) -> Plan:
    """What C(deploy) or C(rollback) does where nothing has to be finished first."""
    problems = problems_of(goal, config, fleet)
    silent = unheard(config, fleet, replicas) if goal == "deploy" else []
    target = None if problems else _asked_for(goal, config, fleet, live, problems)
    if target is not None:
        target["adopts"] = adopt.carried_over(live)
        strategy.prepare_to_interrupt(target, config, fleet, live)
        problems += adopt.in_the_way(target, fleet)
        problems += [*strategy.problems_of(target, live), *one_port.problems_of(target, live)]
        problems += singletons.problems_of(target, config, fleet, live)
        problems += drain.without_anybody(target)
    if problems or target is None:
        raise refused(goal, [*problems, *silent])
    if _is_live_already(target, fleet, live):
        where = f"{target['platform']}/{target['environment']}"
        return Plan("nothing", "", None, [], [f"{where}: {target['version']} is live on {live.side} already"])
    if silent:
        raise refused(goal, silent)
    say = [*_said(target, live), *adopt.said(target), *retained.said(target, config)]
    if goal == "deploy":
        say += [*unjudged(target, fleet), *passed_over(config, replicas)]
    say += [*maintenance.reminder(fleet), *drain.reminder(target, live)]
    named = with_id(target, fleet, now, suffix)
    say += said(config)
    return Plan("release", "", named, fleet.takeover(), say, sequence.forward(named), sequence.backward(named))


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
    named = with_id(found.target, fleet, now, suffix)
    named["about"] = {**named["about"], **found.about}
    return Plan("migrate", "", named, fleet.takeover(), [*found.say, *(passed_over(config, replicas) if waits else ())])


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
    target = with_id({**target, "version": "restore"}, fleet, now, suffix)
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
    target = with_id(maintenance.target_of(config, fleet, live), fleet, now, suffix)
    return Plan("maintenance", "", target, fleet.takeover(), maintenance.said(target, fleet, live))


def _of_one_machine(goal: str, config: drain.Config, fleet: Fleet, live: Live, *, now: float, suffix: str) -> Plan:
    """Something about one machine: under the lock of a release that prepares nothing."""
    asked = (machine_removal if goal == machine_removal.GOAL else drain).asked(goal, config, fleet, live)
    if asked.problems:
        raise refused(goal, asked.problems)
    if asked.target is None:
        return Plan("nothing", "", None, [], asked.say)
    target = with_id({**asked.target, "version": goal}, fleet, now, suffix)
    target["about"].update(version=f"{goal} of {config['machine']}", **asked.about)
    return Plan(asked.action, "", target, fleet.takeover(), asked.say)


def _brought_on(moment: t.Mapping[str, t.Any]) -> str:
    """Up to when binary logs lead on from what is restored, for people."""
    return "".join(f", brought on to {until}" for until in moment.values())


def _finish(left: Interrupted, config: t.Mapping[str, t.Any], fleet: Fleet) -> Plan:
    """Finish an interrupted release with what was frozen, on the machines that can be reached."""
    if left.course == CLOSE:
        return _close(left, config, fleet)
    if left.course == DRAIN:
        target, say = drain.cut_off(left.id, left.about, left.why, config, fleet)
        return Plan("finish", left.course, target, fleet.takeover(), say)
    target = {**IN_ONE_STEP, **(left.spec or _bare_target(left, config, fleet))}
    forget(target, config)
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
            remedy="Bring the balancer back and run this again; or, when it is gone for good, forget it with "
            "-e slipway_balancer_forget=NAME.",
            cause="balancer_away",
        )
    if away and left.course == RESUME:
        left = left._replace(course=UNDO, why=f"{left.why}, and {', '.join(away)} cannot be reached to verify it again")
    if left.course == RESUME and not strategy.is_whole(target, fleet):
        left = left._replace(course=UNDO, why=f"{left.why}, and not all traffic had come to the new side")
    if target.get("model") == "process":  # its code is what was verified, wherever its branch is by now
        target["kept_release"] = target["kept_release"] or left.id
    target["machines"] = [machine for machine in target["machines"] if machine not in away]
    target["proxies"] = [machine for machine in target["proxies"] if machine not in away]
    target.update(
        id=left.id,
        token=fleet.next_token(),
        started=time.time(),
        majority=left.course == UNDO,
        traffic_may_have_moved=left.decided,
        new_side_open=strategy.serves_new_side(target, fleet),
        about=about_of(target),
    )
    say = [
        f"release {left.id} was interrupted ({left.why}): {left.course} it first, on {', '.join(target['machines'])}",
        *said(config),
    ]
    back = in_place.back(target, in_place.to_put_back(target, fleet)) if target["in_place"] else ()
    return Plan("finish", left.course, target, fleet.takeover(), say, sequence.whole(target), back)


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
        about=about_of(target),
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
        target["retained"] = retained.missing(target, fleet)
        target["handed_on"] = retained.handed_on(target["retained"], fleet)
        problems += compatible_with(target, fleet)
    else:
        kept = fleet.kept(config["rollback_to"], live, problems)
        if kept is None:
            return None
        target = from_kept(kept, config, live, retained.added(kept, config, fleet))
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


def _said(target: Target, live: Live) -> list[str]:
    hosts = ", ".join(sorted(target["services"]))
    before = f"{live.version} on {live.side}" if live.side else "nothing"
    return [
        f"{target['platform']}/{target['environment']}: {before} -> {target['version']} on {target['side']}",
        f"  application machines: {hosts}",
        f"  balancers: {', '.join(target['proxies']) or 'none (nothing is shifted)'}",
        *strategy.said(target),
    ]
