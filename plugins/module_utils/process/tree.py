# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of releases: made in place, complete when their mark says so (private to the collection).

C(releases/<id>/<service>/) is made where it stays, because a virtual environment knows its own path; what makes it whole is
C(releases/<id>/<service>.json) beside it, written last. A directory without its mark was cut off, and is made anew. A
release whose code an earlier one has already links to that one's directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import typing as t

from ..errors import SlipwayError
from ..system import System
from .build import Builder
from .owners import make_passable, own_all
from .report import Report
from .shared import share
from .source import Source
from .spec import Order, Scope, Service, digest

SCHEMA = 1


class Mark(t.NamedTuple):
    """What a directory was made of."""

    digest: str
    source: dict[str, t.Any]
    fingerprint: str  # of names, kinds, sizes and times, to tell what was changed by hand


class Tree(t.NamedTuple):
    """The code of one service in one release."""

    path: str  # the real directory
    digest: str
    source: dict[str, t.Any]
    made: bool  # whether it is complete already


class Trees:
    """All directories of releases of one platform on this machine."""

    def __init__(self, system: System, scope: Scope) -> None:
        self._system = system
        self._scope = scope

    def path(self, release: str, service: str) -> str:
        """The real directory, links followed."""
        return os.path.realpath(self._scope.release_path(release, service))

    def mark(self, path: str) -> Mark | None:
        """What a directory was made of; None unless it is complete."""
        data = self._system.read_file(f"{path}.json")
        try:
            value = json.loads(data or b"")
            mark = Mark(value["digest"], value["source"], value["fingerprint"]) if value["schema"] <= SCHEMA else None
        except (ValueError, KeyError, TypeError):
            return None
        return mark if os.path.isdir(path) else None

    def is_dirty(self, path: str) -> bool:
        """Whether a complete directory was changed since it was made."""
        mark = self.mark(path)
        return mark is not None and fingerprint(path) != mark.fingerprint

    def complete(self, release: str, service: str) -> bool:
        """Whether a release has this code, whole and untouched."""
        path = self.path(release, service)
        return self.mark(path) is not None and not self.is_dirty(path)

    def find(self, wanted: str, service: str, first: str) -> str:
        """A clean directory with this digest, that of a release before others; empty when there is none."""
        root = os.path.join(self._scope.base, "releases")
        names = sorted(os.listdir(root)) if os.path.isdir(root) else []
        for release in [first, *names]:
            path = self.path(release, service)
            mark = self.mark(path)
            if mark is not None and mark.digest == wanted and not self.is_dirty(path):
                return path
        return ""

    def linked_from(self, path: str, service: str, own: str) -> list[str]:
        """Releases other than ``own`` that have their code at a path."""
        root = os.path.join(self._scope.base, "releases")
        names = sorted(os.listdir(root)) if os.path.isdir(root) else []
        return [name for name in names if name != own and self.path(name, service) == path]

    def link(self, release: str, service: str, path: str) -> None:
        """Give a release the code that is at a path already."""
        own = self._scope.release_path(release, service)
        self._make_release(release)
        if os.path.realpath(own) == path:
            return
        self._clear(own)
        replace_link(self._system, own, os.path.relpath(path, os.path.dirname(own)))

    def make(self, order: Order, service: Service, source: Source, tree: Tree, report: Report) -> None:
        """Fetch and build it, at its own path; the mark comes last, when all of it is on disk."""
        own = self._scope.release_path(order.release, service.name)
        self._make_release(order.release)
        self._clear(own)
        with _umask(0o022):
            os.mkdir(own)
            with report.timed("fetch"):
                source.fetch(tree.source, own)
            share(self._scope, service, own)
            if service.user:
                own_all(own, service.user, f"services.{service.name}.user")
            with report.timed("build"):
                cache = self._cache(service)
                Builder(self._system, service.user, own, cache, report).run(service.build, f"services.{service.name}")
        done = self._system.run(["sync", "-f", own], timeout=order.deadline)
        if done.rc != 0:
            raise SlipwayError("cannot be written to disk", obj=own, actual=done.stderr.strip(), cause="io")
        mark = {"schema": SCHEMA, "digest": tree.digest, "source": tree.source, "fingerprint": fingerprint(own)}
        self._system.replace_file(f"{own}.json", (json.dumps(mark, sort_keys=True) + "\n").encode(), mode=0o644)

    def remove(self, release: str, service: str) -> None:
        """The mark first, so that half a directory never counts."""
        self._clear(self._scope.release_path(release, service))

    def _clear(self, own: str) -> None:
        self._system.unlink(f"{own}.json")
        if os.path.islink(own):
            os.unlink(own)
        elif os.path.isdir(own):
            shutil.rmtree(own)

    def _make_release(self, release: str) -> None:
        make_passable(self._system, self._scope.release_path(release))

    def _cache(self, service: Service) -> str:
        path = os.path.join(self._scope.base, "cache", service.name)
        if service.build:
            os.makedirs(path, exist_ok=True)
            own_all(path, service.user, "", deep=False)
        return path


def tree_digest(service: Service, resolved: t.Mapping[str, t.Any]) -> str:
    """Of everything that the content of a directory depends on."""
    steps = [step._asdict() for step in service.build]
    shared = [service.shared_directories, service.shared_files]
    return digest({"format": 1, "source": resolved, "build": steps, "shared": shared, "user": service.user})


def replace_link(system: System, path: str, target: str) -> None:
    """Point a symbolic link elsewhere: who looks sees the old or the new one (C(rename(2))), also after a power loss."""
    partial = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.partial")
    system.unlink(partial)
    os.symlink(target, partial)
    system.rename(partial, path)
    system.fsync_directory(os.path.dirname(path))


def fingerprint(root: str) -> str:
    """Names, kinds, modes, sizes and times of all below a directory; what Python compiles in there by itself is left out."""
    seen = []
    for directory, directories, files in os.walk(root):
        directories[:] = sorted(name for name in directories if name != "__pycache__")
        links = [name for name in directories if os.path.islink(os.path.join(directory, name))]
        for name in sorted([*files, *links]):
            path = os.path.join(directory, name)
            about = os.lstat(path)
            link = os.readlink(path) if stat.S_ISLNK(about.st_mode) else ""
            times = 0 if link else about.st_mtime_ns
            seen.append((os.path.relpath(path, root), about.st_mode, about.st_size, times, link))
    return digest(seen)


@contextlib.contextmanager
def _umask(mask: int) -> t.Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
