# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks migrate and contract may do, and what no version that is kept can live with; controller-only (private to the
collection)."""

from __future__ import annotations

import typing as t

from ..config.migrations import asked_of
from .fleet import Fleet, Read
from .foreseen import Words, in_the_way
from .maintenance import closed_of
from .shipped import has
from .target import Live, Target, from_config, replicated

# Nothing serves then, and the live version is still what would be opened again, and what a failed release is put back to.
CLOSED = (
    " That the platform is closed for maintenance changes nothing about that: it is this version that would be opened again."
    " Deploy the new one behind the closed door, then contract, then open it."
)
# Causes about replicas alone; the database itself is there.
WAIVABLE = ("replica_away", "not_a_replica")
MIGRATES = Words("it could not be locked", "", "migrates", "the migrations")


class Migrating(t.NamedTuple):
    """A run of migrations without a release.

    :param target: None where nothing is pending, or where there are problems.
    :param about: what every machine's journal is told of it with the lock.
    :param say: for the terminal.
    """

    problems: list[str]
    target: t.Optional[Target]
    about: dict[str, t.Any]
    say: list[str]


def compatible_with(target: Target, fleet: Fleet) -> list[str]:
    """Tell the stage migrate what the journals know, and why this version cannot live with the schema as it is."""
    if target["migrations"]:
        contracted = fleet.contracted()
        known = [script for script in fleet.migrated() if script not in contracted.values()]
        ours = contracted if target["ships"] is None else target["ships"]  # where nobody knows, the stage finds out
        gone = [script for key, script in sorted(contracted.items()) if not has(ours, key)]
        theirs = {key: script for key, script in contracted.items() if key in ours or not has(ours, key)}
        target["migrations"]["options"].update(compatible=known, contracted=theirs)
    else:  # no longer, maybe; what its earlier releases had is known all the same
        gone = fleet.version_barred(target["version"]) or []
    return [
        f"version {target['version']} does not have {script}, which was applied in the contract phase: it needs the schema as "
        "it was before. Release a version that has it."
        for script in gone
    ]


def unjudged(target: Target, fleet: Fleet) -> list[str]:
    """What nobody can tell of a version whose migrations are not known, for the terminal."""
    contracted = fleet.contracted()
    if target["migrations"] or not contracted or fleet.version_barred(target["version"]) is not None:
        return []
    return [
        f"  slipway_migrations is missing, so nobody can tell whether {target['version']} has"
        f" {', '.join(sorted(contracted.values()))}, applied in the contract phase. One that has not needs the schema as it was."
    ]


def unheard(config: t.Mapping[str, t.Any], fleet: Fleet, looked: Read | None) -> list[str]:
    """Why the database could not be migrated, or its replicas not be waited for after that.

    :param looked: what the machine that migrates has seen of them.
    """
    if not config["migrations"] or (looked is None and not replicated(config)):
        return []
    host = config["migrations"]["host"]
    said = (looked or {}).get("stage") or {}
    if host in fleet.unreadable() or said.get("ok") or passed_over(config, looked):
        return []  # of a machine that cannot be read others say so
    if not said.get("message"):
        return [f"{host}: it could not be asked what it sees of slipway_database.replicas"]
    cause = f" [{said['cause']}]" if said.get("cause") else ""
    return [f"{host}: {said['message']}{cause}"]


def passed_over(config: t.Mapping[str, t.Any], looked: Read | None) -> list[str]:
    """Why replicas cannot be waited for, where that is waived, for the terminal."""
    said = (looked or {}).get("stage") or {}
    if not config["waive_replicas"] or said.get("cause") not in WAIVABLE:
        return []
    return [f"  it goes ahead all the same, because {config['waive_replicas']}: {said['message']}"]


def migrating(goal: str, config: t.Mapping[str, t.Any], fleet: Fleet, live: Live, foreseen: Read | None) -> Migrating:
    """What C(migrate) or C(contract) does.

    :param foreseen: what a preview of it said on the machine that migrates.
    """
    problems = _in_the_way(goal, config, fleet, live, foreseen)
    if problems or foreseen is None:
        return Migrating(problems, None, {}, [])
    where = f"{config['platform']}/{config['environment']}"
    if not foreseen["sql"] and not foreseen.get("history"):
        return Migrating([], None, {}, [f"{where}: {action}" for action in foreseen["actions"]])
    pending = foreseen["pending"] if goal == "contract" else []
    contracting = {one.get("version") or one["script"]: one["script"] for one in pending if one["phase"] == "contract"}
    let_go = list(config["let_go"] or ()) if contracting else []
    problems = _who_needs(contracting, let_go, fleet, live)
    if goal == "contract" and not contracting:
        problems.append(
            f"{config['migrations']['host']}: what would be taken away cannot be seen: {foreseen['sql'].strip()}"
        )
    target = _target(goal, config, fleet, live)
    say = [f"{where}: {target['version']}", *(f"  {action}" for action in foreseen["actions"])]
    say += [f"  no way back any more to {one}" for one in let_go]
    return Migrating(problems, None if problems else target, {"contracting": contracting, "let_go": let_go}, say)


def _in_the_way(goal: str, config: t.Mapping[str, t.Any], fleet: Fleet, live: Live, foreseen: Read | None) -> list[str]:
    if not config["migrations"]:
        return ["slipway_migrations: missing, so there is nothing to do. Write {tool: sql, path: migrations/}."]
    contradicting = _contradicting(goal, config)
    if contradicting:
        return contradicting
    if config["migrations"]["options"].get("container") and config["version"] is None:
        return [
            "slipway_version: missing, and with run_in: container the migrations are those of an image. Say of which version:"
            f" -e slipway_version={live.version or 'VERSION'}."
        ]
    return in_the_way(fleet, config["migrations"]["host"], foreseen, MIGRATES, break_glass=config["break_glass"])


def _contradicting(goal: str, config: t.Mapping[str, t.Any]) -> list[str]:
    """What cannot be asked of one run."""
    alone = [name for name in ("migrate_baseline", "migrate_repair") if config[name]]
    if alone and goal == "contract":
        return [f"slipway_{name}: is for the playbook migrate. Leave it out." for name in alone]
    applies = [name for name in ("migrate_to", "migrate_undo") if config[name]]
    applies += ["migrate_phase"] if config["migrate_phase"] != "expand" else []
    first, *others = [f"slipway_{name}" for name in [*alone, *applies]] or [""]
    if not alone or not others:
        return []
    return [
        f"{first}: cannot be together with {' and '.join(others)}, because it changes the history alone and applies nothing."
        " Do one, then run it again for the other."
    ]


def _who_needs(contracting: t.Mapping[str, str], let_go: t.Sequence[str], fleet: Fleet, live: Live) -> list[str]:
    """The releases that are live, or kept for a rollback, and may use what would be taken away."""
    problems = []
    closed = any(map(closed_of, fleet.readable().values()))
    for release in fleet.retained():
        spec, version, name = release["decision"], release["version"], release["id"]
        if fleet.barred(name, spec) and name != live.release:
            continue  # there is no way back to it any more
        ours = fleet.ships(name, spec)
        missing = [script for key, script in contracting.items() if not has(ours or {}, key)]
        if not missing:
            continue
        lacks = f"does not have {', '.join(missing)}" if ours is not None else "may not have them"
        if name == live.release:
            problems.append(
                f"{version} (release {name}) is live and {lacks}: it may use what would be taken away. Deploy a version that"
                f" has it first.{CLOSED if closed else ''}"
            )
        elif not {name, version} & set(let_go):
            problems.append(
                f"{version} (release {name}) is kept for a rollback and {lacks}: it may use what would be taken away. Wait"
                f" until newer releases have taken its place, or give up going back to it with -e slipway_let_go={version}."
            )
    return problems


def _target(goal: str, config: t.Mapping[str, t.Any], fleet: Fleet, live: Live) -> Target:
    """Like a release's, on the machines that can be reached."""
    asked = asked_of(goal, config)
    called = {"baselined": "baseline", "repaired": "repair"}.get(asked["state"])
    target = from_config({**config, "version": called or goal, "identity": ""}, live)
    target["machines"] = sorted(fleet.readable())
    target["proxies"] = [machine for machine in target["proxies"] if machine in target["machines"]]
    target["migrations"]["options"].update(asked)
    if called:  # nothing of the schema changes
        target["backup"] = target["replicas"] = None
    if called or config["migrate_undo"]:
        target["rehearse"] = None
    if goal == "contract":  # what a replica still has of it does nobody harm
        target["replicas"] = None
    target["migrations"]["options"]["compatible"] = fleet.migrated()
    return target
