# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One verdict over all machines of a stage; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

# What speaks against the version itself. Everything else (a machine that is away, a full disk, a lost lock) is the
# infrastructure's fault, and a version is never marked bad for it.
VERSION_CAUSES = frozenset(
    {
        "assets_missing",
        "body",
        "command",
        "command_missing",
        "empty",
        "exited",
        "host_rejected",
        "not_running",
        "oom",
        "protocol",
        "redirect",
        "refused",
        "reset",
        "smoke",
        "start_failed",
        "status",
        "timeout",
        "unhealthy",
        "unstable",
        "user_unknown",
        "watch_down",
        "watch_errors",
        "wrong_address",
        "wrong_port",
    }
)


OF_VERSION = frozenset({"prepare", "decision", "shift"})  # the stages in which the version itself is at work

SHOWN_BODY = 200  # characters of an answer
SHOWN_LINES = 5  # of a log


Result = t.Optional[t.Mapping[str, t.Any]]  # what a machine's stage has registered; None where there is nothing


class Failure(t.NamedTuple):
    """Why one machine did not pass a stage."""

    machine: str
    cause: str
    message: str
    proof: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The reason, and below it what proves it."""
        return [f"{self.machine}: {self.message} [{self.cause}]", *(f"    | {line}" for line in self.proof)]


class Verdict(t.NamedTuple):
    """What all machines together say of a stage."""

    stage: str
    ok: bool
    failures: list[Failure]
    machines: int
    seconds: float
    blames_version: bool
    passed_elsewhere: list[str]  # the hosts on which the same version passed, when others blame it

    @property
    def message(self) -> str:
        """Every machine's reason in one message."""
        if self.ok:
            return f"{self.stage}: passed on {self.machines} machines"
        lines = [f"{self.stage}: {len(self.failures)} of {self.machines} machines did not pass"]
        lines += [f"  {line}" for failure in self.failures for line in failure.lines]
        if self.passed_elsewhere:
            places = ", ".join(self.passed_elsewhere)
            lines.append(f"  The version is not marked bad, because it passed on {places}: compare the machines.")
        return "\n".join(lines)


def judge(
    stage: str,
    results: t.Mapping[str, t.Mapping[str, t.Any] | None],
    *,
    majority: bool = False,
    passed: t.Sequence[str] = (),
) -> Verdict:
    """Judge a stage by the results of *every* machine of the inventory, whether or not the play still knows it.

    :param results: each machine's registered result, None where there is none (the machine left the play).
    :param majority: whether more than half of the machines is enough (to undo; never to shift).
    :param passed: the machines on which the version has passed in an earlier batch.
    """
    failures = [failure for machine in sorted(results) if (failure := _failure(machine, results[machine])) is not None]
    failures += _different_code(results) if not failures else []
    ok = (len(results) - len(failures)) * 2 > len(results) if majority else not failures
    blamed = stage in OF_VERSION and any(failure.cause in VERSION_CAUSES for failure in failures)
    elsewhere = sorted({*_ran_on(results), *passed}) if blamed else []
    return Verdict(stage, ok, failures, len(results), _seconds(results), blamed and not elsewhere, elsewhere)


def moved(reads: t.Mapping[str, Result], grants: t.Mapping[str, Result]) -> list[str]:
    """The machines on which something else was recorded between being read and granting the lock.

    What a killed controller has left at work runs on to its end; a decision on what was read before that may be wrong.
    """
    return [
        machine
        for machine, granted in sorted(grants.items())
        if granted and granted.get("journal") and granted["journal"]["last_seq"] != _last_seq(reads.get(machine)) + 1
    ]


def _last_seq(read: Result) -> int:
    return int(((read or {}).get("journal") or {}).get("last_seq", 0))


def _failure(machine: str, result: t.Mapping[str, t.Any] | None) -> Failure | None:
    if result is None:
        return Failure(machine, "no_result", "the stage left no result; the machine is not in the play any more")
    if result.get("unreachable"):
        return Failure(machine, "unreachable", str(result.get("msg", "unreachable")))
    if result.get("skipped"):
        return Failure(machine, "skipped", "the stage was skipped on this machine")
    stage = result.get("stage")
    if stage is None:
        return Failure(machine, "error", str(result.get("msg", "the stage left no verdict of its own")))
    if stage["ok"]:
        return None
    message = stage["message"] or "failed without a message"
    return Failure(machine, stage["cause"] or "error", message, proof(stage.get("evidence") or {}))


def proof(evidence: t.Mapping[str, t.Any]) -> tuple[str, ...]:
    """The answer's body and the last log lines out of the evidence of a failed stage."""
    lines = [f"answered: {evidence['body'].strip()[:SHOWN_BODY]}"] if evidence.get("body") else []
    for name, about in (evidence.get("containers") or evidence.get("processes") or {}).items():
        log = about.get("logs") or []
        shown = log.splitlines() if isinstance(log, str) else list(log)
        lines += [f"last lines of {name}:", *(f"  {line.rstrip()}" for line in shown[-SHOWN_LINES:])] if shown else []
    return tuple(lines)


def _different_code(results: t.Mapping[str, Result]) -> list[Failure]:
    """Each machine whose code of a service is not that of all others: a branch that was pushed to meanwhile, say."""
    found: dict[str, dict[str, str]] = {}
    for machine, result in sorted(results.items()):
        for service, source in ((result or {}).get("sources") or {}).items():
            found.setdefault(service, {})[machine] = revision(source)
    return [
        Failure(machine, "different_code", _how_different(service, machine, codes))
        for service, codes in found.items()
        if len(set(codes.values())) > 1
        for machine in codes
    ]


def revision(source: t.Mapping[str, t.Any]) -> str:
    """What tells the code of one source from another: C(git 2b66fd2…)."""
    said = (source.get(key) for key in ("commit", "sha256", "content", "package"))
    return f"{source.get('kind')} {next(filter(None, said), None)}"


def _how_different(service: str, machine: str, codes: t.Mapping[str, str]) -> str:
    others = ", ".join(f"{other} has {code}" for other, code in codes.items() if code != codes[machine])
    return (
        f"its code of service {service} is {codes[machine]}, but {others}. Release it again; or say which one is meant: in"
        f" slipway_services.{service}.source, commit of a git repository or checksum of an archive."
    )


def _ran_on(results: t.Mapping[str, Result]) -> list[str]:
    """The machines that passed with containers or processes of the version's own, not those that had nothing to run."""
    return sorted(
        machine
        for machine, result in results.items()
        if result and (result.get("containers") or result.get("processes")) and (result.get("stage") or {}).get("ok")
    )


def _seconds(results: t.Mapping[str, t.Mapping[str, t.Any] | None]) -> float:
    stages = [result["stage"] for result in results.values() if result and result.get("stage")]
    if not stages:
        return 0.0
    return float(max(stage["ended"] for stage in stages) - min(stage["started"] for stage in stages))
