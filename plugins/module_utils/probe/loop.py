# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probing many targets at once until each is healthy or has failed (private to the collection)."""

from __future__ import annotations

import threading
import typing as t

from ..errors import SlipwayError
from ..system import System
from .container import Container, ContainerProbe, Docker
from .model import CERTAIN, Clean, Policy, Probe, Result, Success, Target, validate

# Name resolution, a command's orphans or a stuck Docker Engine may hold a thread; it is left behind so long after the
# deadline.
_GRACE = 4.0


def probe_all(
    targets: t.Sequence[Target],
    *,
    system: System,
    policy: Policy,
    secrets: t.Iterable[str] = (),
    docker: t.Callable[[], Docker] = Docker,
) -> list[Result]:
    """Wait for all targets at the same time, one thread each.

    :param policy: for targets that have none of their own.
    :param secrets: values that must not show in any result.
    :param docker: connects to the Docker Engine; called only when a container is looked into.
    :returns: one result per target, in their order, healthy or not.
    :raises SlipwayError: C(bad_input), before anything is probed.
    """
    validate(targets, policy)
    clean = Clean(secrets)
    jobs = [
        _Job(target, target.policy or policy, wait_healthy, system=system, clean=clean, docker=docker)
        for target in targets
    ]
    for job in jobs:
        job.start()
    return [job.result() for job in jobs]


def check_once(
    target: Target,
    *,
    system: System,
    policy: Policy,
    secrets: t.Iterable[str] = (),
    docker: t.Callable[[], Docker] = Docker,
) -> Result:
    """Try exactly once, as a smoke test does; of the policy only C(timeout) counts.

    :raises SlipwayError: C(bad_input).
    """
    chosen = target.policy or policy
    once = chosen._replace(successes=1, minimum=0.0, deadline=chosen.timeout)
    validate([target._replace(policy=once)], once)
    job = _Job(target, once, try_once, system=system, clean=Clean(secrets), docker=docker)
    job.start()
    return job.result()


def make_probe(target: Target, system: System, clean: Clean, container: Container | None) -> Probe:
    """The factory of all kinds; each is imported only when it is used."""
    if target.kind == "http":
        from .over_http import HttpProbe

        return HttpProbe(target, system, clean)
    if target.kind == "tcp":
        from .tcp import TcpProbe

        return TcpProbe(target, system, clean)
    if target.kind == "command":
        from .command import CommandProbe

        return CommandProbe(target, system, clean)
    return ContainerProbe(target, system, clean, t.cast(Container, container))  # validated: this kind names one


# One target -------------------------------------------------------------------------------------------------


def wait_healthy(probe: Probe, container: Container | None, policy: Policy) -> Result:
    """Try until the policy is met, a cause is certain, or the deadline has come."""
    clock = probe.system.monotonic
    start = clock()
    end = start + policy.deadline
    series = _Series(policy)
    while True:
        left = end - clock()
        if left <= 0:
            break
        try:
            series.succeeded(probe.attempt(min(policy.timeout, left)), clock())
        except SlipwayError as error:
            series.failed(_explained(error, container), cut_short=left < policy.timeout)
        if series.healthy:
            return series.success(probe.name, clock() - start)
        if series.hopeless:
            break
        probe.system.sleep(min(policy.interval, end - clock()))
    return series.failure(probe.name, clock() - start, container)


def try_once(probe: Probe, container: Container | None, policy: Policy) -> Result:
    """One try, one verdict."""
    start = probe.system.monotonic()
    series = _Series(policy)
    try:
        series.succeeded(probe.attempt(policy.timeout), start)
    except SlipwayError as error:
        series.failed(_explained(error, container), cut_short=False)
    seconds = probe.system.monotonic() - start
    if series.healthy:
        return series.success(probe.name, seconds)
    return series.failure(probe.name, seconds, container)


def _explained(error: SlipwayError, container: Container | None) -> SlipwayError:
    """The cause inside the container when that is certain, else the failure as the probe saw it."""
    if container is None or error.cause in CERTAIN:
        return error
    try:
        container.check()
    except SlipwayError as inner:
        if inner.cause in CERTAIN:
            inner.evidence = {**error.evidence, "probe": _sentence(error)}
            return inner
        if inner.cause != error.cause:
            error.evidence = {**error.evidence, "companion": _sentence(inner)}
    return error


class _Series:
    """The tries at one target so far."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._attempts = 0
        self._successes = 0
        self._first = 0.0
        self._last = 0.0
        self._run = ""
        self._evidence: dict[str, t.Any] = {}
        self._failure: SlipwayError | None = None

    def succeeded(self, success: Success, now: float) -> None:
        self._attempts += 1
        if self._successes == 0 or success.run != self._run:
            self._successes = 0
            self._first = now
        self._successes += 1
        self._last = now
        self._run = success.run
        self._evidence = success.evidence

    def failed(self, error: SlipwayError, *, cut_short: bool) -> None:
        self._attempts += 1
        self._successes = 0
        # The last try before the deadline has less time than it needs: what was known before says more.
        if not (cut_short and error.cause == "timeout" and self._failure is not None):
            self._failure = error

    @property
    def healthy(self) -> bool:
        enough = self._successes >= self._policy.successes
        return enough and self._last - self._first >= self._policy.minimum

    @property
    def hopeless(self) -> bool:
        return self._successes == 0 and self._failure is not None and self._failure.cause in CERTAIN

    def success(self, name: str, seconds: float) -> Result:
        message = f"healthy: {self._row()}"
        return Result(name, True, "", message, self._evidence, self._attempts, round(seconds, 3))

    def failure(self, name: str, seconds: float, container: Container | None) -> Result:
        error = self._failure if self._successes == 0 and self._failure is not None else self._unstable()
        evidence = {**error.evidence, **(container.facts() if container is not None else {})}
        return Result(
            name, False, error.cause, _sentence(error), evidence, self._attempts, round(seconds, 3), error.remedy
        )

    def _row(self) -> str:
        noun = "success" if self._successes == 1 else "successes"
        return f"{self._successes} {noun} in a row over {self._last - self._first:.1f} s"

    def _unstable(self) -> SlipwayError:
        policy = self._policy
        before = f"; the failure before that: {_sentence(self._failure)}" if self._failure is not None else ""
        return SlipwayError(
            f"not healthy for long enough before the deadline{before}",
            actual=self._row(),
            wanted=f"{policy.successes} over {policy.minimum:g} s",
            cause="unstable",
            remedy="See why it becomes healthy late or not for good, or raise deadline.",
            evidence=self._failure.evidence if self._failure is not None else self._evidence,
        )


def _sentence(error: SlipwayError) -> str:
    """What was found and wanted; the remedy is told apart."""
    return SlipwayError(error.what, obj=error.obj, actual=error.actual, wanted=error.wanted).message


# Its thread -------------------------------------------------------------------------------------------------


class _Job:
    """One target in a thread of its own, which can be left behind."""

    def __init__(
        self,
        target: Target,
        policy: Policy,
        verdict: t.Callable[[Probe, Container | None, Policy], Result],
        *,
        system: System,
        clean: Clean,
        docker: t.Callable[[], Docker],
    ) -> None:
        self._policy = policy
        name = target.container if target.kind == "container" else target.companion
        self._container = (
            Container(name, target, policy=policy, system=system, clean=clean, connect=docker) if name else None
        )
        self._probe = make_probe(target, system, clean, self._container)
        self._verdict = verdict
        self._result: Result | None = None
        self._bug: Exception | None = None
        # A daemon, because the module must be able to end while name resolution still hangs.
        self._thread = threading.Thread(target=self._run, name=self._probe.name, daemon=True)

    def start(self) -> None:
        self._started = self._probe.system.monotonic()
        self._thread.start()

    def result(self) -> Result:
        """Wait for the verdict; a thread that does not come back is one too."""
        end = self._started + self._policy.deadline + _GRACE
        self._thread.join(max(0.0, end - self._probe.system.monotonic()))
        if self._bug is not None:
            raise self._bug
        if self._result is not None:
            return self._result
        return Result(
            self._probe.name,
            False,
            "timeout",
            "the try was still stuck after the deadline.",
            {},
            1,
            round(self._probe.system.monotonic() - self._started, 3),
            "See whether name resolution, the command or the Docker Engine hangs on this machine.",
        )

    def _run(self) -> None:
        try:
            self._result = self._verdict(self._probe, self._container, self._policy)
        except Exception as bug:  # raised by the thread that waits
            self._bug = bug
        finally:
            if self._container is not None:
                self._container.close()
