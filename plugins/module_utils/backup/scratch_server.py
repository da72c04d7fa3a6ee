# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a server that lives as long as one restore, whatever kind it is (private to the collection)."""

from __future__ import annotations

import abc
import contextlib
import signal
import subprocess
import tempfile
import typing as t

from ..errors import SlipwayError
from ..system import System
from .engine import Scratch
from .pipeline import Program, flow, removed, started
from .tools import Tools

SIGNALS = {"QUIT": signal.SIGQUIT, "KILL": signal.SIGKILL}
READY = 60.0  # seconds until it must answer
SOCKETS = "/tmp"  # noqa: S108  # a directory of its own in it: a socket's path has at most 107 bytes (unix(7))


class ScratchServer(Scratch):
    """The server, while its context lasts.

    :param directory: an empty one for its data.
    :param sockets: another for its socket.
    """

    owner: t.ClassVar[str]  # the server's user where it is installed
    ends: t.ClassVar[str]  # the signal that ends it, with nothing in it worth keeping
    package: t.ClassVar[str]  # of Debian
    hint: t.ClassVar[str] = "See what it says."  # where it does not start

    def __init__(self, tools: Tools, system: System, directory: str, sockets: str) -> None:
        self._tools, self._system = tools, system
        self._given = (directory, sockets)
        self._directory, self._sockets = directory, sockets
        self._log: t.IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self._process: subprocess.Popen[bytes] | None = None
        self._running: Program | None = None

    def __enter__(self) -> t.Any:
        try:
            self._expect_programs()
            self._directory, self._sockets = (self._tools.room(given, self.owner) for given in self._given)
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop()

    @abc.abstractmethod
    def _start(self) -> None:
        """Make its data directory, run it, and wait for it."""

    @abc.abstractmethod
    def _needed(self) -> t.Iterable[str]:
        """Paths of the programs without which it cannot."""

    @abc.abstractmethod
    def _answers(self) -> None:
        """Connect to it.

        :raises SlipwayError: it does not answer yet.
        """

    # --- how it is done

    def _expect_programs(self) -> None:
        """What starts them as another user names itself where one is missing."""
        for path in self._needed():
            if self._tools.which(path) is None:
                raise SlipwayError(
                    "no such program",
                    obj=path,
                    wanted=f"the server's programs {self._tools.place}",
                    remedy=f"Install them (Debian: {self.package}), name an image that has them, or verify by read.",
                    cause="command_missing",
                )

    def _do(self, *argv: str, env: t.Mapping[str, str] | None = None) -> None:
        """Let a program of the server come to its end."""
        for _output in flow([self._program(argv, env or {})]):
            pass

    def _run(self, *argv: str) -> None:
        """Run the server, and wait until it answers.

        :raises SlipwayError: C(scratch_failed).
        """
        self._running = self._program(argv, {})
        self._process = process = started(self._running, subprocess.DEVNULL, self._log, self._log)
        deadline = self._system.monotonic() + READY
        while process.poll() is None and self._system.monotonic() < deadline:
            with contextlib.suppress(SlipwayError):
                self._answers()
                return
            self._system.sleep(0.05)
        self._log.seek(0)
        raise SlipwayError(
            "the throw-away server did not start",
            obj=self._directory,
            actual=self._log.read()[-2000:].decode(errors="replace").strip(),
            remedy=self.hint,
            cause="scratch_failed",
        )

    def _program(self, argv: t.Sequence[str], env: t.Mapping[str, str]) -> Program:
        rooms = [self._directory, self._sockets]
        return self._tools.served(argv, env, owner=self.owner, ends=self.ends, rooms=rooms)

    def _stop(self) -> None:
        if self._process is not None and self._running is not None:
            if self._process.poll() is None:
                removed(self._running)
                self._process.send_signal(SIGNALS[self.ends])
                self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._log.close()
