# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was handed over, or built here for others: files of this machine, each named by the hash of its content (private to the
collection).

They stay as long as a kept release was made of them, so that nothing is sent twice.
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System, file_error
from .content import file_hash
from .owners import make_passable

NAME = re.compile(r"[0-9a-f]{64}")
PARTIAL = ".partial"


def package_of(option: t.Mapping[str, t.Any]) -> str:
    """The package that the code of a service comes out of, as its options name it; empty where they name none.

    What they name may be another machine's word, and becomes the name of a file.
    """
    built, source = option.get("built") or {}, option.get("source") or {}
    name = str((built.get("package") if built else source.get("content")) or "")
    return name if NAME.fullmatch(name) else ""


class Packages:
    """All of one platform on this machine.

    :param base: directory of the platform.
    """

    def __init__(self, system: System, base: str) -> None:
        self._system = system
        self._directory = os.path.join(base, "packages")

    def path(self, name: str) -> str:
        """Where the package of a content is, or would be."""
        return os.path.join(self._directory, name)

    def receive(self, handed: t.Mapping[str, str]) -> None:
        """Take over what was put somewhere on this machine; a name stands for a whole file, or for none.

        :param handed: content → path.
        :raises SlipwayError: C(invalid), C(no_space), C(permission), C(io).
        """
        for name, source in handed.items():
            if not NAME.fullmatch(name):
                raise SlipwayError("not the name of a content", obj="packages", actual=name, cause="invalid")
            self._make_directory()
            self._copy(source, self.path(name))

    def make(self, label: str, write: t.Callable[[t.BinaryIO], None]) -> str:
        """A package of what this machine itself writes; its name, which is the hash of the file.

        :param label: of the unfinished file.
        :raises SlipwayError: C(no_space), C(permission), C(io), and whatever C(write) raises.
        """
        self._make_directory()
        partial = self.path(f"{label}{PARTIAL}")
        try:
            with open(partial, "wb") as file:
                write(file)
                file.flush()
                self._system.fsync_fd(file.fileno())
            name = str(file_hash(partial).hexdigest())
            self._system.rename(partial, self.path(name))
        except OSError as error:
            self._system.unlink(partial)
            raise file_error(error, partial) from None
        self._system.fsync_directory(self._directory)
        return name

    def is_whole(self, name: str) -> bool:
        """Whether a package is there whose name is the hash of the file."""
        path = self.path(name)
        return bool(name) and os.path.isfile(path) and str(file_hash(path).hexdigest()) == name

    def names(self) -> list[str]:
        """The packages that are there."""
        found = os.listdir(self._directory) if os.path.isdir(self._directory) else []
        return sorted(name for name in found if NAME.fullmatch(name))

    def expect(self, name: str, where: str, *, whole: bool = False) -> str:
        """The path of a package that is there.

        :param whole: its name is the hash of the file itself, so that this can be looked at.
        :raises SlipwayError: C(package_missing).
        """
        path = self.path(name)
        if whole and os.path.isfile(path) and not self.is_whole(name):
            self.forget(name)
        if not os.path.isfile(path):
            raise SlipwayError(
                "was not handed over to this machine whole",
                obj=where,
                actual=f"no {path}",
                remedy="Run it again from a controller that has these files.",
                cause="package_missing",
            )
        return path

    def forget(self, name: str) -> None:
        """It is not what its name says: the next run hands it over again."""
        self._system.unlink(self.path(name))

    def prune(self, needed: t.Container[str]) -> None:
        """Remove what no kept release was made of, and what was cut off."""
        for name in os.listdir(self._directory) if os.path.isdir(self._directory) else []:
            if name not in needed:
                self._system.unlink(self.path(name))

    def _make_directory(self) -> None:
        make_passable(self._system, os.path.dirname(self._directory))
        self._system.make_directory(self._directory)
        os.chmod(self._directory, 0o700)  # it may be older than this rule

    def _copy(self, source: str, path: str) -> None:
        partial = f"{path}{PARTIAL}"
        try:
            with open(source, "rb") as data, open(partial, "wb") as file:
                shutil.copyfileobj(data, file, 1 << 20)
                file.flush()
                self._system.fsync_fd(file.fileno())
            self._system.rename(partial, path)
        except OSError as error:
            self._system.unlink(partial)
            raise file_error(error, path) from None
        self._system.fsync_directory(self._directory)
