# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a site out of those of its machines (private to the collection)."""

from __future__ import annotations

import typing as t

from .findings import Findings, shown
from .option import Option, Unreadable
from .schema import OPTIONS, PREFIX
from .suggest import closest

_BY_NAME = {option.name: option for option in OPTIONS}


class Gathered(t.NamedTuple):
    """What the site says once, and what each machine says for itself."""

    site: dict[str, t.Any]
    machines: dict[str, dict[str, t.Any]]


def gather(
    variables: t.Mapping[str, t.Any], hosts: t.Mapping[str, t.Mapping[str, t.Any]], findings: Findings
) -> Gathered:
    """Bring the variables of all machines together; those that only a site can have must be the same everywhere.

    :param variables: what holds for every machine, whatever the inventory says (variables of the play).
    :param hosts: what each machine has; a machine that does not have a variable agrees with those that have it.
    """
    _refuse_unknown(variables, hosts, findings)
    site: dict[str, t.Any] = {}
    for option in OPTIONS:
        if not option.host:
            site[option.name] = _one_value(option, variables, hosts, findings)
    own = {
        machine: {
            **values,
            **{name: value for name, value in variables.items() if name in _BY_NAME and _BY_NAME[name].host},
        }
        for machine, values in hosts.items()
    }
    return Gathered(site, own)


def _refuse_unknown(
    variables: t.Mapping[str, t.Any], hosts: t.Mapping[str, t.Mapping[str, t.Any]], findings: Findings
) -> None:
    names = {str(name) for values in (variables, *hosts.values()) for name in values if str(name).startswith(PREFIX)}
    known = [name[len(PREFIX) :] for name in _BY_NAME]
    for name in sorted(names - set(_BY_NAME)):
        guess = closest(name[len(PREFIX) :], known)
        if guess:
            findings.problem(name, f"unknown, did you mean {PREFIX}{guess}?")
        else:
            findings.problem(
                name,
                "unknown",
                remedy=f"Every name that begins with {PREFIX} is Slipway's; choose another one for your own.",
            )


def _one_value(
    option: Option, variables: t.Mapping[str, t.Any], hosts: t.Mapping[str, t.Mapping[str, t.Any]], findings: Findings
) -> t.Any:
    if variables.get(option.name) is not None:
        return variables[option.name]
    holders = [
        (machine, values[option.name]) for machine, values in hosts.items() if values.get(option.name) is not None
    ]
    if not holders:
        return None
    first, value = holders[0]
    for machine, other in holders[1:]:
        if other != value:
            _report_difference(option, (first, value), (machine, other), findings)
            break
    return value


def _report_difference(option: Option, one: tuple[str, t.Any], other: tuple[str, t.Any], findings: Findings) -> None:
    path, left, right = _first_difference(option.name, one[1], other[1])
    for machine, value in ((one[0], left), (other[0], right)):
        if isinstance(value, Unreadable):
            findings.problem(path, f"{value.reason} (for {machine})", remedy=value.remedy)
            return
    secret = option.secret or (option.name in ("slipway_database", "slipway_migrations") and path.endswith("url"))
    findings.problem(
        path,
        "must be the same on all machines",
        found=f"{shown(left, secret=secret)} on {one[0]}, {shown(right, secret=secret)} on {other[0]}",
        remedy="Write it once, in group_vars/all; only slipway_address and slipway_publish may differ.",
    )


def _first_difference(path: str, one: t.Any, other: t.Any) -> tuple[str, t.Any, t.Any]:
    """Where two values first differ, and what is there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            if one.get(name) != other.get(name):
                return _first_difference(f"{path}.{name}", one.get(name), other.get(name))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other)):
            if left != right:
                return _first_difference(f"{path}[{index}]", left, right)
    return path, one, other
