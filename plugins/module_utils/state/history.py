# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records of a journal mean: pure functions, no files (private to the collection)."""

from __future__ import annotations

import typing as t

from .journal import Record

KEEP_RELEASES = 50
REPORTED_DECISIONS = 10
CLOSING = (
    "succeeded",
    "reverted",
    "restored",
    "migrated",
    "closed",
    "opened",
    "drained",
    "undrained",
    "rebuilt",
    "adopted",
    "removed",
    "failed",
)


class ReleaseView(t.NamedTuple):
    """One release as this machine's journal tells it."""

    id: str
    token: int = 0
    about: dict[str, t.Any] = {}  # noqa: RUF012 (never changed, always replaced): version, identity, side, …
    holder: dict[str, t.Any] = {}  # noqa: RUF012
    started: float = 0.0  # wall, for people
    ended: float = 0.0
    stages: tuple[dict[str, t.Any], ...] = ()  # name, started (wall), ok (None while under way), cause, seconds
    decision: dict[str, t.Any] | None = None  # the frozen specification
    outcome: str = ""  # one of CLOSING, or withdrawn (nothing was done); empty while open
    diagnosis: dict[str, t.Any] | None = None
    notes: tuple[dict[str, t.Any], ...] = ()  # name, and what the stage had to say

    @property
    def identity(self) -> str:
        """Version, configuration and secrets in one hash; empty where nobody told it."""
        return str(self.about.get("identity") or "")

    @property
    def reached(self) -> str:
        """The last stage that was begun, or the empty string."""
        return str(self.stages[-1]["name"]) if self.stages else ""

    def begun(self, stage: str) -> bool:
        """Whether a stage was ever begun, completed or not."""
        return any(entry["name"] == stage for entry in self.stages)


class JournalView(t.NamedTuple):
    """The whole journal, summarized."""

    releases: list[ReleaseView]  # oldest first
    bad: dict[str, dict[str, t.Any]]  # identity → version, why, release, since
    fence: int  # the highest token that any record carries
    last_good: ReleaseView | None
    last_seq: int
    frozen: dict[str, t.Any] | None  # who, why, since, until (0: until it is thawed); None while it is not
    drained: dict[str, dict[str, t.Any]]  # machine → drained, removed, who, why, since, token

    @property
    def unfinished(self) -> list[ReleaseView]:
        """Every release without an outcome, oldest first."""
        return [release for release in self.releases if not release.outcome]

    @property
    def open(self) -> ReleaseView | None:
        """The release to finish first: the newest without an outcome that began a stage, else one merely granted."""
        begun = [release for release in self.unfinished if release.stages]
        candidates = begun or self.unfinished
        return candidates[-1] if candidates else None

    def find(self, release_id: str) -> ReleaseView | None:
        """The release of an id."""
        return next((release for release in self.releases if release.id == release_id), None)


def summarize(records: t.Iterable[Record]) -> JournalView:
    """Tell what happened from the records, in their order; unknown events are passed over."""
    releases: dict[str, ReleaseView] = {}
    bad: dict[str, dict[str, t.Any]] = {}
    good: ReleaseView | None = None
    frozen: dict[str, t.Any] | None = None
    drained: dict[str, dict[str, t.Any]] = {}
    fence = last = 0
    for record in records:
        fence, last = max(fence, record.token), record.seq
        if record.event == "compacted":
            bad.update(record.data["bad"])
            good = _release_of(record.data["last_good"])
            frozen = record.data.get("frozen")
            drained.update(record.data.get("drained") or {})
        elif record.event == "marked_bad":
            bad[record.data["identity"]] = {**record.data, "release": record.release, "since": record.wall}
        elif record.event == "forgiven":
            bad.pop(record.data["identity"], None)
        elif record.event in ("frozen", "thawed"):
            frozen = {**record.data, "since": record.wall} if record.event == "frozen" else None
        elif record.release:
            release = _advance(releases.get(record.release) or ReleaseView(record.release, started=record.wall), record)
            releases[release.id] = release
            if record.event == "granted":
                _abandon_untouched(releases, release.id, record.wall)
            if record.event == "outcome":
                drained.update(_drained(release, record))
            if record.event == "outcome" and release.outcome == "succeeded":
                bad.pop(release.identity, None)  # an explicit override let it out again, and it was good
                good = release
    return JournalView(list(releases.values()), bad, fence, good, last, frozen, drained)


def _drained(release: ReleaseView, record: Record) -> dict[str, dict[str, t.Any]]:
    """The machine that was taken out of traffic, came back into it, or was removed. Of two journals the higher token is right."""
    about = release.about.get("remove" if release.outcome == "removed" else "drain")
    if release.outcome not in ("drained", "undrained", "removed") or not about:
        return {}
    said = {"who": about["who"], "why": about.get("why", ""), "since": record.wall, "token": release.token}
    state = {"drained": release.outcome == "drained", "removed": release.outcome == "removed"}
    return {str(about["machine"]): {**state, **said}}


def _advance(release: ReleaseView, record: Record) -> ReleaseView:
    """One release after one more of its records."""
    release = release._replace(token=max(release.token, record.token))
    if record.stage and record.event != "begin" and (release.reached != record.stage or _ended(release)):
        release = _begin(release, record)  # a repair has lost the record of that, but not what followed from it
    handler = _HANDLERS.get(record.event)
    return handler(release, record) if handler else release


def _ended(release: ReleaseView) -> bool:
    return release.stages[-1]["ok"] is not None


def _granted(release: ReleaseView, record: Record) -> ReleaseView:
    return _about(release._replace(holder=record.data["lease"]["holder"]), record.data["about"])


def _begin(release: ReleaseView, record: Record) -> ReleaseView:
    entry = {"name": record.stage, "started": record.wall, "ok": None, "cause": "", "seconds": 0.0}
    return release._replace(stages=(*release.stages, entry))


def _end(release: ReleaseView, record: Record) -> ReleaseView:
    data = record.data
    entry = {**release.stages[-1], "ok": data["ok"], "cause": data["cause"], "seconds": data["seconds"]}
    return release._replace(stages=(*release.stages[:-1], entry))


def _note(release: ReleaseView, record: Record) -> ReleaseView:
    return release._replace(notes=(*release.notes, record.data))


def _decision(release: ReleaseView, record: Record) -> ReleaseView:
    spec = record.data["spec"]
    told = {key: spec[key] for key in ("version", "identity", "side") if key in spec}
    return _about(release._replace(decision=spec), told)


def _outcome(release: ReleaseView, record: Record) -> ReleaseView:
    data = record.data
    closed = release._replace(outcome=data["outcome"], diagnosis=data["diagnosis"], ended=record.wall)
    return _about(closed, data["about"])


def _given_back(release: ReleaseView, record: Record) -> ReleaseView:
    if release.stages or release.outcome:
        return release
    return release._replace(outcome="withdrawn", ended=record.wall)


_HANDLERS: dict[str, t.Callable[[ReleaseView, Record], ReleaseView]] = {
    "granted": _granted,
    "begin": _begin,
    "end": _end,
    "note": _note,
    "decision": _decision,
    "outcome": _outcome,
    "withdrawn": _given_back,
    "released": _given_back,
    "unlocked": _given_back,
}


def _about(release: ReleaseView, facts: dict[str, t.Any]) -> ReleaseView:
    return release._replace(about={**release.about, **facts})


def _abandon_untouched(releases: dict[str, ReleaseView], newest: str, wall: float) -> None:
    """A lease that nobody used leaves nothing to repair: the next grant closes its release."""
    for release in list(releases.values()):
        if release.id != newest and not release.outcome and not release.stages:
            releases[release.id] = release._replace(outcome="withdrawn", ended=wall)


def compacted(records: list[Record], keep: int = KEEP_RELEASES) -> list[Record]:
    """The journal without the records before the last releases and the unfinished ones.

    What those records still say (marks, a freeze, drained machines, last good release) is kept in one C(compacted) record in
    their place. The fence is that of the newest release, which always stays.
    """
    view = summarize(records)
    wanted = {release.id for release in view.releases[-keep:]} | {release.id for release in view.unfinished}
    first = next((index for index, record in enumerate(records) if record.release in wanted), 0)
    if first < 2:
        return records
    dropped = summarize(records[:first])
    last = records[first - 1]
    snapshot = {
        "bad": dropped.bad,
        "last_good": dropped.last_good._asdict() if dropped.last_good else None,
        "frozen": dropped.frozen,
        "drained": dropped.drained,
    }
    return [Record(last.seq, last.wall, "", 0, "", "compacted", snapshot), *records[first:]]


def _release_of(fields: dict[str, t.Any] | None) -> ReleaseView | None:
    if fields is None:
        return None
    return ReleaseView(**{**fields, **{key: tuple(fields[key]) for key in ("stages", "notes")}})


def report(view: JournalView) -> dict[str, t.Any]:
    """The view as a module returns it: plain values.

    A specification may be large, and only what a rollback could still ask for is worth sending: unfinished releases
    carry theirs, and the last good ones; the others have None (each has its own in releases/<id>/spec.json).
    """
    succeeded = [release.id for release in view.releases if release.outcome == "succeeded"][-REPORTED_DECISIONS:]
    return {
        "open": view.open.id if view.open else "",
        "last_good": view.last_good.id if view.last_good else "",
        "releases": [
            report_release(release, whole=not release.outcome or release.id in succeeded) for release in view.releases
        ],
        "bad": view.bad,
        "frozen": view.frozen,
        "drained": view.drained,
        "last_seq": view.last_seq,
    }


def report_release(release: ReleaseView, *, whole: bool) -> dict[str, t.Any]:
    """One release in plain values; C(whole) with its frozen specification."""
    return {
        "id": release.id,
        "token": release.token,
        "version": str(release.about.get("version") or ""),
        "identity": release.identity,
        "side": str(release.about.get("side") or ""),
        "about": release.about,
        "holder": release.holder,
        "started": release.started,
        "ended": release.ended,
        "stage": release.reached,
        "stages": list(release.stages),
        "decided": release.decision is not None,
        "decision": release.decision if whole else None,
        "settling": release.begun("settle"),
        "outcome": release.outcome,
        "diagnosis": release.diagnosis,
        "notes": list(release.notes),
    }
