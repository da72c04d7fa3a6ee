# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of an image, each run once in a container that is no side's (private to the collection).

The docker SDK makes the container, so that it takes the keywords of a service; C(docker start) of the client runs it, as a
process that may share what this one holds open and that outlives it. Whatever is secret is in files of a directory in memory,
which a shell in the container reads: so it is in no argument, and not in what C(docker inspect) shows.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shlex
import shutil
import tempfile
import time
import typing as t

from ..errors import SlipwayError
from ..state.journal import file_errors
from ..system import System
from . import files
from .engine import Engine, Found, image_missing
from .spec import RESERVED, SECRETS_TARGET, safe_release

LABEL = "slipway.one_off"  # what the run is about; none of the labels of a side, so that nobody takes it for one
OWNER = f"{LABEL}.owner"  # the process that has started it
ROOM = "/run/slipway"  # in the container
MEMORY = "/run"  # on this machine (file-hierarchy(7))
PREFIX = "slipway-once-"
ROOMS = re.compile(rf"{PREFIX}(\d+)\.(\d+)-")
STALE = 86400.0  # seconds after which a room without a container is taken away
PULL = 1800.0
# What a service may set and a program that is run once has in its own way.
OWN = ("detach", "entrypoint", "healthcheck", "stdin_open", "tty", "working_dir")
RUN = f'. {ROOM}/environment && exec "$@"'


class Scope(t.NamedTuple):
    """What it is about.

    :param key: the same for all runs that exclude each other.
    :param name: what names of its containers begin with.
    :param labels: more of them, for people.
    """

    key: str
    name: str
    labels: t.Mapping[str, str] = {}


class Settings(t.NamedTuple):
    """How a program of an image is run.

    :param env: variables that anybody may see who may ask the engine.
    :param secrets: by name, each a file.
    :param env_secrets: by name, each a variable.
    :param network: empty for that of this machine, so that one connection string is right for both.
    :param keywords: of the docker SDK, as a service has them.
    :param sees: directories of this machine that it may read, under their own names.
    :param made: the same, of files that this process has made for it and that become its own.
    :param shares: those that it may write to.
    :param pull: C(missing), C(always) or C(never).
    """

    image: str
    env: t.Mapping[str, str] = {}
    secrets: t.Mapping[str, str] = {}
    env_secrets: t.Mapping[str, str] = {}
    network: str = ""
    keywords: t.Mapping[str, t.Any] = {}
    sees: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    pull: str = "missing"


class OneOffs:
    """Runs programs of one image, one at a time.

    :param plan: nothing is pulled.
    """

    keeps = True  # what has failed last

    def __init__(self, engine: Engine, system: System, scope: Scope, settings: Settings, *, plan: bool = False) -> None:
        self._engine, self._system = engine, system
        self._scope, self._settings, self._plan = scope, settings, plan
        self._image = self._current = ""
        self._failed: list[Found] = []
        _expect_keywords(settings.keywords)

    @contextlib.contextmanager
    def tidied(self) -> t.Iterator[None]:
        """Around all runs: what has failed is kept if that is told, and named then; all else goes, with what earlier runs have
        left."""
        self._clear()
        try:
            yield
        except SlipwayError as error:
            self.blame(error)
            raise
        finally:
            for container in self._failed:
                self._engine.remove(container)

    def blame(self, error: SlipwayError) -> None:
        """What has failed last is kept for whoever looks into this, once."""
        if error.cause == "lock_held":
            self._name_left(error)
        elif self.keeps and self._failed and "container" not in error.evidence:
            kept = self._failed.pop()
            error.evidence["container"] = kept.name
            error.remedy = f"{error.remedy} docker logs {kept.name} has all that it said; the next run removes it."

    def _name_left(self, error: SlipwayError) -> None:
        """Whoever is waited for may be what a killed run has left."""
        for container in self._left():
            if container.running and container.labels.get(OWNER) != _owner():
                error.evidence["container"] = container.name
                error.remedy = (
                    f"{error.remedy} Of a run that was killed {container.name} is at work; docker stop ends it."
                )

    # Others -------------------------------------------------------------------------------------------------

    def alone(self) -> None:
        """Nobody else may be at work: end what was left by a run whose process is gone."""
        for container in self._left():
            self._engine.stop(container, 0)  # as the first process of a container a tool would not hear a kinder word
            self._forget(container)

    def _clear(self) -> None:
        """What is left of earlier runs and no longer at work."""
        for container in self._left() if not self._plan else ():
            if not container.running:
                self._forget(container)
        _sweep(lambda _owner, age: age > STALE)

    def _forget(self, container: Found) -> None:
        """With the secrets that a killed run has left."""
        self._engine.remove(container)
        _sweep(lambda owner, _age: owner == container.labels.get(OWNER))

    def _left(self) -> list[Found]:
        """Of processes that are gone, and of earlier runs of this one."""
        found, failed = self._engine.containers({LABEL: self._scope.key}), {one.id for one in self._failed}
        return [
            one
            for one in found
            if one.id not in failed and (one.labels.get(OWNER) == _owner() or not _alive(one.labels.get(OWNER, "")))
        ]

    # One run ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def entered(
        self, argv: t.Sequence[str], directory: str, env: t.Mapping[str, str], mine: t.Sequence[str]
    ) -> t.Iterator[list[str]]:
        """A command of this machine that runs the program: it has its standard input, output and exit status.

        :param env: told to the program alone.
        :param mine: files and directories of this process that it gets as its own, under their own names.
        :raises SlipwayError: C(image_missing), C(engine_missing), …
        """
        client = _client()
        with self._room() as room:
            container = self._created(argv, directory, env, room, mine)
            self._current, ended = container.id, False
            try:
                yield [client, "start", "--attach", "--interactive", container.name]
                ended = True
            finally:
                self._ended(container, whole=ended)

    def current(self) -> Found | None:
        """How the one that runs, or ran last, is."""
        return self._engine.inspect(self._current) if self._current else None

    def _ended(self, container: Found, *, whole: bool) -> None:
        """Gone when it has ended well.

        :param whole: whether nothing went wrong with it that is known here.
        """
        now = self._engine.inspect(container.id)
        if now is None:
            return
        if now.running:
            now = self._engine.stop(now, 0) or now
        # One that was never started may be on the point of it, by a client that was killed.
        if now.status == "created" or (whole and now.status == "exited" and now.exit_code == 0):
            self._engine.remove(now)
        else:
            self._failed.append(now)

    def _created(
        self, argv: t.Sequence[str], directory: str, env: t.Mapping[str, str], room: str, mine: t.Sequence[str]
    ) -> Found:
        settings, scope = self._settings, self._scope
        keywords = {name: value for name, value in settings.keywords.items() if name not in OWN}
        mounts = [_mount(os.path.join(room, "own"), ROOM)]
        mounts += [_mount(os.path.join(room, "secrets"), SECRETS_TARGET)] if settings.secrets else []
        mounts += [_mount(path) for path in dict.fromkeys([*settings.sees, *settings.made])]
        mounts += [_mount(path, writable=True) for path in dict.fromkeys([*settings.shares, *mine])]
        keywords["mounts"] = [*(keywords.get("mounts") or []), *mounts]
        if settings.network and settings.network != "host":
            keywords["network"] = settings.network
        elif settings.network or not {"network", "network_mode"} & set(keywords):
            keywords["network_mode"] = "host"
        keywords.setdefault("security_opt", ["label=disable"])  # else SELinux keeps it from what is mounted
        keywords.update(entrypoint=["sh"], stdin_open=True)
        if directory:
            keywords["working_dir"] = directory
        container = self._engine.create(
            f"{scope.name}-{secrets.token_hex(6)}",
            self._present(),
            command=["-c", RUN, "sh", *argv],
            environment=settings.env,
            labels={**scope.labels, LABEL: scope.key, OWNER: _owner()},
            keywords=keywords,
        )
        try:
            self._furnish(container, room, env, mine)
        except BaseException:
            self._engine.remove(container)
            raise
        return container

    def _furnish(self, container: Found, room: str, env: t.Mapping[str, str], mine: t.Sequence[str]) -> None:
        """Only when there is a container it is known who its program is."""
        settings, user = self._settings, files.user_id(self._engine, container)
        told = {f"{name}_FILE": f"{SECRETS_TARGET}/{name}" for name in settings.secrets}
        text = "".join(_exported({**told, **settings.env_secrets, **env}))
        files.write_secrets(self._system, os.path.join(room, "own"), {"environment": text}, user)
        if settings.secrets:
            files.write_secrets(self._system, os.path.join(room, "secrets"), settings.secrets, user)
        for path in [*mine, *settings.made] if user != os.geteuid() else ():
            with file_errors(path):
                for place in _all(path):
                    os.chown(place, user, -1)

    @contextlib.contextmanager
    def _room(self) -> t.Iterator[str]:
        """A directory of this machine for what is secret; nobody else can look into any level of it."""
        path = tempfile.mkdtemp(prefix=f"{PREFIX}{_owner().replace(':', '.')}-", dir=_memory())
        try:
            for name in ("own", "secrets"):
                os.mkdir(os.path.join(path, name), 0o700)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _present(self) -> str:
        if not self._image:
            self._image = present(self._engine, self._system, self._settings, plan=self._plan)
        return self._image


def present(engine: Engine, system: System, settings: Settings, *, plan: bool = False) -> str:
    """The id of the image, which is pulled where C(pull) says so.

    :param plan: nothing is pulled.
    :raises SlipwayError: C(image_missing), C(pull_timeout), C(no_space).
    """
    reference, pull = settings.image, settings.pull
    found = engine.image(reference)
    if plan or pull == "never" or (found is not None and pull == "missing"):
        if found is None:
            raise image_missing(reference, "it is not on this machine, and nothing is pulled now")
        return found.id
    end = system.monotonic() + PULL
    engine.pull(reference, lambda: system.monotonic() > end)
    found = engine.image(reference)
    if found is None:
        raise image_missing(reference, "it was pulled, and is not there")
    return found.id


def scope_of(key: str, platform: str, environment: str, release: str) -> Scope:
    """Names and labels of what is run for a platform, or for none.

    :param key: as of RV(Scope).
    """
    named = {"platform": platform, "environment": environment, "release": release}
    labels = {f"{LABEL}.{name}": value for name, value in named.items() if value}
    words = ["slipway", *(safe_release(word) for word in (platform, environment) if word), "one-off"]
    return Scope(key, "-".join(words), labels)


def _expect_keywords(keywords: t.Mapping[str, t.Any]) -> None:
    for name in keywords:
        if name in RESERVED and name not in OWN:
            raise SlipwayError(
                "this keyword cannot be set",
                obj=f"container.keywords.{name}",
                remedy="Remove it: what is run once has its own.",
                cause="invalid",
            )


def _exported(env: t.Mapping[str, str]) -> t.Iterator[str]:
    """Lines of a shell."""
    for name, value in env.items():
        if not name.isidentifier() or not name.isascii():
            raise SlipwayError(
                "is no name of a variable that a shell can set",
                obj=name,
                wanted="letters, digits and underscores",
                remedy="Rename it, or set it with container.env.",
                cause="invalid",
            )
        yield f"export {name}={shlex.quote(value)}\n"


def _mount(path: str, target: str = "", *, writable: bool = False) -> dict[str, t.Any]:
    """A file or directory of this machine, by default under its own name."""
    return {"Type": "bind", "Source": os.path.realpath(path), "Target": target or path, "ReadOnly": not writable}


def _all(path: str) -> t.Iterator[str]:
    """A file, or a directory and all below it."""
    yield path
    for directory, directories, names in os.walk(path):
        yield from (os.path.join(directory, name) for name in [*directories, *names])


def _memory() -> str:
    return MEMORY if os.access(MEMORY, os.W_OK) else tempfile.gettempdir()


def _sweep(gone: t.Callable[[str, float], bool]) -> None:
    """Take away rooms of processes that have ended.

    :param gone: by their process, and the seconds since they were made.
    """
    for name in os.listdir(_memory()):
        match = ROOMS.match(name)
        owner = f"{match[1]}:{match[2]}" if match else ""
        if not owner or _alive(owner):
            continue
        path = os.path.join(_memory(), name)
        with contextlib.suppress(OSError):
            about = os.lstat(path)
            if about.st_uid == os.geteuid() and gone(owner, time.time() - about.st_mtime):
                shutil.rmtree(path, ignore_errors=True)


def _client() -> str:
    found = shutil.which("docker")
    if found is None:
        raise SlipwayError(
            "no such program",
            obj="docker",
            wanted="the client of this machine's Docker Engine, which runs what is run once",
            remedy="Install docker.io (docker-cli of Debian 13) on this machine.",
            cause="engine_missing",
        )
    return found


def _owner() -> str:
    """This process, so that no other one is ever taken for it."""
    return f"{os.getpid()}:{_start(os.getpid())}"


def _alive(owner: str) -> bool:
    number, _colon, start = owner.partition(":")
    return bool(start) and number.isdigit() and _start(int(number)) == start


def _start(number: int) -> str:
    """When a process has started (proc(5)); empty where there is none, or one that has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as stream:
        fields = stream.read().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    return ""
