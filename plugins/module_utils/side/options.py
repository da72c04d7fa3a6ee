# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one service's options, whatever it runs on (private to the collection)."""

from __future__ import annotations

import math
import typing as t

from ..errors import SlipwayError

Options = t.Mapping[str, t.Any]


def invalid(where: str, actual: t.Any, wanted: str, *, what: str = "value refused") -> SlipwayError:
    """The error for an option that cannot be used."""
    return SlipwayError(what, obj=where, actual=actual, wanted=wanted, remedy="Correct this option.", cause="invalid")


def check_shapes(
    option: Options, where: str, keys: t.Sequence[str], shapes: t.Mapping[str, tuple[type[t.Any], str]]
) -> None:
    """Every key is a known one, and every value of the right kind.

    :param shapes: key to the type of its value, and that in words.
    :raises SlipwayError: C(invalid), naming the key.
    """
    for key in option:
        if key not in keys:
            raise invalid(f"{where}.{key}", None, f"one of {', '.join(keys)}", what="unknown option")
        shape, words = shapes.get(key, (object, ""))
        if option[key] and not isinstance(option[key], shape):
            raise invalid(f"{where}.{key}", option[key], words)


def check_singleton(singleton: bool, traffic: bool, replicas: int, where: str) -> None:
    """Of a service of which there is one in the whole fleet there are no two sides at once, and no two replicas.

    :raises SlipwayError: C(invalid).
    """
    if singleton and traffic:
        raise invalid(f"{where}.singleton", True, "a worker, for both sides of what has traffic run at once")
    if singleton and replicas != 1:
        raise invalid(f"{where}.replicas", replicas, "1, because of singleton")


def number(option: Options, key: str, default: t.Any, where: str, kind: type[t.Any], *, low: float) -> t.Any:
    """A number of the options, or its default.

    :raises SlipwayError: C(invalid).
    """
    value = option.get(key)
    if value is None:
        return default
    try:
        found = kind(value)
    except (TypeError, ValueError, OverflowError):
        found = None
    if isinstance(value, bool) or found is None or not low <= found < math.inf:
        raise invalid(f"{where}.{key}", value, f"a number from {low:g} up")
    return found


def ports_of(option: Options, where: str) -> dict[str, list[int]]:
    """The ports of each side, one a replica.

    :raises SlipwayError: C(invalid).
    """
    try:
        found = {str(side): [int(port) for port in ports] for side, ports in (option.get("ports") or {}).items()}
    except (TypeError, ValueError, OverflowError):
        found = {"": [0]}
    if not all(1 <= port <= 65535 for ports in found.values() for port in ports):
        raise invalid(f"{where}.ports", option["ports"], "a list of ports for each side, from 1 to 65535")
    return found


def mappings(option: t.Sequence[t.Any], where: str) -> list[dict[str, t.Any]]:
    """A list of mappings.

    :raises SlipwayError: C(invalid).
    """
    for item in option:
        if not isinstance(item, t.Mapping):
            raise invalid(where, item, "a list of mappings")
    return [dict(item) for item in option]


def environment(option: Options) -> dict[str, str]:
    """C(env) as text: what YAML made a boolean is written as YAML writes it."""
    return {str(key): _text(value) for key, value in (option.get("env") or {}).items()}


def _text(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
