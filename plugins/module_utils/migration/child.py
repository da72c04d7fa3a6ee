# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration tool's own process: short-lived, told its secrets by its environment alone (private to the collection)."""

from __future__ import annotations

import abc
import contextlib
import os
import signal
import subprocess
import threading
import typing as t

from ..errors import SlipwayError
from ..masking import mask
from .address import Address

TAIL = 4000  # characters of what a program said that an error quotes
CHUNK = 1 << 16  # bytes
LARGEST = 64 << 20  # bytes of an answer
SETTLE = 10  # seconds for what it wrote last to arrive; longer only where something has left its group with its output


class Ended(t.NamedTuple):
    """How it ended.

    :param stdout: all of it.
    :param said: the end of what it wrote to standard error, or else to standard output; secrets masked.
    """

    rc: int
    stdout: str
    said: str


class Start(t.NamedTuple):
    """A process of this machine: the tool, or what stands for it here.

    :param directory: empty for this process's own.
    """

    argv: list[str]
    directory: str
    env: dict[str, str]


class Place(abc.ABC):
    """Where tools are.

    :param secrets: that they are told there.
    :param install: how to get a tool there, for a message; empty where each has its own way.
    """

    secrets: frozenset[str] = frozenset()
    install = ""
    leads: tuple[str, int] | None = None  # host and port of the database there, where they are others than here

    @abc.abstractmethod
    def entered(
        self, argv: t.Sequence[str], directory: str, env: t.Mapping[str, str], mine: t.Sequence[str]
    ) -> t.ContextManager[Start]:
        """One run of a tool. Nothing of it is at work any more when the context has ended.

        :param env: added to what a tool finds there by itself.
        :param mine: files and directories that this process has made for the tool, which may write there.
        """

    def seen(self, where: Address) -> Address:
        """How the database is reached from there."""
        return where._replace(host=self.leads[0], port=self.leads[1], options={}) if self.leads else where

    def judge(self, ended: Ended) -> Ended:
        """How the tool has ended, by how the process here did.

        :raises SlipwayError: C(tool_missing).
        """
        return ended

    def blame(self, error: SlipwayError) -> None:  # noqa: B027  # most keep nothing
        """Before anything else is run: this is about the run that was last."""

    def alone(self) -> None:  # noqa: B027  # most leave nothing
        """The lock is ours: whatever an earlier run has left at work must end."""


class Here(Place):
    """This machine."""

    @contextlib.contextmanager
    def entered(
        self, argv: t.Sequence[str], directory: str, env: t.Mapping[str, str], _mine: t.Sequence[str]
    ) -> t.Iterator[Start]:
        if directory and not os.path.isdir(directory):
            raise SlipwayError(
                "is no directory of this machine",
                obj="project.directory",
                actual=directory,
                remedy="Name the directory that the migrations belong to.",
                cause="bad_input",
            )
        yield Start([*argv], directory, {**os.environ, **env})


class Child(t.NamedTuple):
    """How a tool is started.

    :param program: argv, without what is wanted of it.
    :param directory: where it works; empty for the place's own.
    :param env: added to the place's own.
    :param secrets: masked in what it says.
    :param install: how to get the program, for a message.
    """

    program: tuple[str, ...]
    directory: str = ""
    env: t.Mapping[str, str] = {}
    secrets: frozenset[str] = frozenset()
    install: str = ""
    place: Place = Here()

    def run(
        self,
        *words: str,
        stdin: str = "",
        env: t.Mapping[str, str] | None = None,
        timeout: float | None = None,
        keep: t.Sequence[int] = (),
        mine: t.Sequence[str] = (),
    ) -> Ended:
        """Run it to its end; whatever it has started ends with it.

        :param timeout: seconds; None for no limit.
        :param keep: descriptors that it shares: a lock's connection stays open for as long as anything of it lives, also when this
            process is killed.
        :param mine: as RV(Place.entered).
        :raises SlipwayError: C(tool_missing), C(timeout), C(bad_input) for a directory that is not there; as the place does.
        """
        given = {**self.env, **(env or {})}
        with self.place.entered([*self.program, *words], self.directory, given, mine) as start:
            return self.place.judge(self._ended(start, stdin, timeout, keep))

    def _ended(self, start: Start, stdin: str, timeout: float | None, keep: t.Sequence[int]) -> Ended:
        process = self._started(start, keep)
        output, errors = _Reader(process.stdout, LARGEST), _Reader(process.stderr, TAIL * 4)
        try:
            _feed(process.stdin, stdin)
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise SlipwayError(
                "did not end in time, and was ended with all that it had started",
                obj=" ".join(self.program),
                wanted=f"{timeout:.0f} s",
                remedy="See what it waited for; what of it is in force, state: status tells. Raise timeout if it needs longer.",
                cause="timeout",
            ) from None
        finally:
            _end(process)
            output.join(SETTLE)
            errors.join(SETTLE)
        told, said = output.text(), errors.text().strip() or output.text().strip()
        return Ended(process.returncode, told, mask(said, self.secrets)[-TAIL:])

    def _started(self, start: Start, keep: t.Sequence[int]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
                start.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=start.directory or None,
                env=start.env,
                pass_fds=tuple(keep),
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise missing(start.argv[0], error.strerror or "", self.install) from None


def missing(program: str, said: str, install: str) -> SlipwayError:
    """A tool, or a part of it, that this machine does not have."""
    return SlipwayError(
        "cannot be started",
        obj=program,
        actual=said,
        remedy=install or "Install it on this machine, or name it with project.program.",
        cause="tool_missing",
    )


def _feed(stream: t.Any, text: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # it has ended already, and says why
        stream.write(text.encode())
        stream.flush()
    with contextlib.suppress(BrokenPipeError):
        stream.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its whole group: what it has left running would hold on to its output, and to the lock."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Reader(threading.Thread):
    """Reads all that comes, so that nobody waits for room, and keeps the end of it."""

    def __init__(self, stream: t.Any, limit: int) -> None:
        super().__init__(daemon=True)
        self._stream, self._limit = stream, limit
        self._kept = bytearray()
        self.start()

    def run(self) -> None:
        """Until the other side is closed."""
        with self._stream:
            while True:
                chunk = self._stream.read1(CHUNK)
                if not chunk:
                    return
                self._kept += chunk
                if len(self._kept) > 2 * self._limit:
                    del self._kept[: -self._limit]

    def text(self) -> str:
        """The end of it."""
        return bytes(self._kept[-self._limit :]).decode(errors="replace")
