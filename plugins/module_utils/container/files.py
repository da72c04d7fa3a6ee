# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers mount from the host: their secrets, and static files of several releases (private to the collection).

Secrets: C(secrets/<side>/<service>/NAME), readable by the user of the container alone.

Assets: C(assets/<service>/<key>/), one directory for each image and path, and C(<key>.json) beside it, which says
which of the files are the image's own. The others are hard links to files of releases that were live a short while
ago (or are about to be), so that a page finds its hashed assets whichever side answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import shutil
import stat
import typing as t

from ..errors import SlipwayError
from ..state.journal import file_errors
from ..system import System
from .engine import Engine, Found
from .spec import Order, Scope, Service, digest

NEVER_LIVE = 0.0

# -- secrets -------------------------------------------------------------------------------------------------------


def secrets_directory(scope: Scope, side: str, service: str) -> str:
    """Where the secrets of a service are on the host."""
    return os.path.join(scope.directory, "secrets", side, service)


def make_secrets_directory(system: System, scope: Scope, side: str, service: str) -> str:
    """The same, made where it is missing; nobody but root can look into any level of it."""
    path = scope.directory
    system.make_directory(path, mode=0o700)
    for part in ("secrets", side, service):
        path = os.path.join(path, part)
        system.make_directory(path, mode=0o700)
    return path


def secret_values(order: Order, service: Service) -> dict[str, str]:
    """The secrets that a service gets as files."""
    return {name: order.secrets[name] for name in service.secrets}


def secrets_differ(system: System, directory: str, values: t.Mapping[str, str]) -> bool:
    """Whether the files are not exactly these."""
    try:
        names = {name for name in os.listdir(directory) if not name.startswith(".")}
    except FileNotFoundError:
        return bool(values)
    if names != set(values):
        return True
    return any(system.read_file(os.path.join(directory, name)) != value.encode() for name, value in values.items())


def write_secrets(system: System, directory: str, values: t.Mapping[str, str], uid: int) -> None:
    """Make a directory hold exactly these secrets: 0700, each file 0400, all owned by ``uid``.

    The directory itself is never replaced, because a container may have it mounted.
    """
    with file_errors(directory):
        for name, value in values.items():
            path = os.path.join(directory, name)
            if system.read_file(path) != value.encode():
                system.replace_file(path, value.encode(), mode=0o400)
            _own(path, uid, 0o400)
        for name in set(os.listdir(directory)) - set(values):
            system.unlink(os.path.join(directory, name))
        _own(directory, uid, 0o700)


def user_id(engine: Engine, container: Found) -> int:
    """The numeric user that a container's program runs as.

    A name is looked up in the container's own /etc/passwd, as the engine does when it starts it.

    :raises SlipwayError: C(user_unknown).
    """
    user = container.user.partition(":")[0]
    if not user:
        return 0
    if user.isdigit():
        return int(user)
    for line in _passwd(engine, container).splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] == user and fields[2].isdigit():
            return int(fields[2])
    raise SlipwayError(
        "the image has no such user in its /etc/passwd",
        obj=container.name,
        actual=user,
        remedy="Correct USER of the image, or set a numeric services.<name>.container.user.",
        cause="user_unknown",
    )


def remove_unused_secrets(scope: Scope, used: t.Container[tuple[str, str]]) -> list[str]:
    """Remove the secrets of every (side, service) that has no container any more; returns what went."""
    removed = []
    root = os.path.join(scope.directory, "secrets")
    for side in _names(root):
        for service in _names(os.path.join(root, side)):
            if (side, service) not in used:
                shutil.rmtree(os.path.join(root, side, service), ignore_errors=True)
                removed.append(f"{side}/{service}")
    return sorted(removed)


def _passwd(engine: Engine, container: Found) -> str:
    stream = engine.archive(container, "/etc/passwd")
    if stream is None:
        return ""
    with _opened(stream) as archive:
        for member in archive.getmembers():
            data = archive.extractfile(member) if member.isreg() else None
            if data is not None:
                return t.cast(bytes, data.read()).decode("utf-8", "replace")
    return ""


def _own(path: str, uid: int, mode: int) -> None:
    facts = os.lstat(path)
    if facts.st_uid != uid:
        os.chown(path, uid, -1)
    if stat.S_IMODE(facts.st_mode) != mode:
        os.chmod(path, mode)


# -- assets --------------------------------------------------------------------------------------------------------


class Manifest(t.NamedTuple):
    """What is known about one directory of assets."""

    key: str
    own: dict[str, int]  # relative path → size
    until: float | None  # live until then (wall clock); None: live now; NEVER_LIVE


class Assets:
    """The assets of one service on this machine."""

    def __init__(self, system: System, scope: Scope, service: str) -> None:
        self.system = system
        self.directory = os.path.join(scope.directory, "assets", service)

    def path(self, key: str) -> str:
        """The directory that containers mount."""
        return os.path.join(self.directory, key)

    def ready(self, key: str) -> bool:
        """Whether all files of the image are laid out, whole."""
        manifest = self._manifest(key)
        return manifest is not None and all(
            _size(os.path.join(self.path(key), name)) == size for name, size in manifest.own.items()
        )

    def extract(self, engine: Engine, container: Found, path: str, key: str) -> None:
        """Copy the files below ``path`` out of a container; a directory that is mounted already is repaired in place.

        :raises SlipwayError: C(assets_missing) when the image has no such directory or no file in it.
        """
        stream = engine.archive(container, path)
        self.system.make_directory(self.path(key), mode=0o755)
        with file_errors(self.path(key)):
            own = self._lay_out(stream, key) if stream is not None else {}
        if not own:
            raise SlipwayError(
                "the image has no files at assets.path",
                obj=container.name,
                actual=path,
                remedy="Correct assets.path, or remove assets.",
                cause="assets_missing",
            )
        before = self._manifest(key)
        self._write(Manifest(key, own, before.until if before else NEVER_LIVE))

    def _lay_out(self, stream: t.Iterator[bytes], key: str) -> dict[str, int]:
        partial = os.path.join(self.directory, f".{key}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            os.mkdir(partial)
            os.chmod(self.path(key), 0o755)  # noqa: S103  (the program's user reads it)
            own = _unpack(stream, partial)
            for name in own:
                _make_parents(self.path(key), name)
                os.replace(os.path.join(partial, name), os.path.join(self.path(key), name))
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return own

    def spread(self, key: str, live: str, keep: float) -> None:
        """Let the idle directory ``key`` and the one that is live serve each other's files."""
        self.refresh(key, live, keep)
        new = self._manifest(key)
        if live and live != key and new is not None and os.path.isdir(self.path(live)):
            self._link(new, live)

    def refresh(self, key: str, live: str, keep: float) -> None:
        """Give a directory the files of the live release and of those live within ``keep`` seconds, and no others."""
        mine = self._manifest(key)
        if mine is None:
            return
        others = [item for item in self._manifests() if item.key != key]
        sources = [item for item in others if item.key == live or self._recent(item, keep)]
        sources.sort(key=lambda item: (item.key != live, -(item.until or 0.0)))
        wanted = set(mine.own).union(*(source.own for source in sources))
        for name in _files(self.path(key)):
            if name not in wanted:
                self.system.unlink(os.path.join(self.path(key), name))
        for source in sources:
            self._link(source, key)

    def went_live(self, key: str) -> None:
        """Note that this directory is the live one from now on, and that every other one no longer is."""
        for manifest in self._manifests():
            until = None if manifest.key == key else self.system.wall() if manifest.until is None else manifest.until
            if until != manifest.until:
                self._write(manifest._replace(until=until))

    def prune(self, used: t.Container[str], keep: float) -> list[str]:
        """Remove directories that no kept release mounts and that were not live within ``keep``; returns their keys."""
        gone = [item.key for item in self._manifests() if item.key not in used and not self._recent(item, keep)]
        for key in gone:
            self.system.unlink(os.path.join(self.directory, f"{key}.json"))
            shutil.rmtree(self.path(key), ignore_errors=True)
        return gone

    def _recent(self, manifest: Manifest, keep: float) -> bool:
        if manifest.until is None:
            return True
        return manifest.until != NEVER_LIVE and self.system.wall() - manifest.until <= keep

    def _link(self, source: Manifest, key: str) -> None:
        """Hard-link a release's own files into another directory; what is there is never overridden."""
        for name in source.own:
            target = os.path.join(self.path(key), name)
            # A file where the other release has a directory is a collision like any other.
            with contextlib.suppress(FileExistsError, NotADirectoryError, FileNotFoundError):
                if not os.path.lexists(target):
                    _make_parents(self.path(key), name)
                    os.link(os.path.join(self.path(source.key), name), target)

    def _manifests(self) -> list[Manifest]:
        keys = [name[: -len(".json")] for name in _names(self.directory) if name.endswith(".json")]
        return [manifest for manifest in map(self._manifest, keys) if manifest is not None]

    def _manifest(self, key: str) -> Manifest | None:
        data = self.system.read_file(os.path.join(self.directory, f"{key}.json"))
        try:
            value = json.loads(data or b"")
            return Manifest(key, dict(value["own"]), value["until"])
        except (ValueError, KeyError, TypeError):
            return None  # not there or cut: the files are laid out again

    def _write(self, manifest: Manifest) -> None:
        data = json.dumps({"own": manifest.own, "until": manifest.until}, sort_keys=True)
        self.system.replace_file(os.path.join(self.directory, f"{manifest.key}.json"), data.encode())


def assets_key(image_id: str, path: str) -> str:
    """The name of the directory for one path of one image."""
    return digest({"image": image_id, "path": path})[:16]


def _unpack(stream: t.Iterator[bytes], target: str) -> dict[str, int]:
    """Regular files of a tar stream into a directory, links inside it followed, without the first path component."""
    own = {}
    with _opened(stream) as archive:
        for member in archive.getmembers():
            name = posixpath.normpath(member.name).partition("/")[2]
            if not name or name.startswith(("/", "../")) or name == ".." or member.isdir():
                continue
            try:
                data = archive.extractfile(member)
            except (KeyError, RecursionError):  # a link to something outside the directory, or to itself
                continue
            if data is None:
                continue
            path = os.path.join(target, name)
            _make_parents(target, name)
            with open(path, "wb") as file:
                shutil.copyfileobj(data, file)
                own[name] = file.tell()
            os.chmod(path, 0o755 if member.mode & 0o111 and not member.issym() else 0o644)
    return own


@contextlib.contextmanager
def _opened(stream: t.Iterator[bytes]) -> t.Iterator[t.Any]:
    """A tar stream of the engine as a TarFile that can be searched."""
    import tarfile
    import tempfile

    with tempfile.TemporaryFile() as spool:
        for chunk in stream:
            spool.write(chunk)
        spool.seek(0)
        with tarfile.open(fileobj=spool) as archive:
            yield archive


def _make_parents(root: str, name: str) -> None:
    path = root
    for part in name.split("/")[:-1]:
        path = os.path.join(path, part)
        if not os.path.isdir(path):
            os.mkdir(path)
            os.chmod(path, 0o755)  # noqa: S103  (the program's user reads it)


def _files(root: str) -> list[str]:
    found: list[str] = []
    for directory, _directories, names in os.walk(root):
        found.extend(os.path.relpath(os.path.join(directory, name), root) for name in names)
    return found


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return -1


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
