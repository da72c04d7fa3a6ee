# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands by which a site's own storage makes snapshots (private to the collection).

Slipway gives every snapshot its name, so that one can be told from all others before anybody has written down that it is there.
What a command prints counts for C(list) alone: what there is, is read back and never concluded from an exit status.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import typing as t

from ..errors import SlipwayError
from ..lifeline import with_us
from ..system import System

PREFIX = "slipway-"
SAID = 2000  # characters of what a command said that an error quotes
MOST = 4 << 20  # bytes of a list beyond which it is none
MORE = "/usr/local/sbin:/usr/sbin:/sbin"  # where a storage's programs are, whatever shell this was started by
THEN = "&&"  # between two commands of one option
FOR_SHELLS = {"|", "||", ";", "&", ">", ">>", "<", "2>&1", "$(", "`"}

_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_ID = r"\d{8}T\d{6}Z-[0-9a-f]{6}"
_STORED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}")  # what a storage may call a snapshot itself
_PLACE = re.compile(r"\{([A-Za-z_]+)\}")

# What may stand in braces in each command, and of what one at least must.
PLACES: t.Final[dict[str, tuple[str, ...]]] = {
    "create": ("name",),
    "clone": ("name", "id", "path"),
    "unclone": ("name", "id", "path"),
    "remove": ("name", "id"),
    "list": (),
}
NEEDED: t.Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "create": (("name",),),
    "clone": (("name", "id"), ("path",)),
    "unclone": (("name", "id", "path"),),
    "remove": (("name", "id"),),
    "list": (),
}


class Commands(t.NamedTuple):
    """What to run, as lists of words; C({name}), C({id}) and C({path}) in them are replaced.

    :param data: where the data directory is in a clone.
    :param timeout: seconds that each command may take.
    """

    create: t.Sequence[str]
    clone: t.Sequence[str]
    unclone: t.Sequence[str]
    remove: t.Sequence[str]
    list: t.Sequence[str]
    data: str = ""
    timeout: float = 300.0


class Storage:
    """The snapshots of one target.

    :param target: its name, which is a part of those of its snapshots.
    :raises SlipwayError: C(bad_input) where the commands, or the name, cannot be used.
    """

    def __init__(self, commands: Commands, target: str, system: System) -> None:
        if not _TARGET.fullmatch(target):
            raise _bad(
                "name", target, "letters, digits, points, lines and underscores, of which snapshots can be named"
            )
        for option, allowed in PLACES.items():
            _expect_usable(option, getattr(commands, option), allowed)
        parts = commands.data.split("/")
        if commands.data.startswith("/") or ".." in parts or "\0" in commands.data:
            raise _bad("snapshot.data", commands.data, "a path below {path}, such as 15/main")
        self.commands, self._target, self._system = commands, target, system
        self._ours = re.compile(rf"{re.escape(PREFIX + target)}-({_ID})")

    def name_of(self, snapshot: str) -> str:
        """How the storage is to call a snapshot."""
        return f"{PREFIX}{self._target}-{snapshot}"

    # --- what is done

    def there(self) -> dict[str, str]:
        """The snapshots of this target that there are, by id, with what C({id}) stands for.

        :raises SlipwayError: C(command_failed), C(timeout), C(command_missing), C(unreadable).
        """
        found: dict[str, str] = {}
        for line in self._run("list").splitlines():
            words = line.split()
            match = self._ours.fullmatch(re.split(r"[@/]", words[0])[-1]) if words else None
            if match is None:
                continue
            stored = words[1] if len(words) > 1 else match[0]
            if match[1] in found or not _STORED.fullmatch(stored):
                raise SlipwayError(
                    "tells a snapshot twice" if match[1] in found else "tells something that is no name",
                    obj=self.shown("list"),
                    actual=line.strip()[:200],
                    wanted="a line for each snapshot: its name, and behind it what {id} stands for, if that is something else",
                    remedy="Correct slipway_database.backup.snapshot.list.",
                    cause="unreadable",
                )
            found[match[1]] = stored
        return found

    def create(self, snapshot: str) -> None:
        """Make one, and see that it is there."""
        self._run("create", snapshot)
        if snapshot not in self.there():
            raise SlipwayError(
                "ended well, and the list does not have the snapshot",
                obj=self.shown("create", snapshot),
                wanted=f"{self.name_of(snapshot)} in what {self.shown('list')} says",
                remedy="Run both by hand, and correct the one that does not do what it should.",
                cause="snapshot_missing",
            )

    def clone(self, snapshot: str, stored: str, path: str) -> None:
        """Make a snapshot available for reading and writing, at a directory that is empty."""
        self._run("clone", snapshot, stored, path)

    def unclone(self, snapshot: str, stored: str, path: str) -> None:
        """Let go of a clone. Each of several commands is run, whatever becomes of the others.

        :raises SlipwayError: the first thing that went wrong.
        """
        self._run("unclone", snapshot, stored, path, every=True)

    def remove(self, snapshot: str, stored: str) -> None:
        """Remove a snapshot, and see that it is gone."""
        self._run("remove", snapshot, stored)
        if snapshot in self.there():
            raise SlipwayError(
                "ended well, and the list has the snapshot still",
                obj=self.shown("remove", snapshot, stored),
                remedy="Run it by hand, and see what it does.",
                cause="command_failed",
            )

    def shown(self, option: str, snapshot: str = "", stored: str = "", path: str = "") -> str:
        """A command that a person can copy."""
        return f" {THEN} ".join(shlex.join(argv) for argv in self._argvs(option, snapshot, stored, path))

    # --- how it is run

    def _argvs(self, option: str, snapshot: str, stored: str, path: str) -> list[list[str]]:
        name = self.name_of(snapshot) if snapshot else ""
        values = {"name": name, "id": stored or name, "path": path}
        found: list[list[str]] = [[]]
        for word in getattr(self.commands, option):
            if word == THEN:
                found.append([])
            else:
                found[-1].append(_PLACE.sub(lambda match: values.get(match[1], match[0]), word))
        return found

    def _run(self, option: str, snapshot: str = "", stored: str = "", path: str = "", *, every: bool = False) -> str:
        said, wrong = "", None
        for argv in self._argvs(option, snapshot, stored, path):
            try:
                said = self._one(option, argv)
            except SlipwayError as error:
                wrong = wrong or error
                if not every:
                    break
        if wrong is not None:
            raise wrong
        return said

    def _one(self, option: str, argv: t.Sequence[str]) -> str:
        """One command, in a process group of its own: what it has started is ended with it."""
        program = shutil.which(argv[0], path=f"{os.environ.get('PATH', os.defpath)}:{MORE}")
        if program is None:
            raise SlipwayError(
                "no such program",
                obj=argv[0],
                remedy=f"Install it on this machine, or correct slipway_database.backup.snapshot.{option}.",
                cause="command_missing",
            )
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
                [*with_us("TERM"), program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
            )
            try:
                status = process.wait(self.commands.timeout)
            except subprocess.TimeoutExpired:
                raise SlipwayError(
                    f"{option} did not end in time, and was ended",
                    obj=shlex.join(argv),
                    actual=_read(err).strip()[-SAID:] or "it said nothing",
                    wanted=f"{self.commands.timeout:g} s",
                    remedy="See what it waits for; or allow it more with slipway_database.backup.snapshot.timeout.",
                    cause="timeout",
                ) from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            if status:
                raise SlipwayError(
                    f"{option} failed with exit status {status}",
                    obj=shlex.join(argv),
                    actual=(_read(err) or _read(out)).strip()[-SAID:] or "it said nothing",
                    remedy="Do what it says, and run it again.",
                    cause="command_failed",
                )
            return _read(out)


def _read(file: t.IO[bytes]) -> str:
    file.seek(0)
    return file.read(MOST).decode(errors="replace")


def _expect_usable(option: str, words: t.Sequence[str], allowed: t.Collection[str]) -> None:
    """:raises SlipwayError: C(bad_input)."""
    name, shown = f"snapshot.{option}", shlex.join(words)
    programs = [word for before, word in zip((THEN, *words), (*words, THEN)) if before == THEN]
    if {"", THEN} & set(programs):
        raise _bad(name, shown or "nothing", "a command, as a list of words")
    foreign = [word for word in words if word in FOR_SHELLS]
    if foreign:
        raise _bad(
            name, f"{foreign[0]} in {shown}", f"words alone: no shell reads them. Of several commands {THEN} is between"
        )
    used = {match[1] for word in words for match in _PLACE.finditer(word)}
    unknown = sorted(used - set(allowed))
    if unknown:
        wanted = ", ".join(f"{{{place}}}" for place in allowed) or "nothing"
        raise _bad(name, f"{{{unknown[0]}}} in {shown}", f"{wanted} in braces")
    for one in NEEDED[option]:
        if not used & set(one):
            raise _bad(name, shown, f"{' or '.join(f'{{{place}}}' for place in one)} in it")
    if any(_PLACE.search(word) for word in programs):
        raise _bad(name, shown, "a program's name as the first word")


def _bad(what: str, found: str, wanted: str) -> SlipwayError:
    return SlipwayError(
        "cannot be used", obj=what, actual=found, wanted=wanted, remedy="Correct it.", cause="bad_input"
    )
