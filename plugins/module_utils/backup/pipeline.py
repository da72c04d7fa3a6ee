# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs joined by pipes: every exit status counts, and bytes pass through without a shell (private to the collection)."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import signal
import subprocess
import tempfile
import threading
import typing as t

from ..errors import SlipwayError

CHUNK = 1 << 20  # bytes
READ = (
    1 << 18
)  # bytes that are taken out of a pipe at once: a buffer much larger than what is there costs more than the copy
SAID = 2000  # characters of what a program said that an error quotes
GRACE = 10.0  # seconds from SIGTERM to SIGKILL
F_SETPIPE_SZ = 1031  # fcntl has its name since Python 3.10

Chunks = t.Iterable[bytes]
if t.TYPE_CHECKING:
    Process = subprocess.Popen[bytes]


class Inside(t.NamedTuple):
    """What is other with a program that runs in a container, where the process here is only the client of it.

    :param told: what is written to its standard input before anything else.
    :param seal: what the container writes last, when the program has ended. It stays until its standard input is closed.
        Empty for a program that reads from there, whose output nobody needs.
    :param remove: argv that ends the container, for it does not end with its client.
    """

    told: bytes
    seal: bytes
    remove: tuple[str, ...]


class Program(t.NamedTuple):
    """One program of a chain.

    :param argv: never a shell's line.
    :param env: added to this process's environment.
    :param called: its own name, where the first word is that of what starts it.
    :param inside: for one in a container, which is alone in its chain.
    """

    argv: tuple[str, ...]
    env: t.Mapping[str, str] = {}
    called: str = ""
    inside: Inside | None = None

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.called or os.path.basename(self.argv[0])


def flow(programs: t.Sequence[Program], chunks: Chunks | None = None) -> t.Iterator[bytes]:
    """What the last of some programs writes, each reading what the one before it wrote.

    The end is only reached when all of them ended with 0, so whoever consumes this to its end has everything.

    :param chunks: what the first one reads; nothing by default. Without programs they pass as they are.
    :raises SlipwayError: C(command_missing); C(command_failed) with what each failed program said; whatever the chunks
        raise.
    """
    if not programs:
        yield from chunks or ()
        return
    with chained(programs, subprocess.DEVNULL if chunks is None else subprocess.PIPE) as chain:
        feeder = None if chunks is None else _Feeder(chain, chunks)
        yield from chain.output()
        if feeder is not None:
            feeder.finish()
        chain.finish()


def not_started(program: str, error: OSError) -> SlipwayError:
    """Why a program did not start."""
    if isinstance(error, FileNotFoundError):
        what, actual = "no such program", None
    else:
        what, actual = "cannot be started", error.strerror
    return SlipwayError(
        what,
        obj=program,
        actual=actual,
        remedy=f"Install {os.path.basename(program)} on this machine, or name a container that has it with run_in.",
        cause="command_missing",
    )


def started(program: Program, stdin: int | t.IO[bytes], stdout: int | t.IO[bytes], said: t.IO[bytes]) -> Process:
    """A process of it.

    :param stdin: as of C(subprocess); one in a container that is given nothing to read gets a pipe, on which it depends.
    :raises SlipwayError: C(command_missing).
    """
    if program.inside is not None and stdin == subprocess.DEVNULL:
        stdin = subprocess.PIPE
    try:
        # A module's run_command keeps all output in memory.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            program.argv, stdin=stdin, stdout=stdout, stderr=said, env={**os.environ, **program.env}
        )
    except OSError as error:
        raise not_started(program.argv[0], error) from None
    for stream in (process.stdin, process.stdout):
        _widen(stream)
    if program.inside is not None and process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # why it ended, its exit status tells
            process.stdin.write(program.inside.told)
            process.stdin.flush()
    return process


def _widen(pipe: t.IO[bytes] | None) -> None:
    """Make room for a chunk in a pipe (fcntl(2), F_SETPIPE_SZ): with 64 KiB the programs mostly wait for each other."""
    if pipe is not None:
        with contextlib.suppress(OSError):  # a user may only have so many
            fcntl.fcntl(pipe.fileno(), F_SETPIPE_SZ, CHUNK)


def removed(program: Program) -> None:
    """End the container of a program, if it has one that is there."""
    if program.inside is not None:
        with contextlib.suppress(OSError):
            subprocess.run(  # pylint: disable=ansible-bad-function
                program.inside.remove, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )


class _Chain:
    """Processes that run, and the files that hold what they say."""

    def __init__(self) -> None:
        self.programs: list[Program] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.said: list[t.IO[bytes]] = []

    def start(self, program: Program, stdin: int | t.IO[bytes]) -> None:
        """Start one more, reading from the one before it."""
        said = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the chain
        self.said.append(said)
        process = started(program, stdin, subprocess.PIPE, said)
        self.programs.append(program)
        self.processes.append(process)

    def output(self, begun: bytes = b"") -> t.Iterator[bytes]:
        """What the last one writes, as it comes.

        :param begun: what has been read of it already.
        :raises SlipwayError: C(command_failed) when it is cut off.
        """
        stream = t.cast(io.BufferedReader, self.processes[-1].stdout)
        inside = self.programs[-1].inside
        if inside is not None and inside.seal:
            yield from self._unsealed(inside.seal, begun, stream)
            return
        chunk = begun or stream.read1(READ)  # what there is, not more
        while chunk:
            yield chunk
            chunk = stream.read1(READ)

    def ended(self, written: bytes) -> bool:
        """Whether the last one has written all that it will by what it has written."""
        inside = self.programs[-1].inside
        return inside is not None and bool(inside.seal) and written.endswith(inside.seal)

    def _unsealed(self, seal: bytes, begun: bytes, stream: io.BufferedReader) -> t.Iterator[bytes]:
        """An engine lets go of what a container wrote two seconds after its end, whether or not it has been read."""
        held = begun
        while not held.endswith(seal):
            ready = max(0, len(held) - len(seal) + 1)
            if ready:
                yield held[:ready]
            chunk = stream.read1(READ)
            if not chunk:
                self.finish()
                program = self.programs[-1]
                raise SlipwayError(
                    "what it wrote was cut off",
                    obj=program.name,
                    remedy="See the log of the Docker Engine, then run again.",
                    cause="command_failed",
                )
            held = held[ready:] + chunk
        yield held[: -len(seal)]
        t.cast("t.IO[bytes]", self.processes[-1].stdin).close()

    def finish(self) -> None:
        """Wait for all of them.

        :raises SlipwayError: C(command_failed).
        """
        ended = [
            (process.wait(), program, said) for program, process, said in zip(self.programs, self.processes, self.said)
        ]
        failed = [one for one in ended if one[0]]
        reasons = [one for one in failed if one[0] != -signal.SIGPIPE] or failed  # else its reader's end was its own
        if failed:
            raise SlipwayError(
                "a program failed",
                obj=reasons[0][1].name,
                actual="; ".join(
                    f"{program.name} {_status(status)}: {_tail(said)}" for status, program, said in reasons
                ),
                wanted="exit status 0 of every program",
                cause="command_failed",
                evidence={"status": reasons[0][0]},
            )

    def end(self) -> None:
        """Leave none behind, whatever happened."""
        for position, process in enumerate(self.processes):
            if process.poll() is None:
                removed(self.programs[position])
                process.terminate()
        for process in self.processes:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for said in self.said:
            said.close()


class _Feeder:
    """Writes to a chain beside whoever reads from it."""

    def __init__(self, chain: _Chain, chunks: Chunks) -> None:
        self._program, self._process, self._chunks = chain.programs[0], chain.processes[0], chunks
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        stream, chunks = t.cast(io.BufferedWriter, self._process.stdin), iter(self._chunks)
        try:
            with contextlib.suppress(BrokenPipeError):  # that it stopped reading is told by its exit status
                for chunk in chunks:
                    stream.write(chunk)
            with contextlib.suppress(BrokenPipeError):
                stream.close()
            if self._process.wait() == 0:
                for _rest in chunks:  # it had enough, but only at their end they may say that they are the wrong ones
                    pass
        except BaseException as error:  # pylint: disable=broad-exception-caught  # raised by finish
            self._failed = error
            removed(self._program)  # an end of its input would be taken for the whole
            self._process.kill()

    def finish(self) -> None:
        """Wait until all is written, and raise what the chunks raised."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed


@contextlib.contextmanager
def chained(programs: t.Sequence[Program], stdin: int) -> t.Iterator[_Chain]:
    chain = _Chain()
    try:
        source: int | t.IO[bytes] = stdin
        for program in programs:
            chain.start(program, source)
            if not isinstance(source, int):
                source.close()  # the program before must notice when this one is gone
            source = t.cast(io.BufferedReader, chain.processes[-1].stdout)
        yield chain
    finally:
        chain.end()


def _status(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"


def _tail(said: t.IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 4 * SAID))
    return said.read().decode(errors="replace").strip()[-SAID:] or "it said nothing"
