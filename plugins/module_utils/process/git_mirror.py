# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare repository of this machine that holds what releases were made of (private to the collection)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import tempfile
import typing as t

from ..errors import SlipwayError
from ..system import Completed, file_error
from .build import KILL_AFTER, NO_SPACE, bounded
from .source import Place
from .spec import digest

# What is fetched stays one pack, which is there whole or not at all; unpacked, a part of it would look like the commit.
GIT = ["git", "-c", "protocol.ext.allow=never", "-c", "gc.auto=0", "-c", "fetch.unpackLimit=1"]
MEMORY = "/dev/shm"  # noqa: S108  # each command has a directory of its own there
PREFIX = "slipway-git-"
SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15"


class Mirror:
    """The mirror of one repository.

    :param address: of the repository.
    :param key: a private key for it, or empty.
    :param known_hosts: lines of ssh's file of that name; without them, what this machine knows.
    """

    def __init__(self, place: Place, address: str, key: str, known_hosts: str) -> None:
        self._system = place.system
        self._deadline = place.deadline
        self._address = address
        self._key, self._known_hosts = key, known_hosts
        self._parent = os.path.join(place.base, "repositories")
        self._path = os.path.join(self._parent, f"{digest(address)}.git")
        self._tags = f"{self._path[:-4]}.tags.json"

    # What there is --------------------------------------------------------------------------------------------------

    def remote(self, name: str) -> str:
        """The commit that a branch or tag of the repository is at now; an annotated tag's own commit.

        :raises SlipwayError: C(ref_missing), C(git).
        """
        said = self._asked(["ls-remote", "--", self._address, name, f"{name}^{{}}"])
        found = {ref: commit for commit, _tab, ref in (line.partition("\t") for line in said.splitlines())}
        commit = found.get(f"{name}^{{}}") or found.get(name)
        if not commit:
            raise SlipwayError(
                f"there is no {name}",
                obj=self._address,
                remedy="Push it, or correct branch or tag.",
                cause="ref_missing",
            )
        return commit

    def known_tag(self, tag: str) -> str:
        """The commit that a tag was at when this machine released it; empty when it never did."""
        return str(self._noted().get(tag, ""))

    def note_tag(self, tag: str, commit: str) -> None:
        """Remember what a tag was: beside the mirror, which may have to be made anew."""
        noted = self._noted()
        if noted.get(tag) != commit:
            data = json.dumps({**noted, tag: commit}, sort_keys=True, indent=1)
            self._system.replace_file(self._tags, f"{data}\n".encode())

    def _noted(self) -> dict[str, t.Any]:
        try:
            noted = json.loads(self._system.read_file(self._tags) or b"{}")
            return noted if isinstance(noted, dict) else {}
        except ValueError:
            remedy = "Remove this file; what its tags were is then no longer known."
            raise SlipwayError("damaged", obj=self._tags, remedy=remedy, cause="record_damaged") from None

    # Files ----------------------------------------------------------------------------------------------------------

    def check_out(self, commit: str, target: str, names: t.Sequence[str]) -> None:
        """The files of a commit into an empty directory; it is fetched if it is not here, alone and without its history.

        :param names: of branches or tags that may lead to it, for servers that give no commit by its id.
        :raises SlipwayError: C(commit_missing), C(git).
        """
        for last in (False, True):
            self._fetch(commit, names)
            done = self._try(["read-tree", "--reset", "-u", commit], here=True, into=target)
            if done.rc == 0:
                return
            if last:
                raise self._failed(["read-tree"], done)
            shutil.rmtree(self._path)  # cut off by a power loss, say: made anew

    def submodules(self, commit: str, target: str) -> dict[str, tuple[str, str]]:
        """Path to URL (empty without one) and commit of each submodule."""
        listed = self._asked(["ls-tree", "-r", "-z", commit], here=True).split("\0")
        links = [line.partition("\t") for line in listed if line.startswith("160000 ")]
        if not links:
            return {}
        said = self._try(["config", "-z", "--file", os.path.join(target, ".gitmodules"), "--list"])
        entries = dict(entry.split("\n", 1) for entry in said.stdout.split("\0") if "\n" in entry)
        urls = {entries[key]: entries.get(f"{key[:-4]}url", "") for key in entries if key.endswith(".path")}
        return {path: (urls.get(path, ""), head.split()[2]) for head, _tab, path in links}

    def _fetch(self, commit: str, names: t.Sequence[str]) -> None:
        self._make()
        if self._has(commit):
            return
        done = Completed(0, "", "")
        for wanted in ([commit], *([name] for name in names), ["+refs/heads/*:refs/slipway/heads/*", "--tags"]):
            depth = [] if len(wanted) > 1 else ["--depth=1", "--no-tags"]
            options = [word for word in wanted if word.startswith("--")]
            specs = [word for word in wanted if not word.startswith("--")]
            done = self._try(["fetch", "--force", *depth, *options, "--", self._address, *specs], here=True)
            if self._has(commit):
                # A name of its own, so that nothing takes it away again.
                self._asked(["update-ref", f"refs/slipway/commits/{commit}", commit], here=True)
                return
        if done.rc != 0:
            raise self._failed(["fetch"], done)
        raise SlipwayError(
            "the repository has no such commit",
            obj=self._address,
            actual=commit,
            remedy="Push it; if a branch was forced, release what it is now.",
            cause="commit_missing",
        )

    def _has(self, commit: str) -> bool:
        return self._try(["cat-file", "-e", f"{commit}^{{tree}}"], here=True).rc == 0

    def _make(self) -> None:
        self._system.make_directory(self._parent)
        os.chmod(self._parent, 0o700)
        if not os.path.exists(os.path.join(self._path, "HEAD")):
            shutil.rmtree(self._path, ignore_errors=True)
            self._asked(["init", "--quiet", "--bare", self._path])
        # Whoever uses it holds the machine's lock: a lock in there is a dead process's.
        for directory, _directories, files in os.walk(self._path):
            for file in files:
                if file.endswith(".lock"):
                    self._system.unlink(os.path.join(directory, file))

    # Commands -------------------------------------------------------------------------------------------------------

    def _asked(self, argv: t.Sequence[str], *, here: bool = False) -> str:
        done = self._try(argv, here=here)
        if done.rc != 0:
            raise self._failed(argv, done)
        return done.stdout

    def _try(self, argv: t.Sequence[str], *, here: bool = False, into: str = "") -> Completed:
        index = f"{self._path}.index"
        env = {"GIT_TERMINAL_PROMPT": "0", "GIT_INDEX_FILE": index, "LC_ALL": "C.UTF-8"}
        place = [f"--git-dir={self._path}"] if here else []
        place += [f"--work-tree={into}"] if into else []
        command = bounded([*GIT, *place, *argv], self._deadline)
        with self._ssh(env):
            self._system.unlink(index)
            try:
                done = self._system.run(command, timeout=self._deadline + 2 * KILL_AFTER, env=env)
            finally:
                self._system.unlink(index)
        if done.rc in (124, 127, 137):  # of timeout(1): too late, no such program, killed
            raise self._failed(argv, done)
        return done

    @contextlib.contextmanager
    def _ssh(self, env: dict[str, str]) -> t.Iterator[None]:
        """Key and known hosts in files in memory that exist as long as the command runs, for root alone."""
        memory = MEMORY if os.path.isdir(MEMORY) else None
        sweep(memory or tempfile.gettempdir())
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=memory) as directory, _held(directory):
            command = SSH
            for name, text, option in (
                ("key", self._key, "-o IdentitiesOnly=yes -i "),
                ("known_hosts", self._known_hosts, "-o UserKnownHostsFile="),
            ):
                if text:
                    path = os.path.join(directory, name)
                    self._system.replace_file(path, f"{text.strip()}\n".encode())
                    command += f" {option}{path}"
            env["GIT_SSH_COMMAND"] = command
            yield

    def _failed(self, argv: t.Sequence[str], done: Completed) -> SlipwayError:
        if NO_SPACE in done.stderr:
            return file_error(OSError(errno.ENOSPC, NO_SPACE), self._path)
        late = f"not done after {self._deadline:g} s" if done.rc in (124, 137) else "nothing said"
        return SlipwayError(
            f"git {argv[0]} failed",
            obj=self._address,
            actual=done.stderr.strip()[-500:] or late,
            remedy="Run it by hand on this machine: git ls-remote.",
            cause="git",
        )


@contextlib.contextmanager
def _held(directory: str) -> t.Iterator[None]:
    """It is in use; the kernel knows it when it no longer is (C(flock(2)))."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def sweep(parent: str) -> None:
    """Take away the keys of processes that were killed; none that is in use."""
    for name in os.listdir(parent):
        path = os.path.join(parent, name)
        with contextlib.suppress(OSError):
            if not name.startswith(PREFIX) or os.lstat(path).st_uid != os.geteuid():
                continue
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(fd)
