# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an interrupted release has left, and what must be done about it first; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError

# What a run does first about an interrupted release.
RESUME = "forward"  # a decision was written and nothing is settled: verify and watch again, revert if that fails
FORWARD = "settle"  # the old side may be gone somewhere: go on to the end
UNDO = "undo"  # no decision was written, or a revert had begun: put everything back
DRAIN = "drain"  # a machine was taken out of traffic, or given back: it ends without any
CLOSE = "close"  # a newer release has succeeded since: nothing of the old one may be touched, it only gets its end


DRAINING = frozenset({"drained", "undrained", "removed"})  # how such a run ends


class OpenRelease(t.NamedTuple):
    """A release that one machine's journal has begun and not ended."""

    id: str
    token: int
    stage: str  # the last stage that began there
    decided: bool
    settling: bool
    reverting: bool
    spec: t.Optional[dict[str, t.Any]]  # frozen at the decision
    about: dict[str, t.Any]  # version, identity, side, live_side: written when the lock was granted


class Ended(t.NamedTuple):
    """A release that one machine's journal has ended."""

    id: str
    outcome: str  # succeeded, reverted, failed
    token: int = 0


class Traces(t.NamedTuple):
    """What one machine remembers of releases."""

    open: t.Optional[OpenRelease]
    ended: list[Ended]


class Interrupted(t.NamedTuple):
    """The interrupted release that this run has to bring to its end first."""

    id: str
    course: str
    decided: bool
    spec: t.Optional[dict[str, t.Any]]
    about: dict[str, t.Any]
    machines: list[str]  # those where it is still open
    why: str
    outcome: str = ""  # for C(close): how it ended elsewhere


def interrupted(traces: t.Mapping[str, Traces]) -> Interrupted | None:
    """The oldest release that is still open on any machine, and the course to take with it.

    Settling (or success) anywhere means that an old side may be gone: forward only. An ended or begun revert
    anywhere means back. Then the decision counts: without one no balancer has moved. All of that only while no newer
    release has succeeded (a machine may have been away for long): what is live then is none of this one's business.

    :param traces: of every machine that could be read.
    :raises SlipwayError: C(split_outcome) when machines ended the same release differently; nothing is guessed then.
    """
    opened = {machine: trace.open for machine, trace in traces.items() if trace.open is not None}
    if not opened:
        return None
    oldest = min(opened.values(), key=lambda release: release.token)
    here = {machine: release for machine, release in opened.items() if release.id == oldest.id}
    ended = [item for trace in traces.values() for item in trace.ended]
    outcomes = {item.outcome for item in ended if item.id == oldest.id}
    newer = [
        item for item in ended if item.token > oldest.token and item.id != oldest.id and item.outcome == "succeeded"
    ]
    if newer:
        course, why = CLOSE, f"{newer[-1].id} has succeeded since, so nothing of it is touched any more"
    elif outcomes & DRAINING:
        course, why = CLOSE, "it has ended elsewhere"
    elif any(release.about.get("drain") for release in here.values()):
        course, why = DRAIN, "it was taking a machine out of traffic, or giving it back"
    else:
        course, why = _course(oldest.id, list(here.values()), outcomes)
    specs = [release.spec for release in here.values() if release.spec]
    return Interrupted(
        id=oldest.id,
        course=course,
        decided=any(release.decided for release in here.values()),
        spec=specs[0] if specs else None,
        about=next((release.about for release in here.values() if release.about), {}),
        machines=sorted(here),
        why=why,
        outcome=next(iter(sorted(outcomes & {"succeeded", "reverted", *DRAINING})), "failed"),
    )


def _course(release_id: str, opened: list[OpenRelease], outcomes: set[str]) -> tuple[str, str]:
    settling = [release for release in opened if release.settling]
    forward = bool(settling) or "succeeded" in outcomes
    back = any(release.reverting for release in opened) or bool(outcomes & {"reverted", "failed"})
    if "succeeded" in outcomes and outcomes & {"reverted", "failed"}:
        raise SlipwayError(
            "machines ended the same release differently",
            obj=f"release {release_id}",
            actual=", ".join(sorted(outcomes)),
            wanted="one outcome",
            remedy="Look at `status`, then end it by hand with release_state state=recorded on the machine that is wrong.",
            cause="split_outcome",
        )
    if forward:
        return FORWARD, "settling had begun, so the old side may be gone"
    if back:
        return UNDO, "it was being put back"
    if any(release.decided for release in opened):
        return RESUME, "it was decided, but not settled"
    return UNDO, "no decision was written, so no balancer had moved"
