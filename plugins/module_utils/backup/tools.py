# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a database's own programs are, and how they are started: on this machine (private to the collection)."""

from __future__ import annotations

import abc
import contextlib
import functools
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import typing as t

from ..lifeline import with_us
from ..system import System
from .pipeline import Program, not_started

OPEN = "what this machine reaches: only root, with unshare of util-linux and the right to use it, can cut a network"


class Handed(t.NamedTuple):
    """What a program is told in secret.

    :param path: the file in which it finds that.
    :param content: of the file.
    """

    path: str
    content: bytes


class Tools(abc.ABC):
    """Where a database's own programs are, and how they are started.

    :ivar place: where, in words that follow a verb.
    """

    place: str

    @abc.abstractmethod
    def ready(self) -> str:
        """Before anything is written: see to it that programs can be started.

        :return: what will have to be done before that, in words, where only a plan is made; else nothing.
        :raises SlipwayError: why none can be.
        """

    @abc.abstractmethod
    def find(self, pattern: str) -> list[str]:
        """The paths that match one whose directory may have C(*) and C([…]), in order."""

    @abc.abstractmethod
    def which(self, name: str, places: str = "") -> str | None:
        """The path of a program.

        :param name: or its path already.
        :param places: directories, as C(PATH) has them; C(PATH) itself where there are none.
        """

    @abc.abstractmethod
    def said(self, argv: t.Sequence[str]) -> str:
        """What a program says.

        :raises SlipwayError: C(command_missing).
        """

    @abc.abstractmethod
    def handed(self, secret: bytes) -> t.ContextManager[Handed]:
        """Tell programs something that nobody else learns, as long as the context lasts.

        :param secret: lines, none of them empty.
        """

    @abc.abstractmethod
    def program(
        self,
        argv: t.Sequence[str],
        env: t.Mapping[str, str] | None = None,
        *,
        handed: Handed | None = None,
        reads: bool = False,
        sees: t.Iterable[str] = (),
        shares: t.Sequence[str] = (),
    ) -> Program:
        """One program, to be started by this process's user.

        :param reads: its standard input.
        :param sees: files and directories of this machine that it only reads.
        :param shares: directories of this machine in which it reads and writes files. It ends with whoever starts it, which
            it would not notice otherwise.
        """

    @abc.abstractmethod
    def room(self, directory: str, owner: str) -> str:
        """A directory for a server, out of an empty one of this process's user.

        :param owner: the server's user on a machine that has it.
        """

    @abc.abstractmethod
    def served(
        self, argv: t.Sequence[str], env: t.Mapping[str, str], *, owner: str, ends: str, rooms: t.Sequence[str]
    ) -> Program:
        """One program of a server, which refuses to be started by root; its network is cut, where that can be done.

        :param ends: the signal with which it ends when this process does.
        :param rooms: of RV(room).
        """

    @abc.abstractmethod
    def reaches(self) -> str:
        """What such a server can reach, in words; empty where its network is cut."""


class Host(Tools):
    """The programs that this machine has."""

    place = "on this machine"

    def __init__(self, system: System) -> None:
        self._system = system

    def ready(self) -> str:
        return ""

    def find(self, pattern: str) -> list[str]:
        return sorted(glob.glob(pattern))

    def which(self, name: str, places: str = "") -> str | None:
        return shutil.which(name, path=places or os.environ.get("PATH", os.defpath))

    def said(self, argv: t.Sequence[str]) -> str:
        try:
            return self._system.run(argv, timeout=30).stdout
        except OSError as error:
            raise not_started(argv[0], error) from None

    @contextlib.contextmanager
    def handed(self, secret: bytes) -> t.Iterator[Handed]:
        # A file without a name, mode 0600: whatever ends this process, it is gone with it.
        with tempfile.TemporaryFile("wb") as file:
            file.write(secret)
            file.flush()
            yield Handed(f"/proc/{os.getpid()}/fd/{file.fileno()}", secret)

    def program(
        self,
        argv: t.Sequence[str],
        env: t.Mapping[str, str] | None = None,
        *,
        handed: Handed | None = None,
        reads: bool = False,
        sees: t.Iterable[str] = (),
        shares: t.Sequence[str] = (),
    ) -> Program:
        if not shares:
            return Program(tuple(argv), env or {})
        return _other(with_us("TERM"), argv, env or {})

    def room(self, directory: str, owner: str) -> str:
        if os.geteuid() == 0:
            user = pwd.getpwnam(owner)
            os.chown(directory, user.pw_uid, user.pw_gid)
        return directory

    def served(
        self, argv: t.Sequence[str], env: t.Mapping[str, str], *, owner: str, ends: str, rooms: t.Sequence[str]
    ) -> Program:
        user = (f"--reuid={owner}", f"--regid={owner}", "--init-groups") if os.geteuid() == 0 else ()
        return _other((*cut_off(), *with_us(ends, *user)), argv, env)

    def reaches(self) -> str:
        return "" if cut_off() else OPEN


def _other(starter: t.Sequence[str], argv: t.Sequence[str], env: t.Mapping[str, str]) -> Program:
    """A program that another one starts, which names itself where that one is missing."""
    if shutil.which(argv[0]) is None:
        raise not_started(argv[0], FileNotFoundError())
    return Program((*starter, *argv), env, called=os.path.basename(argv[0]))


@functools.lru_cache(maxsize=1)
def cut_off() -> tuple[str, ...]:
    """What starts a program without any network, in which a socket of the file system is found all the same (unix(7)); empty
    where that cannot be done."""
    if os.geteuid() or shutil.which("unshare") is None:
        return ()
    words = ("unshare", "--net", "--")
    tried = subprocess.run([*words, "true"], check=False, capture_output=True)  # pylint: disable=ansible-bad-function
    return words if tried.returncode == 0 else ()
