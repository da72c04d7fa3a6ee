# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine needs of the operating system: clocks, commands, durable files (private to the collection).

Engines take a C(System) and never call C(time), C(subprocess) or C(os.write) themselves, so that a test can hand
them its own clock, its own boot id, or a disk that loses power after the n-th write.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import typing as t

from .errors import SlipwayError


class Completed(t.NamedTuple):
    """A command that has ended: exit status and decoded output."""

    rc: int
    stdout: str
    stderr: str


class System:
    """The real clocks, commands and files of this machine."""

    # Clocks -------------------------------------------------------------------------------------------------

    def boot_id(self) -> str:
        """The kernel's random id of this boot (C(random(4)), /proc/sys/kernel/random/boot_id)."""
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return stream.read().strip()

    def boottime(self) -> float:
        """Seconds since boot, suspended time included (C(clock_gettime(2)), CLOCK_BOOTTIME)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch, for people to read; never decide anything by it."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep; a negative duration returns at once."""
        if seconds > 0:
            time.sleep(seconds)

    # Commands -----------------------------------------------------------------------------------------------

    def run(
        self,
        argv: t.Sequence[str],
        *,
        timeout: float,
        stdin: str | None = None,
        env: t.Mapping[str, str] | None = None,
    ) -> Completed:
        """Run an argv list (never a shell) and wait for it.

        :param timeout: seconds after which the command is killed.
        :raises SlipwayError: C(command_missing) when there is no such program, C(timeout) when it ran too long.
        """
        import subprocess  # takes as long as all that most stages import besides

        try:
            # An engine has no AnsibleModule whose run_command it could use.
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                list(argv),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                env=None if env is None else {**os.environ, **env},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise SlipwayError(
                "no such program", obj=argv[0], remedy=f"Install {argv[0]} on this machine.", cause="command_missing"
            ) from None
        except subprocess.TimeoutExpired:
            raise SlipwayError(
                "command did not end in time", obj=" ".join(argv), wanted=f"{timeout:g} s", cause="timeout"
            ) from None
        return Completed(done.returncode, done.stdout, done.stderr)

    # Durable files ------------------------------------------------------------------------------------------
    # The five primitives below are the seam of the crash tests: everything durable goes through them.

    def open_fd(self, path: str, flags: int, mode: int = 0o600) -> int:
        """C(open(2)), close-on-exec."""
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def write_fd(self, fd: int, data: bytes) -> int:
        """One C(write(2)); may be short."""
        return os.write(fd, data)

    def truncate_fd(self, fd: int, size: int) -> None:
        """C(ftruncate(2))."""
        os.ftruncate(fd, size)

    def fsync_fd(self, fd: int) -> None:
        """C(fsync(2))."""
        os.fsync(fd)

    def rename(self, source: str, target: str) -> None:
        """C(rename(2)): the target is the old file or the new one, never neither."""
        os.replace(source, target)

    def unlink(self, path: str) -> None:
        """C(unlink(2)); a missing file is fine."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    # Composed of the primitives ---------------------------------------------------------------------------------

    def write_all(self, fd: int, data: bytes, path: str) -> None:
        """Write every byte or raise: a short write is an error (C(no_space) when the disk is full)."""
        view = memoryview(data)
        while view:
            try:
                written = self.write_fd(fd, bytes(view))
            except OSError as error:
                raise file_error(error, path) from None
            if written <= 0:
                raise SlipwayError("short write", obj=path, actual=written, wanted=len(view), cause="short_write")
            view = view[written:]

    def fsync_directory(self, path: str) -> None:
        """Make the names inside a directory durable (C(fsync(2)), notes)."""
        fd = self.open_fd(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.fsync_fd(fd)
        finally:
            os.close(fd)

    def replace_file(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Put a whole file in place durably: the old content or the new one survives any crash, never a mixture.

        :raises SlipwayError: C(no_space), C(permission) or C(io); the old file is untouched then.
        """
        directory = os.path.dirname(path)
        partial = os.path.join(directory, f".{os.path.basename(path)}.partial")
        self.unlink(partial)
        try:
            fd = self.open_fd(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise file_error(error, path) from None
        try:
            os.fchmod(fd, mode)  # the umask must not take anything away
            self.write_all(fd, data, path)
            self.fsync_fd(fd)
        except BaseException:
            os.close(fd)
            self.unlink(partial)
            raise
        os.close(fd)
        self.rename(partial, path)
        self.fsync_directory(directory)

    def read_file(self, path: str) -> bytes | None:
        """The content, or None when there is no such file."""
        try:
            with open(path, "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise file_error(error, path) from None

    def make_directory(self, path: str, *, mode: int = 0o700) -> None:
        """C(mkdir -p), each new level with the mode given."""
        if os.path.isdir(path):
            return
        parent = os.path.dirname(path.rstrip("/"))
        if parent and not os.path.isdir(parent):
            self.make_directory(parent, mode=0o755)
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            return
        except OSError as error:
            raise file_error(error, path) from None
        self.fsync_directory(parent or "/")

    @contextlib.contextmanager
    def flock(self, path: str, *, timeout: float) -> t.Iterator[None]:
        """Hold an exclusive C(flock(2)) on a file; the kernel lets go of it when the process ends, however it ends.

        :raises SlipwayError: C(flock_timeout) when another process held it for all of ``timeout`` seconds.
        """
        fd = self.open_fd(path, os.O_RDWR | os.O_CREAT)
        try:
            deadline = self.monotonic() + timeout
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    left = deadline - self.monotonic()
                    if left <= 0:
                        raise SlipwayError(
                            "another Slipway module is still at work on this machine",
                            obj=path,
                            actual=_held_by(fd),
                            wanted=f"free within {timeout:g} s",
                            remedy="Wait for it to end; it cannot outlive the deadline of its stage.",
                            cause="flock_timeout",
                        ) from None
                    self.sleep(min(0.02, left))
            yield
        finally:
            os.close(fd)


def _held_by(fd: int) -> str:
    """Who has the flock of an open file, by proc(5), /proc/locks; a process of another PID namespace has number 0."""
    inode, holders = os.fstat(fd).st_ino, []
    with open("/proc/locks", encoding="ascii") as stream:
        rows = [line.split() for line in stream]
    for row in rows:
        if row[1:2] == ["FLOCK"] and row[5].rpartition(":")[2] == str(inode):
            holders.append(f"process {row[4]} ({_program(row[4])})")
    return f"held by {' and '.join(holders)}" if holders else "held by nobody that can be seen"


def _program(pid: str) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()
    return "not seen from here"


def is_full(error: OSError) -> bool:
    """Whether there is no space left, or no more of it for this user."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def file_error(error: OSError, path: str) -> SlipwayError:
    """What C(errno) says, in words: C(no_space), C(permission) or C(io)."""
    if is_full(error):
        return SlipwayError("no space left", obj=path, remedy="Free disk space on this machine.", cause="no_space")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SlipwayError(
            f"not permitted ({error.strerror})",
            obj=path,
            remedy="Connect as root or set become: true.",
            cause="permission",
        )
    return SlipwayError(f"input/output error ({error.strerror})", obj=path, cause="io")
