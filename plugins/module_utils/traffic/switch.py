# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving traffic: configure, gate, shift, then watch and drain together, and back at once (private to the collection).

The same for every provider; C(switch) reads as the algorithm.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..errors import SlipwayError
from ..system import System
from .model import Counters, Key, Look, Plan, Provider, Traffic, machine_of, side_of
from .weights import live_side, shares, wanted_weights

POLL = 0.05  # seconds between two looks while the old side drains
BACK_GATE = 5.0  # seconds for a proxy that is or was reloaded to see the old side; the new side fails meanwhile
EMPTY_LOOKS = 2  # in a row: between two requests of one connection a server looks idle for an instant


class Watch(t.NamedTuple):
    """How the new side is judged by real traffic; seconds, and errors per request."""

    bake: float
    interval: float
    max_error_ratio: float
    min_requests: int
    revert: bool


class Drain(t.NamedTuple):
    """How long the old side may take to become empty, in seconds."""

    deadline: float


class SwitchError(SlipwayError):
    """Traffic was moved and the new side found wanting: the error, and beside it what had been done."""

    def __init__(self, error: SlipwayError, done: dict[str, t.Any]) -> None:
        super().__init__(
            error.what,
            obj=error.obj,
            actual=error.actual,
            wanted=error.wanted,
            remedy=error.remedy,
            cause=error.cause,
            evidence=error.evidence,
        )
        self._done = done

    def result(self) -> dict[str, t.Any]:
        """Both, for C(fail_json); without the configuration, in which a check's header may be a secret."""
        return {**{key: value for key, value in self._done.items() if key != "config"}, **super().result()}


def configure(provider: Provider, traffic: Traffic, *, check: bool) -> dict[str, t.Any]:
    """Structure only: the weights of a platform that the proxy knows stay; a new one starts with those wanted."""
    with provider.lock():
        plan = provider.plan(still_closed(provider, traffic), shift=False)
        if not check:
            provider.configure(plan)
            provider.shift(plan)
    return outcome(plan)


def still_closed(provider: Provider, traffic: Traffic) -> Traffic:
    """What is wanted, closed for maintenance as it is now: only who opens a platform opens it."""
    in_force = provider.in_force()
    if in_force is None:
        return traffic._replace(closure=None)
    return traffic._replace(closure=in_force.closure, unchecked=_unchecked(traffic, in_force))


def _unchecked(traffic: Traffic, in_force: Traffic) -> tuple[Key, ...]:
    """Where some machines are apart: the servers of all others, when the check that is new for them is not theirs."""
    moved = {machine for machine, shares in traffic.apart.items() if any(shares.values())}  # not those that are drained
    if not moved:
        return ()
    checks = {service.name: service.health for service in in_force.services}
    weights = wanted_weights(traffic)
    staying = [
        (service, server.key)
        for service in traffic.services
        for server in service.servers
        if weights[server.key] and machine_of(server.name) not in traffic.apart
    ]
    return tuple(
        sorted(
            key
            for service, key in staying
            if key in in_force.unchecked or checks.get(service.name, service.health) != service.health
        )
    )


def switch(
    provider: Provider,
    system: System,
    traffic: Traffic,
    *,
    gate: float,
    watch: Watch | None,
    drain: Drain | None,
    check: bool,
    opens: t.Callable[[], dict[str, t.Any]] | None = None,
    spares: bool = False,
    anew: bool = False,
) -> dict[str, t.Any]:
    """Bring structure and weights to what is wanted. Until the shift, all that serves goes on as it is.

    :param gate: seconds in which the proxy must see every server healthy that had no traffic and is to get some.
    :param opens: opens a platform that was closed for this, once its traffic has moved; where it is closed, all that
        will get requests must be seen healthy anew before that.
    :param anew: whether those that are to get some must be seen healthy from now on, whatever the proxy knew before.
    :param spares: go on without those that are not healthy in time, as long as each service has one that is, or that serves.
    :raises SwitchError: C(watch_errors), C(watch_down), C(watch_weights): traffic had been moved.
    :raises SlipwayError: anything else; traffic was not moved, or the read-back failed and it was moved back.
    """
    if check:
        return outcome(provider.plan(still_closed(provider, traffic), shift=True))
    with provider.lock():
        plan = provider.plan(still_closed(provider, traffic), shift=True)
        behind_door = opens is not None and plan.traffic.closure is not None
        if behind_door:
            plan = plan._replace(gated=tuple(one for one in plan.traffic.servers() if plan.after[one.key]))
        provider.configure(plan)
    try:
        provider.gate(plan, gate, anew=anew or behind_door)
    except SlipwayError as error:
        if not (spares and _one_of_each(provider, plan)):
            raise
        plan.actions.append(f"go on without {error.obj}")
    baseline = provider.look(plan).counters
    with provider.lock():
        milliseconds = provider.shift(plan)
    opened = opens() if opens else {}
    judge = Judge(watch, plan, {} if plan.reshapes or opens else baseline)  # a reload counts anew
    drainer = Drainer(drain)
    follow(provider, system, plan, judge, drainer)
    done = {**outcome(plan), "switched_ms": None if milliseconds is None else round(milliseconds, 2)}
    done.update(watch=judge.result(), drain=drainer.result(), reverted=False)
    done.update({key: opened[key] for key in ("closed_seconds", "said") if opened})
    done.update(
        changed=plan.changed or opened.get("changed", False), actions=[*plan.actions, *opened.get("actions", ())]
    )
    if judge.failure is None:
        return done
    raise _undo(provider, plan, judge, done)


def _one_of_each(provider: Provider, plan: Plan) -> bool:
    """Whether each service has a server that is seen healthy, or that keeps its traffic, to step in for the others."""
    gated = {server.key for server in plan.gated}

    def group(key: Key) -> tuple[str, str]:
        return (key[0], side_of(key[1]) if provider.by_side else "")

    healthy = {group(key) for key, weight in plan.after.items() if weight and plan.before.get(key) and key not in gated}
    for server in plan.gated:
        with contextlib.suppress(SlipwayError):
            provider.gate(plan._replace(gated=(server,)), 0.0)
            healthy.add(group(server.key))
    return healthy >= {group(server.key) for server in plan.gated}


def follow(provider: Provider, system: System, plan: Plan, judge: Judge, drainer: Drainer) -> None:
    """Look again and again until the new side is judged and the old one is empty or out of time."""
    started = system.monotonic()
    while judge.open or drainer.open:
        look = provider.look(plan)
        now = system.monotonic() - started
        judge.see(look, now)
        drainer.see(look, now)
        if judge.failure is not None:
            return
        waits = [max(0.0, judge.bake - now)] if judge.open else []
        waits.append(min(POLL, max(0.0, drainer.deadline - now)) if drainer.open else judge.interval)
        if judge.open or drainer.open:
            system.sleep(min(waits))


class Judge:
    """Decides whether real traffic likes the new side."""

    def __init__(self, watch: Watch | None, plan: Plan, baseline: t.Mapping[str, Counters]) -> None:
        self._watch = watch
        self._names = f"{plan.traffic.platform} in {plan.traffic.environment}"
        self._baseline = dict(baseline)
        self._delta: dict[str, Counters] = {}
        self._seconds = 0.0
        self.open = watch is not None
        self.bake = watch.bake if watch else 0.0
        self.interval = watch.interval if watch else 0.0
        self.failure: SlipwayError | None = None

    @property
    def revert(self) -> bool:
        """Whether a failure takes the traffic back."""
        return self._watch is not None and self._watch.revert

    def see(self, look: Look, now: float) -> None:
        """Take one look into account; ``now`` is seconds since the shift."""
        if not self.open:
            return
        self._seconds = now
        self._delta = {service: self._since(service, counters) for service, counters in look.counters.items()}
        self.failure = self._down(look) or self._weights(look) or self._errors()
        if self.failure is not None or now >= self.bake:
            self.open = False

    def result(self) -> dict[str, t.Any] | None:
        """What the module tells of it."""
        if self._watch is None:
            return None
        total = sum(delta.requests for delta in self._delta.values())
        return {
            "ok": self.failure is None,
            "cause": self.failure.cause if self.failure else "",
            "evidence": self.failure.evidence if self.failure else {},
            "judged": self.failure is not None or total >= self._watch.min_requests,
            "seconds": round(self._seconds, 3),
            "requests": total,
            "errors": sum(delta.errors for delta in self._delta.values()),
            "services": {name: {**delta.detail, "requests": delta.requests} for name, delta in self._delta.items()},
        }

    def _since(self, service: str, counters: Counters) -> Counters:
        start = self._baseline.get(service)
        if start is None or counters.requests < start.requests:  # a reload began to count anew
            start = self._baseline[service] = Counters(0, 0, {})
        detail = {name: count - start.detail.get(name, 0) for name, count in counters.detail.items()}
        return Counters(counters.requests - start.requests, counters.errors - start.errors, detail)

    def _down(self, look: Look) -> SlipwayError | None:
        if not look.down:
            return None
        return SlipwayError(
            "servers of the new side fail the proxy's check",
            obj=", ".join(sorted(look.down)),
            actual="; ".join(sorted(set(look.down.values()))),
            wanted="a passed check",
            cause="watch_down",
            remedy="Look at the program's log on these hosts.",
            evidence={"servers": look.down},
        )

    def _weights(self, look: Look) -> SlipwayError | None:
        if not look.weights:
            return None
        return SlipwayError(
            "somebody else changed the weights that were just set",
            obj=", ".join(sorted(look.weights)),
            actual=look.weights,
            wanted="the weights set",
            cause="watch_weights",
            remedy="Find out who else changes this proxy, then run again.",
            evidence={"weights": look.weights},
        )

    def _errors(self) -> SlipwayError | None:
        """Each service by itself, and all together: a busy one must not hide another's errors."""
        watch = t.cast(Watch, self._watch)
        everything = list(self._delta.values())
        together = Counters(sum(one.requests for one in everything), sum(one.errors for one in everything), {})
        for name, delta in [*sorted(self._delta.items()), ("all services", together)]:
            ratio = delta.errors / max(1, delta.requests, delta.errors)
            if max(delta.requests, delta.errors) >= max(1, watch.min_requests) and ratio > watch.max_error_ratio:
                return SlipwayError(
                    "real requests fail on the new side",
                    obj=f"{self._names}: {name}",
                    actual=f"{delta.errors} errors of {delta.requests} requests",
                    wanted=f"at most {watch.max_error_ratio:.2%}",
                    cause="watch_errors",
                    remedy="Look at the program's log on the new side.",
                    evidence={one: {**delta.detail, "requests": delta.requests} for one, delta in self._delta.items()},
                )
        return None


class Drainer:
    """Decides whether the old side is empty."""

    def __init__(self, drain: Drain | None) -> None:
        self.open = drain is not None
        self.deadline = drain.deadline if drain else 0.0
        self._wanted = drain is not None
        self._empty_looks = 0
        self._seconds: float | None = None
        self._remaining: dict[str, int] = {}

    def see(self, look: Look, now: float) -> None:
        """Take one look into account; ``now`` is seconds since the shift."""
        if self.open:
            self.count(look.sessions, now)

    def count(self, sessions: dict[str, int], now: float) -> None:
        """The same, of sessions alone."""
        self._remaining = sessions
        self._empty_looks = 0 if sessions else self._empty_looks + 1
        if self._empty_looks >= EMPTY_LOOKS:
            self._seconds = now
            self.open = False
        elif now >= self.deadline:
            self.open = False

    def result(self) -> dict[str, t.Any] | None:
        """What the module tells of it. Sessions that remain are not an error: the model ends them with SIGTERM."""
        if not self._wanted:
            return None
        seconds = None if self._seconds is None else round(self._seconds, 3)
        return {"empty": self._seconds is not None, "seconds": seconds, "remaining": self._remaining}


def outcome(plan: Plan) -> dict[str, t.Any]:
    """What is told of a plan, before or after it was carried out."""
    sides = {key: side_of(key[1]) for key in {**plan.before, **plan.after}}
    before, after = shares(plan.before, sides), shares(plan.after, sides)
    return {
        "changed": plan.changed,
        "actions": list(plan.actions),
        "reloaded": plan.reload,
        "weights_before": before,
        "weights": after,
        "live_side": live_side(after),
        "config": {"before": plan.text_before, "after": plan.text_after},
    }


def _undo(provider: Provider, plan: Plan, judge: Judge, done: dict[str, t.Any]) -> SwitchError:
    failure = t.cast(SlipwayError, judge.failure)
    if not judge.revert:
        return SwitchError(failure, done)
    try:
        if not any(plan.before.get(key) for key in plan.after):
            raise SlipwayError("no side had traffic before", cause="nothing_to_revert_to")
        with provider.lock():
            back = provider.back(plan)
            done["actions"].extend(back.actions)
            provider.configure(back)
        provider.gate(back, BACK_GATE if back.reload else 0.0)
        with provider.lock():
            provider.shift(back)
    except SlipwayError as error:
        done["actions"].append(f"not reverted: {error.message}")
        failure.evidence["not_reverted"] = error.message
    else:
        done.update(reverted=True, weights=done["weights_before"], live_side=live_side(done["weights_before"]))
        what = "structure and weights" if plan.in_force and plan.reload else "the weights"
        done["actions"].append(f"{what} from before are back, read back and written down")
    return SwitchError(failure, done)
