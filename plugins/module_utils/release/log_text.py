# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of several machines as one text, by their time; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

Entry = t.Mapping[str, t.Any]  # stamp (RFC 3339 in UTC), replica, text


def merged(entries: t.Mapping[str, t.Sequence[Entry]]) -> list[str]:
    """All lines, oldest first, with machine and replica; those of one replica stay in their order.

    :param entries: by machine.
    """
    found = [(entry["stamp"], machine, entry) for machine, own in sorted(entries.items()) for entry in own]
    return [line(machine, entry) for _stamp, machine, entry in sorted(found, key=lambda one: one[0])]


def line(machine: str, entry: Entry) -> str:
    """One of them. Milliseconds are enough for people; the order goes by the whole stamp."""
    return f"{entry['stamp'][:23]}Z {machine} {entry['replica']} | {entry['text']}"
