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
from .handed_on import pack_built, unpack_built
from .owners import make_passable, own_all
from .packages import Packages
from .report import Report
from .shared import empty, share, steps_to_bring
from .source import Source
from .spec import Order, Scope, Service, digest

SCHEMA = 1
BUILT = "built"  # of a mark's source: the package that one machine has made of it for all


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
        self._packages = Packages(system, scope.base)

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

    def find(self, wanted: str, service: str, first: str, built: str | None = None) -> str:
        """A clean directory with this digest, that of a release before others; empty when there is none.

        :param built: the package that it must have come from; with an empty one any, which must still be here.
        """
        root = os.path.join(self._scope.base, "releases")
        names = sorted(os.listdir(root)) if os.path.isdir(root) else []
        for release in [first, *names]:
            path = self.path(release, service)
            mark = self.mark(path)
            if mark is None or mark.digest != wanted or self.is_dirty(path):
                continue
            package = str(mark.source.get(BUILT, ""))
            if built is None or (package == built if built else self._packages.is_whole(package)):
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

    def make(
        self, order: Order, service: Service, source: Source | None, tree: Tree, report: Report, *, packs: bool = False
    ) -> dict[str, t.Any]:
        """Fetch and build it, at its own path, or lay out what another machine has built; the mark comes last, when all of
        it is on disk.

        :param source: None for what another machine has built.
        :param packs: whether other machines are to have it.
        :returns: what it was made of, as its mark says.
        """
        own, about = self._scope.release_path(order.release, service.name), dict(tree.source)
        self._make_release(order.release)
        self._clear(own)
        with _umask(0o022):
            os.mkdir(own)
            if source is None:
                with report.timed("unpack"):
                    self._unpack(service, own, str(about[BUILT]))
            else:
                self._build(service, source, tree, own, report)
            if packs:
                with report.timed("pack"):
                    about[BUILT] = self._pack(service, own)
            if service.build_on == "one":
                self._bring(service, own, report)
        done = self._system.run(["sync", "-f", own], timeout=order.deadline)
        if done.rc != 0:
            raise SlipwayError("cannot be written to disk", obj=own, actual=done.stderr.strip(), cause="io")
        mark = {"schema": SCHEMA, "digest": tree.digest, "source": about, "fingerprint": fingerprint(own)}
        self._system.replace_file(f"{own}.json", (json.dumps(mark, sort_keys=True) + "\n").encode(), mode=0o644)
        return about

    def _build(self, service: Service, source: Source, tree: Tree, own: str, report: Report) -> None:
        with report.timed("fetch"):
            source.fetch(tree.source, own)
        share(self._scope, service, own, directories=service.build_on != "one")
        if service.build_on == "one":
            empty(service, own)
        if service.user:
            own_all(own, service.user, f"services.{service.name}.user")
        with report.timed("build"):
            builder, where = (
                self._builder(service, own, self._cache(service, source), report),
                f"services.{service.name}",
            )
            source.install(tree.source, own, lambda steps: builder.run(steps, f"{where}.source"))
            builder.run(service.build, f"{where}.build")

    def _pack(self, service: Service, own: str) -> str:
        where = f"services.{service.name}.build"
        return self._packages.make(service.name, lambda stream: pack_built(own, stream, where))

    def _unpack(self, service: Service, own: str, package: str) -> None:
        where = f"services.{service.name}.build_on"
        unpack_built(self._packages.expect(package, where, whole=True), own)
        share(self._scope, service, own, directories=False)
        if service.user:
            own_all(own, service.user, f"services.{service.name}.user")

    def _bring(self, service: Service, own: str, report: Report) -> None:
        """What the one build has put into directories that releases share, belongs into those of every machine."""
        builder = self._builder(service, own, "/nonexistent", report)
        builder.run(steps_to_bring(self._scope, service, own), f"services.{service.name}.shared.directories")

    def _builder(self, service: Service, own: str, cache: str, report: Report) -> Builder:
        return Builder(self._system, service.user, own, cache, report)

    def remove(self, release: str, service: str) -> None:
        """The mark first, so that half a directory never counts.

        :raises SlipwayError: C(not_removed).
        """
        self._clear(self._scope.release_path(release, service))

    def _clear(self, own: str) -> None:
        self._system.unlink(f"{own}.json")
        try:
            if os.path.islink(own):
                os.unlink(own)
            elif os.path.isdir(own):
                shutil.rmtree(own)
        except OSError as error:
            raise SlipwayError(
                "cannot be removed",
                obj=str(error.filename or own),
                actual=error.strerror,
                remedy="See what holds it (findmnt, lsattr), and remove it.",
                cause="not_removed",
            ) from None

    def _make_release(self, release: str) -> None:
        make_passable(self._system, self._scope.release_path(release))

    def _cache(self, service: Service, source: Source) -> str:
        path = os.path.join(self._scope.base, "cache", service.name)
        if service.build or source.builds:
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
