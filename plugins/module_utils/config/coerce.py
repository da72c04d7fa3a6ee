# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as users write them, into values as engines take them (private to the collection).

Every conversion is written out here; whatever has no rule is refused. Each function returns the value or raises
C(MismatchError).
"""

from __future__ import annotations

import math
import re
import shlex
import typing as t

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgt]?)(?:i?b)?", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class MismatchError(Exception):
    """A value is not of the kind that is wanted.

    :param wanted: that kind, in words.
    :param remedy: what to write instead, a sentence.
    """

    def __init__(self, wanted: str, remedy: str = "") -> None:
        super().__init__(wanted)
        self.wanted = wanted
        self.remedy = remedy


def string(value: t.Any) -> str:
    """A text; a number is refused, because YAML has already changed it (1.10 is 1.1)."""
    if isinstance(value, str):
        return value
    quotable = not isinstance(value, (dict, list))
    raise MismatchError("a text", "Put it in quotes." if quotable else "")


def scalar(value: t.Any) -> str:
    """A text out of anything that is not a list or a dictionary; true and false in small letters."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise MismatchError("a text or a number", "" if isinstance(value, (dict, list)) else "Put it in quotes.")


def boolean(value: t.Any) -> bool:
    """True or false; also as a text, because C(-e name=true) arrives as one."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise MismatchError("true or false")


def integer(value: t.Any) -> int:
    """A whole number; also as a text, because C(-e name=3) and templates arrive as one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
        return int(value)
    raise MismatchError("a whole number")


def number(value: t.Any) -> float:
    """A finite number; also as a text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    raise MismatchError("a number")


def duration(value: t.Any) -> float:
    """Seconds, out of a number of seconds or a text like C(500ms), C(30s), C(1h30m)."""
    wanted = "a duration: seconds, or like 500ms, 30s, 10m, 2h, 1h30m, 1d"
    text = value.strip().lower() if isinstance(value, str) else ""
    parts = _DURATION_PART.findall(text)
    if parts and "".join(amount + unit for amount, unit in parts) == text:
        seconds = math.fsum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    else:
        try:
            seconds = number(value)
        except MismatchError:
            raise MismatchError(wanted) from None
    if not 0 <= seconds < math.inf:
        raise MismatchError(wanted)
    return seconds


def size(value: t.Any) -> int:
    """Bytes, out of a whole number of bytes or a text like C(512k), C(256m), C(1.5g); the units are powers of 1024."""
    wanted = "a size: bytes, or like 512k, 256m, 1.5g"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise MismatchError(wanted)
    amount, unit = match.group(1), _BYTES[match.group(2).lower()]
    if "." not in amount:
        return int(amount) * unit
    if unit == 1:
        raise MismatchError(wanted, "There is no part of a byte.")
    whole = float(amount) * unit
    if whole == math.inf:
        raise MismatchError(wanted)
    return int(whole)


def command(value: t.Any) -> list[str]:
    """Words, out of a list or of one line that is split as a POSIX shell would."""
    wanted = "a list of words, or one line"
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise MismatchError(wanted, f"Its quotes do not match ({error}).") from None
    elif isinstance(value, list):
        words = [scalar(word) for word in value]
    else:
        raise MismatchError(wanted)
    if not words:
        raise MismatchError(wanted, "Write at least one word, or take it out.")
    return words


def anything(value: t.Any) -> t.Any:
    """Whatever JSON can say, unchanged."""
    if isinstance(value, dict):
        return {scalar(key): anything(item) for key, item in value.items()}
    if isinstance(value, list):
        return [anything(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise MismatchError("a text, a number, true, false, a list or a dictionary", "Put it in quotes.")


COERCIONS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "string": string,
    "scalar": scalar,
    "boolean": boolean,
    "integer": integer,
    "number": number,
    "duration": duration,
    "size": size,
    "command": command,
    "any": anything,
}
