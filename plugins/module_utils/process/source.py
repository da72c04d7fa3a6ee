# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the code of a release comes from, whichever way (private to the collection)."""

from __future__ import annotations

import abc
import os
import shutil
import typing as t
import urllib.parse

from ..errors import SlipwayError
from ..side.options import invalid
from ..system import System, file_error, is_full
from .content import file_hash
from .packages import NAME, Packages
from .spec import Step

CONTROLLER, MACHINE = "controller", "machine"


class Place(t.NamedTuple):
    """What a source may use on this machine."""

    system: System
    base: str  # directory of the platform, for mirrors and downloads
    secrets: t.Mapping[str, str]
    deadline: float  # seconds that one command may take


class Source(abc.ABC):
    """One source of one service.

    :param options: as the user wrote them.
    :param where: how messages call them, C(services.backend.source).
    """

    keys: t.ClassVar[tuple[str, ...]]  # that it takes beside kind
    packed: t.ClassVar[bool] = False  # whether the controller may hand it over: it takes from and content, too
    builds: t.ClassVar[bool] = False  # whether it runs commands to become runnable, for which the service needs a user

    def __init__(self, options: t.Mapping[str, t.Any], where: str, place: Place) -> None:
        self.options = options
        self.where = where
        self.place = place
        for key in options:
            known = (*self.keys, "content", "from") if self.packed else self.keys
            if key not in ("kind", *known):
                raise invalid(f"{where}.{key}", None, f"one of {', '.join(known)}", what="unknown option")

    @abc.abstractmethod
    def resolve(self) -> dict[str, t.Any]:
        """What exactly it is now: a commit, a checksum. Two releases with the same have the same code. Writes nothing."""

    @abc.abstractmethod
    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        """Fill an empty directory with exactly what was resolved.

        :raises SlipwayError: what could not be had, and why.
        """

    def install(self, resolved: t.Mapping[str, t.Any], target: str, run: t.Callable[[t.Sequence[Step]], None]) -> None:
        """Make it runnable, before the service's own steps; C(run) runs commands in it as the service's user."""
        run([])

    # Options --------------------------------------------------------------------------------------------------------

    def text(self, key: str, *, required: bool = False) -> str:
        """An option that is a text; empty when it is not given.

        :raises SlipwayError: C(invalid).
        """
        value = self.options.get(key)
        if (value is None or value == "") and not required:
            return ""
        if not isinstance(value, str) or not value or "\0" in value or value.startswith("-"):
            raise invalid(f"{self.where}.{key}", value, "a text that does not begin with a hyphen")
        return value

    def texts(self, key: str) -> list[str]:
        """An option that is a list of texts; empty when it is not given.

        :raises SlipwayError: C(invalid).
        """
        value = self.options.get(key) or []
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item.strip("/") for item in value):
            raise invalid(f"{self.where}.{key}", value, "a list of texts")
        return [str(item) for item in value]

    def url(self, key: str) -> str:
        """An option that is a URL of http or https, without user and password: programs see what others run.

        :raises SlipwayError: C(invalid).
        """
        value = self.text(key)
        if value and not value.startswith(("http://", "https://")):
            raise invalid(f"{self.where}.{key}", "another URL", "a URL of http or https")
        if "@" in urllib.parse.urlsplit(value).netloc:
            raise invalid(f"{self.where}.{key}", "a URL with a user", "a URL without; programs see what others run")
        return value

    # Out of the controller's hands ----------------------------------------------------------------------------------

    def content(self) -> str:
        """The hash of what the controller hands over; empty for what this machine has itself.

        :raises SlipwayError: C(invalid).
        """
        side = self.text("from") or MACHINE
        if side not in (CONTROLLER, MACHINE):
            raise invalid(f"{self.where}.from", side, f"{CONTROLLER} or {MACHINE}")
        content = self.text("content", required=side == CONTROLLER)
        if content and (side == MACHINE or not NAME.fullmatch(content)):
            raise invalid(f"{self.where}.content", content, "what the action plugin puts there, and nobody else")
        return content

    def packages(self) -> Packages:
        """What the controller has handed over to this machine."""
        return Packages(self.place.system, self.place.base)

    def file(self) -> str:
        """Where the file of C(path) is on this machine; one that was handed over is whole.

        :raises SlipwayError: C(invalid), C(package_missing).
        """
        content = self.content()
        if not content:
            return self.text("path", required=True)
        return self.packages().expect(content, f"{self.where}.path", whole=True)

    def file_content(self) -> str:
        """The hash of the file of C(path), whoever has it.

        :raises SlipwayError: C(invalid), C(source_missing).
        """
        return self.content() or hash_of(self.text("path", required=True), self.where)

    def not_wanted(self, what: str, actual: str, wanted: str) -> SlipwayError:
        """The error for what is not what its checksum says."""
        remedy = "Find out who changed it; correct the checksum if that was meant."
        return SlipwayError(
            "not what was asked for", obj=what, actual=actual, wanted=wanted, remedy=remedy, cause="checksum"
        )


def hash_of(path: str, where: str) -> str:
    """The SHA-256 of a file of this machine.

    :raises SlipwayError: C(source_missing).
    """
    try:
        return str(file_hash(path).hexdigest())
    except OSError as error:
        raise SlipwayError(
            f"cannot be read on this machine ({error.strerror})",
            obj=f"{where}.path",
            actual=path,
            remedy="Put it there first, or leave from away for a file of the controller.",
            cause="source_missing",
        ) from None


def copied(path: str, content: str, target: str, where: str) -> None:
    """Put a file into a release, if it is what was resolved.

    :raises SlipwayError: C(source_changed), C(source_missing), C(no_space).
    """
    try:
        shutil.copyfile(path, target)
    except OSError as error:
        if is_full(error):
            raise file_error(error, os.path.dirname(target)) from None
        hash_of(path, where)
        raise
    if hash_of(target, where) != content:
        raise SlipwayError(
            "the file changed while it was copied",
            obj=path,
            remedy="Wait until whatever writes it is done, and run the release again.",
            cause="source_changed",
        )
