# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What journalctl prints as JSON, in the form in which logs are read (private to the collection)."""

from __future__ import annotations

import json
import time
import typing as t

MOST = 100000  # lines of a unit that are looked at


def command(name: str, *, since: int, tail: int) -> list[str]:
    """What prints the journal of a unit, a JSON object a line (journalctl(1), "json")."""
    argv = ["journalctl", "--no-pager", "--quiet", "--output=json", "--output-fields=MESSAGE", f"--unit={name}"]
    return [*argv, f"--lines={tail or MOST}", *([f"--since=@{since}"] if since else [])]


def stamped(line: str) -> bytes:
    """One of them as C(STAMP TEXT) with an end of line; the stamp is RFC 3339 in UTC with nanoseconds."""
    entry = json.loads(line)
    seconds, micros = divmod(int(entry["__REALTIME_TIMESTAMP"]), 1000000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{micros:06}000Z {_text(entry.get('MESSAGE'))}\n".encode()


def _text(message: t.Any) -> str:
    """What is no text comes as a list of bytes."""
    text = bytes(message).decode("utf-8", "replace") if isinstance(message, list) else str(message or "")
    return text.replace("\n", " ")
