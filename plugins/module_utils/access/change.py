# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that takes itself back unless somebody who has connected anew confirms it (private to the collection).

Before the file is put in place, a timer of systemd is armed that puts the old one back. Whoever confirms, and the timer, both
begin by renaming the directory of the change: the kernel lets one of them do it, so it is never half of each.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import typing as t

from ..errors import SlipwayError
from ..system import System

PENDING = "/run/slipway-guarded"
TIMEOUT = 30.0  # seconds that it may take to bring a file into force

UNDO = """\
#!/bin/sh
# Written by slipway.deploy.guarded_file, for when nobody confirms a file in time.
mv {pending} {pending}.undone 2>/dev/null || exit 0
{restore}
{command}
echo "nobody could connect with the new file, the one before is in force again:" {path} >&2
rm -rf {pending}.undone
"""


class Wanted(t.NamedTuple):
    """What is wanted of a file.

    :param content: None where there is to be none.
    :param apply: the command that brings what is there into force.
    :param withdraw: the one that takes it out of force where there is no file (any more).
    :param seconds: after which it is taken back.
    """

    path: str
    content: bytes | None
    mode: int
    apply: t.Sequence[str]
    withdraw: t.Sequence[str]
    seconds: float

    def command(self, content: bytes | None) -> t.Sequence[str]:
        """What brings it into force when this is the content."""
        return self.apply if content is not None else self.withdraw


class Change:
    """One file on its way.

    :param pending: directory in which what waits to be confirmed is remembered; it must be empty after a reboot.
    """

    def __init__(self, system: System, wanted: Wanted, pending: str = PENDING) -> None:
        self.system = system
        self.wanted = wanted
        self._root = pending
        name = hashlib.sha256(wanted.path.encode()).hexdigest()[:16]
        self._pending = os.path.join(pending, name)
        self.unit = f"slipway-undo-{name}"

    @property
    def waits(self) -> bool:
        """Whether an earlier change of this file has not been confirmed yet."""
        return os.path.isdir(self._pending)

    def apply(self) -> None:
        """Arm the timer, put the file in place, bring it into force; at a failure the old one is back at once.

        :raises SlipwayError: C(not_armed) with nothing changed; C(not_applied).
        """
        wanted, before = self.wanted, self.system.read_file(self.wanted.path)
        self._arm(before)
        try:
            self._put(wanted.content)
            self._run(wanted.command(wanted.content))
        except SlipwayError as error:
            self._run(self._undo(), check=False)
            self._disarm()
            raise SlipwayError(
                f"could not be brought into force: {error.what}",
                obj=wanted.path,
                actual=error.actual,
                remedy="The file from before is in force again.",
                cause="not_applied",
            ) from None

    def confirm(self) -> None:
        """Keep it. To be called over a connection that was opened after C(apply).

        :raises SlipwayError: C(taken_back).
        """
        try:
            os.rename(self._pending, f"{self._pending}.kept")
        except FileNotFoundError:
            raise SlipwayError(
                "was taken back, because nobody connected in time",
                obj=self.wanted.path,
                wanted=f"a new connection within {self.wanted.seconds:g} s",
                remedy="The file from before is in force again. Look why this machine could not be reached.",
                cause="taken_back",
            ) from None
        self._disarm()
        for name in sorted(os.listdir(f"{self._pending}.kept")):
            self.system.unlink(f"{self._pending}.kept/{name}")
        os.rmdir(f"{self._pending}.kept")

    def _arm(self, before: bytes | None) -> None:
        """Remember the content that was confirmed last, and arm the timer; one that runs is wound up anew."""
        self._disarm()
        if not self.waits:
            self.system.make_directory(self._root)
            self.system.make_directory(self._pending)
            if before is not None:
                self.system.replace_file(f"{self._pending}/before", before, mode=self.wanted.mode)
            self.system.replace_file(f"{self._pending}/undo", self._script(before).encode())
        done = self.system.run(
            [
                "systemd-run",
                "--quiet",
                "--collect",
                f"--unit={self.unit}",
                f"--on-active={self.wanted.seconds:g}",
                "--timer-property=AccuracySec=100ms",
                *self._undo(),
            ],
            timeout=TIMEOUT,
        )
        if done.rc:
            raise SlipwayError(
                "the timer that would take it back cannot be armed",
                obj=self.wanted.path,
                actual=done.stderr.strip(),
                remedy="Nothing was changed. It needs systemd.",
                cause="not_armed",
            )

    def _undo(self) -> list[str]:
        return ["/bin/sh", f"{self._pending}/undo"]  # nothing can be executed where /run is mounted with noexec

    def _script(self, before: bytes | None) -> str:
        path, pending = shlex.quote(self.wanted.path), shlex.quote(self._pending)
        partial = shlex.quote(f"{self.wanted.path}.undo")
        restore = f"cp -p {pending}.undone/before {partial} && mv {partial} {path}"
        return UNDO.format(
            path=path,
            pending=pending,
            restore=restore if before is not None else f"rm -f {path}",
            command=shlex.join(self.wanted.command(before)),
        )

    def _disarm(self) -> None:
        self.system.run(["systemctl", "--quiet", "stop", f"{self.unit}.timer"], timeout=TIMEOUT)

    def _put(self, content: bytes | None) -> None:
        if content is None:
            self.system.unlink(self.wanted.path)
        else:
            self.system.make_directory(os.path.dirname(self.wanted.path), mode=0o755)
            self.system.replace_file(self.wanted.path, content, mode=self.wanted.mode)

    def _run(self, argv: t.Sequence[str], *, check: bool = True) -> None:
        done = self.system.run(argv, timeout=TIMEOUT)
        if done.rc and check:
            raise SlipwayError(f"{shlex.join(argv)} ended with {done.rc}", actual=done.stderr.strip()[-800:])
