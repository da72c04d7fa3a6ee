# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform on which nothing is to be released for now, and what passes all the same; controller-only (private to the collection).

It is frozen while any machine says so: a freeze that has reached one machine counts, and one that a thaw has not reached does, too.
"""

from __future__ import annotations

import datetime
import time
import typing as t

from ..config.coerce import MismatchError, duration
from ..errors import SlipwayError
from .fleet import Fleet

# Maintenance begins and ends all the same, and machines are drained, given back and removed.
REFUSED = ("deploy", "rollback", "restore", "migrate", "contract", "remove")


class Freeze(t.NamedTuple):
    """One freeze that is in force, and the machines that say so."""

    who: str
    why: str
    since: float  # seconds since the epoch
    until: float  # the same; 0 while nobody thaws it
    machines: list[str]

    @property
    def words(self) -> str:
        """Who, why, since and until when."""
        until = f"until {_when(self.until)}" if self.until else "until it is thawed"
        return (
            f"frozen by {self.who} since {_when(self.since)}: {self.why} ({until}; as {', '.join(self.machines)} says)"
        )


def asked(config: t.Mapping[str, t.Any], now: float) -> dict[str, t.Any]:
    """What the playbook C(freeze) is asked to write down: C(who), C(why), C(until) in seconds since the epoch.

    :param now: seconds since the epoch.
    :raises SlipwayError: C(invalid).
    """
    if not config["freeze_why"]:
        raise SlipwayError(
            "missing",
            obj="slipway_freeze_why",
            wanted="a reason in one line",
            remedy="Say it to those who will be refused: -e \"slipway_freeze_why='…'\".",
            cause="invalid",
        )
    return {
        "who": config["freeze_who"] or "",
        "why": config["freeze_why"],
        "until": _until(config["freeze_until"], now) if config["freeze_until"] else 0.0,
    }


def in_force(fleet: Fleet, now: float) -> list[Freeze]:
    """Every freeze that is not over, by the controller's clock and by that of the machine that says so.

    :param now: seconds since the epoch.
    """
    found: dict[tuple[str, str, float], Freeze] = {}
    for machine, read in sorted(fleet.readable().items()):
        said = read["journal"].get("frozen")
        if not said or 0 < said["until"] <= min(now, float(read["facts"]["time"]["wall"])):
            continue
        key = (str(said["who"]), str(said["why"]), float(said["until"]))
        known = found.get(key) or Freeze(key[0], key[1], float(said["since"]), key[2], [])
        found[key] = known._replace(since=min(known.since, float(said["since"])), machines=[*known.machines, machine])
    return list(found.values())


def passed(goal: str, config: t.Mapping[str, t.Any], fleet: Fleet, now: float) -> dict[str, t.Any] | None:
    """The emergency for which this run goes ahead on a frozen platform; None where nothing is frozen.

    :raises SlipwayError: C(frozen), with who, why, until when and the remedy.
    """
    freezes = in_force(fleet, now) if goal in REFUSED else []
    if not freezes:
        return None
    if config["emergency"]:
        return {"why": config["emergency"], "frozen": [freeze.words for freeze in freezes]}
    raise SlipwayError(
        f"{goal} refused before anything was touched: the platform is {'; and '.join(freeze.words for freeze in freezes)}",
        obj=f"{config['platform']}/{config['environment']}",
        remedy="Wait until it is over, or thaw it with the playbook thaw. In an emergency go ahead with"
        " -e \"slipway_emergency='why it cannot wait'\", which stands in the journal and in the report.",
        cause="frozen",
        evidence={"frozen": [freeze._asdict() for freeze in freezes]},
    )


def lines(fleet: Fleet, now: float) -> list[str]:
    """For the status."""
    return [f"  {freeze.words}" for freeze in in_force(fleet, now)]


def _until(text: str, now: float) -> float:
    """A moment with its offset from UTC, or how long from now."""
    wanted = "a time with its offset from UTC that is still to come, like 2026-12-27T08:00:00Z, or how long, like 12h"
    with_offset = text[:-1] + "+00:00" if text[-1:] in "Zz" else text
    try:
        moment = datetime.datetime.fromisoformat(with_offset)
        until = moment.timestamp() if moment.tzinfo else 0.0
    except ValueError:
        try:
            until = now + duration(text)
        except MismatchError:
            until = 0.0
    if until <= now:
        raise SlipwayError(
            "not a time that a freeze can end", obj="slipway_freeze_until", actual=text, wanted=wanted,
            remedy="Write such a time, or leave it out: then it lasts until somebody thaws it.", cause="invalid",
        )  # fmt: skip
    return float(int(until))


def _when(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall))
