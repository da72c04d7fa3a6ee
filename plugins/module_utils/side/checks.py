# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the replicas of a side must answer, whatever they run on (private to the collection).

The questions are asked by the caller's prober (the probe engine); this file knows services, not protocols.
"""

from __future__ import annotations

import json
import typing as t

from ..errors import SlipwayError

SMOKE_TIMEOUT = 5.0  # seconds
POLICY_KEYS = ("successes", "minimum", "interval", "timeout", "deadline", "wrong_port_after")
PASSED_ON = ("method", "headers", "body", "contains", "validate_certs", "ca_path")


class Check(t.NamedTuple):
    """One thing to ask a replica, in the words of the probe engine."""

    item: str  # the name of the container or process
    target: dict[str, t.Any]
    policy: dict[str, t.Any]
    once: bool  # one try, no second chance


class Verdict(t.NamedTuple):
    """The answer to one check."""

    healthy: bool
    cause: str
    message: str
    evidence: dict[str, t.Any]
    seconds: float
    remedy: str = ""


class Running(t.NamedTuple):
    """A replica that must answer."""

    service: t.Any  # of any model; has name, health and smoke
    name: str
    host: str
    port: int | None


Prober = t.Callable[[t.Sequence[Check]], t.Sequence[Verdict]]
#: What to ask, by the options of a check; the last is their path, for errors.
Targeting = t.Callable[[Running, t.Mapping[str, t.Any], str], dict[str, t.Any]]


def health_checks(replicas: t.Iterable[Running], target: Targeting) -> list[Check]:
    """The health check of every replica; a plain connection where the service names none.

    :raises SlipwayError: C(invalid), naming the option.
    """
    checks = []
    for item in replicas:
        option = dict(item.service.health or {"kind": "tcp"})
        where = f"services.{item.service.name}.health"
        policy = {key: _seconds(option[key], f"{where}.{key}") for key in POLICY_KEYS if option.get(key) is not None}
        if "successes" in policy:
            policy["successes"] = int(policy["successes"])
        checks.append(Check(item.name, target(item, option, where), policy, once=False))
    return checks


def smoke_checks(replicas: t.Iterable[Running], target: Targeting) -> list[Check]:
    """Every smoke test against every replica, one try each.

    :raises SlipwayError: C(invalid), naming the option.
    """
    return [_smoke(item, number, test, target) for item in replicas for number, test in enumerate(item.service.smoke)]


def _smoke(item: Running, number: int, test: t.Mapping[str, t.Any], target: Targeting) -> Check:
    where = f"services.{item.service.name}.smoke[{number}]"
    asked = target(item, {"kind": "http", **test}, where)
    asked["name"] = f"{item.service.name}.smoke[{number}] {asked.get('method', 'GET')} {test.get('path', '/')}"
    policy = {"timeout": _seconds(test.get("timeout") or SMOKE_TIMEOUT, f"{where}.timeout")}
    return Check(item.name, asked, policy, once=True)


def http_target(item: Running, option: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What an HTTP check asks for, beside its kind and name."""
    host = f"[{item.host}]" if ":" in item.host else item.host
    path, status = str(option.get("path") or "/"), option.get("status")
    target = {key: option[key] for key in PASSED_ON if option.get(key) is not None}
    target["url"] = f"{option.get('scheme') or 'http'}://{host}:{item.port}/{path.lstrip('/')}"
    target["status"] = [int(status)] if isinstance(status, (int, str)) else [int(code) for code in status or ()]
    target["headers"] = {str(name): str(value) for name, value in (option.get("headers") or {}).items()}
    if isinstance(target.get("body"), (dict, list)):
        target["body"] = json.dumps(target["body"])
        target["headers"].setdefault("Content-Type", "application/json")
    return target


def reachable(publish: str) -> str:
    """An address at which this machine reaches what listens on another (or on all)."""
    return "127.0.0.1" if publish in ("", "0.0.0.0", "::") else publish


def wrong_answer(check: Check, verdict: Verdict) -> SlipwayError:
    """The error for a replica that did not answer as it must."""
    asked = check.target["name"]
    return SlipwayError(
        verdict.message.rstrip("."),
        obj=f"{asked} of {check.item}" if check.once else check.item,
        cause=verdict.cause,
        remedy=verdict.remedy,
        evidence={"check": asked, "smoke": check.once, **verdict.evidence},
    )


def _seconds(value: t.Any, where: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SlipwayError("value refused", obj=where, actual=value, wanted="a number", cause="invalid") from None
