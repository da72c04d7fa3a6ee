# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written anew where a state directory is gone and the platform runs; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .fleet import Fleet, Read, comes_back, of_model
from .target import MARGIN, OTHER, PULL, Live, Target, from_config

REMEDY = (
    "Rebuild what it remembers with the playbook rebuild_state; or, when nothing of the platform is wanted there any more,"
    " remove it with the playbook remove."
)


class Found(t.NamedTuple):
    """What a rebuild is made of."""

    live: Live
    releases: list[dict[str, t.Any]]  # that have succeeded, oldest first, the live one among them
    alone: bool  # whether no machine remembers anything


# What is lost -------------------------------------------------------------------------------------------------


def lost(fleet: Fleet) -> dict[str, str]:
    """Each machine that has something of a release that was decided on, and a journal that knows of none; with what it has."""
    return {
        machine: there
        for machine, read in sorted(fleet.readable().items())
        if not knows(read) and (there := _decided_on(read))
    }


def knows(read: Read) -> bool:
    """Whether a machine remembers any release that was decided on."""
    journal = read["journal"]
    return bool(journal.get("last_good")) or any(release["decided"] for release in journal["releases"])


def refuse_lost(fleet: Fleet) -> None:
    """Nothing is decided by what a machine says that has forgotten: a first release would stop what runs there.

    :raises SlipwayError: C(state_lost).
    """
    found = lost(fleet)
    if found:
        raise SlipwayError(
            "the state directory of a machine is gone, or is not that of what it runs",
            obj=", ".join(found),
            actual="; ".join(f"{machine} has {there}, and no journal of it" for machine, there in found.items()),
            remedy=f"Nothing was touched. {REMEDY}",
            cause="state_lost",
        )


def lines(fleet: Fleet) -> list[str]:
    """For the status."""
    return [
        f"  ! {machine}: its state is lost: it has {there}, and no journal of it"
        for machine, there in lost(fleet).items()
    ]


def _decided_on(read: Read) -> str:
    """What only a decision brings: what comes back after a reboot, and servers with traffic."""
    weights = ((read.get("traffic") or {}).get("weights") or {}).values()
    routed = sorted({side for one in weights for side, weight in one.items() if weight})
    if routed:
        return f"traffic on {' and '.join(routed)}"
    sides = sorted(sides_of(read))
    return f"the side {' and '.join(sides)}" if sides else ""


def sides_of(read: Read) -> dict[str, dict[str, t.Any]]:
    """The sides that come back after a reboot, each with version, identity and the release that it was made for."""
    found = {}
    for side, about in (of_model(read).get("sides") or {}).items():
        for replicas in about["services"].values():
            if any(comes_back(replica) for replica in replicas):
                found[side] = about
    return found


# What is remembered -------------------------------------------------------------------------------------------


def problems_of(config: t.Mapping[str, t.Any], fleet: Fleet, missing: t.Collection[str], found: Found) -> list[str]:
    """All that speaks against believing it."""
    away = fleet.unreadable()
    problems = [
        f"{machine}: cannot be read ({why}), and no other machine remembers what was live; it may. Bring it back, or go on "
        "without it with -e slipway_break_glass=true."
        for machine, why in sorted(away.items())
        if found.alone and not config["break_glass"]
    ]
    if not found.live.target:
        return [*problems, *_not_told(config, fleet)]
    under_way = any(trace.open for trace in fleet.traces().values())  # then either side may have traffic
    for machine in missing:
        read = fleet.readable()[machine]
        odd = sorted(set(sides_of(read)) - {found.live.side})
        if odd and not under_way:
            problems.append(
                f"{machine}: {' and '.join(odd)} comes back after a reboot there, and {_named(found.live)}."
            )
        routed = (read.get("traffic") or {}).get("live_side")
        if routed not in (None, found.live.side) and not under_way:
            problems.append(
                f"{machine}: its traffic is on {routed}, and {_named(found.live)}. Move it with traffic_switch."
            )
    return problems


def found(config: t.Mapping[str, t.Any], fleet: Fleet, now: float) -> Found:
    """What the other machines remember; where none does, what runs and the site tell together."""
    releases = [dict(release) for release in fleet.succeeded()]
    if releases:
        last = releases[-1]  # by the journals: a balancer that has forgotten may be the one that is wrong
        live = Live(str(last["side"]), str(last["id"]), str(last["version"]), last["decision"])
        return Found(live, releases, alone=False)
    runs = [about for read in fleet.readable().values() for about in sides_of(read).items()]
    told = {(side, about["release"], about["version"], about["identity"]) for side, about in runs}
    if len(told) != 1:
        return Found(Live("", "", "", None), [], alone=True)
    side, release, version, identity = next(iter(told))
    if config["version"] != version or config["identity"] != identity:
        return Found(Live(side, release, version, None), [], alone=True)
    target = {**from_config(config, Live(OTHER[side], "", "", None)), "id": release}
    about = {"version": version, "identity": identity, "side": side}
    only = {"id": release, "token": 0, "started": now, "about": about, "decision": target, "outcome": "succeeded"}
    return Found(Live(side, release, version, target), [only], alone=True)


def _not_told(config: t.Mapping[str, t.Any], fleet: Fleet) -> list[str]:
    """Why the site and what runs do not tell together what is live."""
    runs = {
        f"{machine} has {about['version']} on {side}"
        for machine, read in fleet.readable().items()
        for side, about in sides_of(read).items()
    }
    versions = {about["version"] for read in fleet.readable().values() for about in sides_of(read).values()}
    if len(versions) != 1 or len({words.rpartition(" ")[2] for words in runs}) != 1:
        return [
            "no machine remembers what is live, and what runs does not tell: "
            f"{'; '.join(sorted(runs)) or 'nothing that was decided on'}. Remove the platform, and deploy it anew."
        ]
    version = versions.pop()
    if config["version"] != version:
        return [f"no machine remembers what is live. {version} runs: say so with -e slipway_version={version}."]
    return [
        f"{version} runs with another configuration or other secrets than the site has now, so the site does not tell how it was "
        "released. Run it from the site as it was then (its version control has it)."
    ]


def _named(live: Live) -> str:
    return f"the other machines say that {live.version} is live on {live.side}"


# What is done -------------------------------------------------------------------------------------------------


def token_of(config: t.Mapping[str, t.Any], fleet: Fleet, told: Found, now: float) -> int:
    """Above every fence that can be read. Where no machine has one, above all that were ever given out.

    Tokens are counted one by one, so milliseconds since 1970 are far above them; and above those of an earlier rebuild,
    unless the clock was set back since: then C(slipway_fence) says it.
    """
    given = int(config["fence"] or (now * 1000 if told.alone else 0))
    return max(fleet.next_token(), given + 1 if given else 0)


def target_of(config: t.Mapping[str, t.Any], fleet: Fleet, missing: t.Collection[str], told: Found) -> Target:
    """As that of a release which prepares nothing; it is not named yet."""
    target = from_config({**config, "version": "rebuild", "identity": ""}, told.live)
    target["machines"] = sorted(fleet.readable())
    target["backup"] = None
    remembered = [
        {
            "id": release["id"],
            "token": release["token"],
            "started": release["started"],
            "ended": release.get("ended") or release["started"],
            "about": release["about"],
            "decision": release["decision"],
            "notes": _assumed(config, missing, release) if release["id"] == told.live.release else [],
        }
        for release in told.releases
    ]
    reads = [read["journal"] for read in fleet.readable().values()]
    bad = {identity: mark for journal in reads for identity, mark in journal["bad"].items()}
    frozen = next((journal["frozen"] for journal in reads if journal.get("frozen")), None)
    target["rebuild"] = {
        "machines": sorted(missing),
        "live": told.live.release,
        "memory": {"releases": remembered, "bad": bad, "frozen": frozen},
        "kept": [_kept(release) for release in told.releases],
    }
    target["deadlines"]["rebuild"] = PULL + MARGIN
    return target


def _kept(release: Read) -> dict[str, t.Any]:
    """What a machine needs to remember a release that it keeps."""
    spec = release["decision"]
    return {
        "id": release["id"],
        **{key: spec[key] for key in ("version", "identity", "side", "services", "publish", "keep")},
    }


def _assumed(config: t.Mapping[str, t.Any], missing: t.Collection[str], release: Read) -> list[dict[str, t.Any]]:
    """What the machine that migrates has forgotten: that every contract migration which the live version has is in force.

    So no release is gone back to that may lack its schema.
    """
    ships = release["decision"].get("ships")
    if not ships or (config["migrations"] or {}).get("host") not in missing:
        return []
    return [{"name": "migrated", "phase": "contract", "scripts": [], "contracted": dict(ships)}]


def said(config: t.Mapping[str, t.Any], fleet: Fleet, missing: t.Mapping[str, str], told: Found) -> list[str]:
    """For the terminal."""
    source = "out of what runs and of the site; no machine remembers it" if told.alone else "out of the other journals"
    names = ", ".join(f"{release['decision']['version']} ({release['id']})" for release in told.releases)
    lines = [f"{config['platform']}/{config['environment']}: rebuild the state of {', '.join(missing)}, {source}"]
    lines += [f"  {machine}: has {there}" for machine, there in missing.items()]
    lines += [f"  live: {told.live.version} on {told.live.side}, release {told.live.release}", f"  remembered: {names}"]
    lines += [f"  {machine}: cannot be read ({why})" for machine, why in sorted(fleet.unreadable().items())]
    return lines
