# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When machines are rebooted, and in which order; controller-only (private to the collection)."""

from __future__ import annotations

import re
import time
import typing as t

from ..errors import SlipwayError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Window(t.NamedTuple):
    """When machines may be rebooted, in UTC: on which days it begins, and from and to which minute of the day."""

    days: t.Sequence[str]
    first: int
    last: int

    def open(self, wall: float) -> bool:
        """Whether it is open at a time (seconds since the epoch). One that ends before it begins goes on past midnight."""
        now = time.gmtime(wall)
        minute, today = now.tm_hour * 60 + now.tm_min, DAYS[now.tm_wday]
        if self.first <= self.last:
            return today in self.days and self.first <= minute < self.last
        yesterday = DAYS[now.tm_wday - 1]
        return (today in self.days and minute >= self.first) or (yesterday in self.days and minute < self.last)


def parse_window(given: t.Mapping[str, t.Any]) -> Window | None:
    """C(days), C(from) and C(to) of a site; None where it names no window.

    :raises SlipwayError: C(invalid).
    """
    if not given:
        return None
    days = [str(day).lower()[:3] for day in given.get("days") or DAYS]
    strangers = [day for day in days if day not in DAYS]
    if strangers:
        raise _invalid("days", strangers, f"some of {', '.join(DAYS)}")
    return Window(days, _minute(given, "from"), _minute(given, "to"))


def _minute(given: t.Mapping[str, t.Any], name: str) -> int:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", str(given.get(name, "")))
    if found is None:
        raise _invalid(name, given.get(name), 'a time in UTC, in quotes, like "02:30"')
    return int(found.group(1)) * 60 + int(found.group(2))


def _invalid(name: str, actual: t.Any, wanted: str) -> SlipwayError:
    return SlipwayError(
        "invalid value", obj=f"vm_provision_reboot_window.{name}", actual=actual, wanted=wanted, cause="invalid"
    )


def order(machines: t.Iterable[str], proxies: t.Sequence[str]) -> list[str]:
    """Balancers last: by then everything behind them is known to come back."""
    return sorted(machines, key=lambda machine: (machine in proxies, machine))
