# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code of the controller on its way to machines: hashed and packed once a run for all of them (private to the collection)."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.content import content_hash, file_hash, pack
from ansible_collections.slipway.deploy.plugins.module_utils.process.factory import make_source
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import CONTROLLER, Place
from ansible_collections.slipway.deploy.plugins.module_utils.system import System, file_error, is_full
from ansible_collections.slipway.deploy.plugins.plugin_utils.site_files import site_path


class Local(t.NamedTuple):
    """A directory or file of the controller that a service is made of."""

    path: str
    directory: bool
    exclude: tuple[str, ...]
    where: str  # how messages call the source


def local_sources(
    services: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any], templar: t.Any
) -> dict[str, Local]:
    """Service → what of the controller it is made of; only those that are.

    :raises SlipwayError: C(invalid).
    """
    found = {}
    for name, service in services.items():
        option = service.get("source") if isinstance(service, t.Mapping) else None
        if not isinstance(option, t.Mapping) or not option.get("path") or option.get("from", CONTROLLER) != CONTROLLER:
            continue
        where = f"services.{name}.source"
        source = make_source(option, where, Place(System(), "", {}, 0.0))
        if source.packed:
            path = site_path(source.text("path", required=True), variables, templar)
            found[str(name)] = Local(path, option["kind"] == "directory", tuple(source.texts("exclude")), where)
    return found


def with_contents(services: t.Mapping[str, t.Any], contents: t.Mapping[str, str]) -> dict[str, t.Any]:
    """The same services, each source of the controller with the hash of what is handed over."""
    found = dict(services)
    for name, content in contents.items():
        source = {**services[name]["source"], "from": CONTROLLER, "content": content}
        found[name] = {**services[name], "source": source}
    return found


class Depot:
    """What this run has hashed and packed already, whichever of its processes did.

    :param directory: one that lives as long as the run, C(DEFAULT_LOCAL_TMP).
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def content(self, local: Local) -> str:
        """The hash of a directory's content, or of a file's bytes.

        :raises SlipwayError: C(source_missing), C(source_unreadable).
        """
        name = hashlib.sha256(json.dumps(local[:3]).encode()).hexdigest()
        kept = os.path.join(self._directory, f"slipway-content-{name}")
        with self._alone():
            if not os.path.exists(kept):
                content = _hash(local)
                with open(f"{kept}.partial", "w", encoding="ascii") as file:
                    file.write(content)
                os.replace(f"{kept}.partial", kept)
            with open(kept, encoding="ascii") as file:
                return file.read()

    def package(self, content: str, local: Local) -> str:
        """A file of the controller with exactly that content.

        :raises SlipwayError: C(source_changed), and what C(content) and C(pack) raise.
        """
        if not local.directory:
            _expect(content, local)
            return local.path
        kept = os.path.join(self._directory, f"slipway-package-{content}.tar.gz")
        with self._alone():
            if not os.path.exists(kept):
                self._pack(local, f"{kept}.partial")
                _expect(content, local)
                os.replace(f"{kept}.partial", kept)
        return kept

    def brought(self, name: str) -> str:
        """A package of a machine, if it was brought here; empty when it was not."""
        kept = self._brought(name)
        return kept if os.path.exists(kept) else ""

    def all_brought(self, names: t.Iterable[str]) -> dict[str, str]:
        """Those of these packages that were brought here, and where they are."""
        return {name: path for name in names if (path := self.brought(name))}

    def bring(self, name: str, where: str, fetch: t.Callable[[str], None], *, whole: bool = True) -> None:
        """Keep what a machine hands on to others, unless it is here already.

        :param name: its SHA-256; of a directory's code that of the content, which is compared where it is unpacked.
        :param where: what it is on that machine.
        :param fetch: writes it to a file.
        :param whole: whether its name is the hash of the file itself.
        :raises SlipwayError: C(checksum) when something else arrived; C(no_space).
        """
        kept = self._brought(name)
        partial = f"{kept}.{os.getpid()}.partial"
        if os.path.exists(kept):
            return
        fetch(partial)
        os.chmod(partial, 0o600)
        found = str(file_hash(partial).hexdigest())
        if whole and found != name:
            os.unlink(partial)
            raise SlipwayError(
                "what is handed on arrived at the controller as something else",
                obj=where,
                actual=f"sha256:{found}",
                wanted=f"sha256:{name}",
                remedy="Run the release again. If it stays so, see who writes there, and what is between that machine and this.",
                cause="checksum",
            )
        os.replace(partial, kept)

    def _brought(self, name: str) -> str:
        return os.path.join(self._directory, f"slipway-handed-on-{name}")

    def _pack(self, local: Local, path: str) -> None:
        with _readable(local), open(path, "wb") as stream:
            os.chmod(path, 0o600)
            pack(local.path, local.exclude, stream, f"{local.where}.path")

    @contextlib.contextmanager
    def _alone(self) -> t.Iterator[None]:
        """The first process works, the others find what it has made."""
        with open(os.path.join(self._directory, "slipway-packages.lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _hash(local: Local) -> str:
    is_there = os.path.isdir if local.directory else os.path.isfile
    if not is_there(local.path):
        raise SlipwayError(
            f"no such {'directory' if local.directory else 'file'} on the controller",
            obj=f"{local.where}.path",
            actual=local.path,
            remedy="Correct it, it is taken from slipway_site_dir; or say from: machine, if that has it already.",
            cause="source_missing",
        )
    with _readable(local):
        return content_hash(local.path, local.exclude) if local.directory else str(file_hash(local.path).hexdigest())


def _expect(content: str, local: Local) -> None:
    found = _hash(local)
    if found != content:
        raise SlipwayError(
            "changed since this run began",
            obj=local.path,
            actual=found[:12],
            wanted=content[:12],
            remedy="Wait until whatever writes it is done, and run the release again.",
            cause="source_changed",
        )


@contextlib.contextmanager
def _readable(local: Local) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise file_error(error, "the controller's directory for temporary files") from None
        raise SlipwayError(
            "cannot be read on the controller",
            obj=error.filename or local.path,
            actual=error.strerror or str(error),
            remedy="Mend it, or name it in exclude.",
            cause="source_unreadable",
        ) from None
