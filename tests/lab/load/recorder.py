# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happened, while it happens: records, failures, sessions; and the files that are left of it at the end."""

from __future__ import annotations

import collections
import json
import os
import time
import typing as t

from .client import Call
from .failure import Failed
from .records import LAYOUT, OK, STALE, Records
from .reply import Reply
from .session import Session

FORMAT = 1
# Failures and sessions that are told one by one; all of them are counted.
LISTED = 1000


class Recorder:
    """Takes every outcome once.

    :param kinds: names by number.
    """

    def __init__(self, kinds: t.Sequence[str]) -> None:
        self.records = Records(kinds)
        self.requests = 0
        self.failed = 0
        self.stale_idle = 0
        self.causes: collections.Counter[tuple[str, str]] = collections.Counter()
        self.failures: list[dict[str, t.Any]] = []
        self.sessions: list[dict[str, t.Any]] = []
        self.monotonic = time.monotonic()
        self.wall = time.time()

    def answered(self, call: Call, reply: Reply, version: str) -> None:
        """A call had the answer that it should have."""
        self.requests += 1
        self.records.add(call.scheduled, reply.at, call.kind, OK, version)

    def stale(self, call: Call, failed: Failed) -> None:
        """A kept connection turned out to be dead; the call is repeated and will be recorded again."""
        self.stale_idle += 1
        self.records.add(call.scheduled, time.monotonic(), call.kind, STALE, "")

    def failure(self, kind: int, scheduled: float, url: str, failed: Failed, version: str = "") -> None:
        """A call or stream failed.

        :param scheduled: monotonic seconds.
        """
        now = time.monotonic()
        self.requests += 1
        self.failed += 1
        self.records.add(scheduled, now, kind, self.records.outcomes.number(failed.cause), version)
        name = self.records.kinds[kind]
        self.causes[name, failed.cause] += 1
        if len(self.failures) < LISTED:
            self.failures.append(
                {
                    "time": self._wall(now),
                    "monotonic": now,
                    "scheduled": scheduled,
                    "kind": name,
                    "url": url,
                    "cause": failed.cause,
                    "detail": failed.detail,
                    "status": failed.status,
                    "local_port": failed.local_port,
                    "reused": failed.reused,
                    "version": version,
                }
            )

    def session(self, session: Session, failed: Failed | None) -> None:
        """A stream ended, gracefully or not."""
        if failed is not None:
            self.failure(session.kind, session.started, session.url, failed, session.version)
        else:
            self.requests += 1
            self.records.add(session.started, session.ended, session.kind, OK, session.version)
        if len(self.sessions) < LISTED:
            self.sessions.append(
                {
                    "kind": self.records.kinds[session.kind],
                    "started": session.started,
                    "opened_after": session.opened - session.started if session.opened else None,
                    "ended": session.ended,
                    "ended_time": self._wall(session.ended),
                    "lifetime": session.ended - session.opened if session.opened else 0.0,
                    "end": session.end,
                    "failed": failed is not None,
                    "messages": session.messages,
                    "version": session.version,
                    "local_port": session.local_port,
                }
            )

    def write(self, path: str, facts: t.Mapping[str, t.Any]) -> None:
        """Writes C(path) (JSON, last and atomically) and the records beside it (C(.rec)).

        :param facts: further members of the JSON object.
        """
        stem = path[: -len(".json")] if path.endswith(".json") else path
        _replace(f"{stem}.rec", bytes(self.records.data))
        result = {
            "format": FORMAT,
            "started": {"time": self.wall, "monotonic": self.monotonic},
            **facts,
            "requests": self.requests,
            "failed": self.failed,
            "stale_idle": self.stale_idle,
            "causes": [{"kind": kind, "cause": cause, "count": n} for (kind, cause), n in sorted(self.causes.items())],
            "failures": self.failures,
            "sessions": self.sessions,
            "records": {"file": os.path.basename(f"{stem}.rec"), "layout": LAYOUT},
            "kinds": self.records.kinds,
            "outcomes": self.records.outcomes.names,
            "versions": self.records.versions.names,
        }
        _replace(path, json.dumps(result, indent=1).encode())

    def _wall(self, monotonic: float) -> float:
        return self.wall + monotonic - self.monotonic


def _replace(path: str, data: bytes) -> None:
    with open(f"{path}.part", "wb") as stream:
        stream.write(data)
    os.replace(f"{path}.part", path)
