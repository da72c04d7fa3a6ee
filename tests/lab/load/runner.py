# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: the open-loop schedule, the streams beside it, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import random
import time
import typing as t

from .client import Call, Client
from .events import EventStream
from .failure import Failed
from .kind import Assets, Kind
from .profile import Profile, StreamSpec
from .recorder import Recorder
from .session import Session, keep_open
from .target import Target
from .websocket import WebSocket

# When the generator itself was held up, at most so many overdue requests go out before it looks at the answers again.
BURST = 20


class CannotBegin(Exception):
    """The target did not even give the page that the run needs to begin."""


class Plan(t.NamedTuple):
    """What to run.

    :param rate: requests a second, begun on schedule whatever became of those before.
    :param duration: seconds; C(None) until it is stopped.
    :param seed: of the draws (kinds, assets, fresh connections).
    :param stale_retry: repeat, where it may be, a request whose kept connection died before one byte of reply (see
        RV(Client)).
    """

    target: Target
    profile: Profile
    rate: float
    duration: float | None = None
    seed: int = 0
    stale_retry: bool = True


class Runner:
    """Runs one plan.

    :param on_ready: called once, when a request was answered and every stream was opened or refused.
    """

    def __init__(self, plan: Plan, on_ready: t.Callable[[], None] = lambda: None) -> None:
        profile = plan.profile
        self.recorder = Recorder(profile.kinds)
        self.stopped_by = ""
        self._plan = plan
        self._on_ready = on_ready
        self._client = Client(
            plan.target, profile.connections, profile.timeout, self.recorder.stale if plan.stale_retry else None
        )
        self._draw = random.Random(plan.seed)
        assets = Assets(profile.remember)
        run = os.urandom(4).hex()
        self._kinds = [
            Kind(number, spec, profile, plan.target, assets, run) for number, spec in enumerate(profile.requests)
        ]
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bug: BaseException | None = None
        self._in_flight = 0
        self._unsettled = 1 + sum(spec.copies for spec in profile.streams)
        self._answered = False
        self._late_sum = 0.0
        self._late_max = 0.0
        self._sent = 0

    def stop(self, why: str) -> None:
        """Ends the schedule; what is under way is still awaited."""
        self.stopped_by = self.stopped_by or why
        self._stop.set()

    async def run(self) -> None:
        """Runs to the end of the plan, or until RV(stop).

        :raises CannotBegin: no page, no assets.
        """
        await self._find_assets()
        for stream in self._streams():
            self._watch(asyncio.create_task(stream))
        await self._schedule()
        self.stop("duration")
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._client.close()
        if self._bug is not None:
            raise self._bug

    def facts(self) -> dict[str, t.Any]:
        """What the result says about the run itself. C(late) is how long after their instant requests went out."""
        plan = self._plan
        return {
            "url": plan.target.url,
            "rate": plan.rate,
            "seed": plan.seed,
            "stale_retry": plan.stale_retry,
            "profile": plan.profile.plain(),
            "stopped_by": self.stopped_by,
            "ended": {"time": time.time(), "monotonic": time.monotonic()},
            "connections": {"opened": self._client.opened, "idle_closed": self._client.idle_closed},
            "late": {"mean": self._late_sum / max(1, self._sent), "max": self._late_max},
            "cpu_seconds": time.process_time(),
        }

    async def _find_assets(self) -> None:
        """One page before the schedule begins, so that the first asset can be asked for."""
        specs = self._plan.profile.requests
        if not any(spec.asset and spec.weight for spec in specs):
            return
        page = next(kind for kind in self._kinds if kind.spec.finds and kind.spec.weight)
        try:
            call = page.call(0, time.monotonic(), fresh=True, draw=self._draw)
            page.check(call, await self._client.exchange(call))
        except Failed as failed:
            raise CannotBegin(f"{self._plan.target.url}{page.spec.path}: {failed}") from failed

    async def _schedule(self) -> None:
        interval, limit = 1 / self._plan.rate, self._limit()
        kinds, weights = self._kinds, [kind.spec.weight for kind in self._kinds]
        start, n = time.monotonic(), 0
        while not self._stop.is_set() and (limit is None or n < limit):
            due = start + n * interval
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            (kind,) = self._draw.choices(kinds, weights)
            self._begin(kind, n, due, -wait)
            n += 1
            if n % BURST == 0:
                await asyncio.sleep(0)

    def _limit(self) -> int | None:
        return None if self._plan.duration is None else round(self._plan.duration * self._plan.rate)

    def _begin(self, kind: Kind, n: int, due: float, late: float) -> None:
        self._sent += 1
        self._late_sum += late
        self._late_max = max(self._late_max, late)
        number = self._kinds.index(kind)
        profile = self._plan.profile
        try:
            if self._in_flight >= profile.in_flight:
                raise Failed("overflow", f"{profile.in_flight} requests are under way")
            call = kind.call(n, due, self._draw.random() < profile.fresh, self._draw)
        except Failed as failed:
            self.recorder.failure(number, due, kind.spec.path, failed)
            return
        self._in_flight += 1
        self._watch(asyncio.create_task(self._one(kind, call)))

    def _watch(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """An error of the generator itself ends the run: an outcome that nobody counted would be a hidden failure."""
        self._tasks.discard(task)
        error = task.exception()
        if error is not None:
            self._bug = self._bug or error
            self.stop("error")

    async def _one(self, kind: Kind, call: Call) -> None:
        version = ""
        try:
            reply = await self._client.exchange(call)
            version = reply.version()
            try:
                kind.check(call, reply)
            except Failed as failed:
                raise failed.on(reply.local_port, reply.reused, heard=True) from None
        except Failed as failed:
            self.recorder.failure(call.kind, call.scheduled, call.url, failed, version)
        else:
            self.recorder.answered(call, reply, version)
        self._in_flight -= 1
        if not self._answered:
            self._answered = True
            self._settle()

    def _streams(self) -> t.Iterator[t.Coroutine[t.Any, t.Any, None]]:
        first = len(self._kinds)
        for number, spec in enumerate(self._plan.profile.streams, first):
            for _copy in range(spec.copies):
                yield self._stream(number, spec)

    async def _stream(self, number: int, spec: StreamSpec) -> None:
        first = [self._settle]

        def settle() -> None:
            while first:
                first.pop()()

        def ended(session: Session, failed: Failed | None) -> None:
            self.recorder.session(session, failed)
            settle()  # a refused stream must not keep the run from being ready

        plan = self._plan
        stream = (WebSocket if spec.type == "websocket" else EventStream)(
            spec, plan.target, plan.profile.headers, self._stop
        )
        await keep_open(stream.live, lambda: Session(number, spec.path, settle), ended, self._stop)

    def _settle(self) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self._on_ready()
