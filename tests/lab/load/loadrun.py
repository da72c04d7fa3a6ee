# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load generator for tests: C(LoadRun) runs it in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from .profile import SHOP, Profile
from .result import Result

ROOT = Path(__file__).resolve().parents[3]
READY_TIMEOUT = 20.0  # seconds
POLL = 0.02


class LoadError(Exception):
    """The load generator did not begin, or did not end with a result."""


class LoadRun:
    """One run of the load generator as a process of its own.

    Ends with this process, too: it stops when its standard input closes.

    :param url: C(http://ADDRESS[:PORT]) or C(https://…) of this machine or its lab.
    :param authority: with C(https://…), a file with the certificate of who issued its one.
    :param name: the host that it must be good for.
    :param rate: requests a second.
    :param profile: what to send; see RV(Profile).
    :param weights: other weights and counts for kinds of the profile.
    :param headers: for every request, such as C(Host).
    :param out: the JSON file to write; C(None): in a temporary directory that goes with this object.
    :param stale_retry: repeat a request once that may be repeated and whose kept connection died before one byte of reply.
    :param duration: seconds; C(None) until RV(stop).
    :param seed: of the draws; C(None) for a new one.
    """

    def __init__(
        self,
        url: str,
        *,
        authority: str = "",
        name: str = "",
        rate: float = 100.0,
        profile: Profile = SHOP,
        weights: t.Mapping[str, float] | None = None,
        headers: t.Mapping[str, str] | None = None,
        out: str | os.PathLike[str] | None = None,
        stale_retry: bool = True,
        duration: float | None = None,
        seed: int | None = None,
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="load-")
        self._marks = Path(self._directory.name, "marks")
        self._log = Path(self._directory.name, "log")
        self._out = Path(out or Path(self._directory.name, "result.json"))
        self._process: subprocess.Popen[bytes] | None = None
        self._result: Result | None = None
        profile = profile.with_weights(weights or {})._replace(headers={**profile.headers, **(headers or {})})
        Path(self._directory.name, "profile").write_text(json.dumps(profile.plain()), encoding="utf-8")
        self._argv = [sys.executable, "-m", "tests.lab.load", "--until-stdin-closes", "--url", url, "--rate", str(rate)]
        self._argv += ["--profile", f"{self._directory.name}/profile", "--marks", str(self._marks)]
        self._argv += ["--authority", authority, "--name", name] if authority else []
        self._argv += ["--out", str(self._out.resolve())]
        self._argv += [] if stale_retry else ["--no-stale-retry"]
        self._argv += [] if duration is None else ["--duration", str(duration)]
        self._argv += [] if seed is None else ["--seed", str(seed)]

    def start(self) -> LoadRun:
        """Starts it and returns when a request was answered and every stream was opened.

        :raises LoadError: refused target, no page, or not ready within 20 s; with what it said.
        """
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(self._argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_TIMEOUT
        while not self._seen("ready"):
            if self._process.poll() is not None and not self._seen("end"):
                raise LoadError(f"the load generator ended before it began: {self._said()}")
            if self._seen("end"):
                break
            if time.monotonic() > deadline:
                self.kill()
                raise LoadError(f"the load generator was not ready within {READY_TIMEOUT:g} s: {self._said()}")
            time.sleep(POLL)
        return self

    @property
    def progress(self) -> dict[str, t.Any]:
        """The latest mark: C(mark), C(time), C(monotonic), C(requests), C(failed), C(stale_idle)."""
        return self._lines()[-1]

    def stop(self) -> Result:
        """Ends the schedule, awaits what is under way and returns the result; again: the same.

        :raises LoadError: it ended without a result.
        """
        if self._result is None:
            if self._process is None:
                raise LoadError("the load generator was not started")
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            self._result = self.wait()
        return self._result

    def wait(self) -> Result:
        """Awaits the end of a run with a duration and returns the result.

        :raises LoadError: it ended without a result.
        """
        if self._process is None:
            raise LoadError("the load generator was not started")
        status = self._process.wait()
        self._close_stdin()
        if status not in (0, 1):
            raise LoadError(f"the load generator ended with status {status}: {self._said()}")
        self._result = Result(str(self._out))
        return self._result

    def kill(self) -> None:
        """Ends it at once, without a result."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._close_stdin()

    def __enter__(self) -> LoadRun:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def _close_stdin(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def _seen(self, mark: str) -> bool:
        return any(line["mark"] == mark for line in self._lines())

    def _lines(self) -> list[dict[str, t.Any]]:
        if not self._marks.exists():
            return []
        whole, _newline, _part = self._marks.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
