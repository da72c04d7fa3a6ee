# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migration tools of an image, as migration_runner's O(run_in) wants them (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import typing as t

from ..container.engine import Engine
from ..container.one_off import OneOffs, Settings, scope_of
from ..errors import SlipwayError
from ..migration.address import Address, address
from ..migration.child import Ended, Place, Start
from ..system import System

Params = t.Mapping[str, t.Any]
ABSENT = (126, 127)  # of a shell that cannot start a program, or finds none (POSIX, "Exit Status for Commands")
INSTALL = "Name an image that has it with container.image, or the program there with project.program."


class Image(Place):
    """An image, of which each run of a tool has a container.

    :param secrets: values that the tool may say.
    """

    install = INSTALL

    def __init__(self, runs: OneOffs, image: str, secrets: t.Iterable[str]) -> None:
        self._runs, self._image = runs, image
        self.secrets = frozenset(secrets)

    def keep_nothing(self) -> None:
        """Also what fails is gone afterwards."""
        self._runs.keeps = False

    def tidied(self) -> t.ContextManager[None]:
        """Around all that is asked of a tool."""
        return self._runs.tidied()

    @contextlib.contextmanager
    def entered(
        self, argv: t.Sequence[str], directory: str, env: t.Mapping[str, str], mine: t.Sequence[str]
    ) -> t.Iterator[Start]:
        with self._runs.entered(argv, directory, env, mine) as here:
            self._program = argv[0]
            yield Start(here, "", dict(os.environ))

    def judge(self, ended: Ended) -> Ended:
        """The client's end is that of the tool, unless there was none."""
        container = self._runs.current()
        if container is None or ended.rc == 0:
            return ended
        if container.status == "created":
            raise self._missing("sh", ended.said)
        if ended.rc in ABSENT and self._program in ended.said:
            raise self._missing(self._program, ended.said)
        if container.oom:
            return ended._replace(said=f"{ended.said}\nIt was ended, as it had used up the memory that it may have.")
        return ended

    def blame(self, error: SlipwayError) -> None:
        self._runs.blame(error)

    def alone(self) -> None:
        self._runs.alone()

    def _missing(self, program: str, said: str) -> SlipwayError:
        return SlipwayError(
            "cannot be started",
            obj=f"{program} in {self._image}",
            actual=said,
            remedy=self.install,
            cause="tool_missing",
        )


def image_of(params: Params, url: str, system: System, *, plan: bool) -> Image:
    """Where the tool is, for C(run_in: container).

    :param params: by C(migration_arguments.MIGRATION_RUNNER).
    :param plan: nothing is pulled.
    :raises SlipwayError: C(bad_input), C(secret_missing), C(invalid).
    """
    options = {name: value for name, value in (params["container"] or {}).items() if value is not None}
    if params["tool"] == "sql":
        raise _wrong("is not for tool: sql, which needs no program", "run_in", "container", "host, or another tool")
    values = _values(params)
    where = address(params["engine"], url)
    settings = Settings(
        image=options.get("image") or "",
        env={name: str(value) for name, value in (options.get("env") or {}).items()},
        secrets={name: values[name] for name in options.get("secrets") or ()},
        env_secrets={name: values[name] for name in options.get("env_secrets") or ()},
        network=options.get("network") or "",
        keywords=options.get("keywords") or {},
        sees=tuple([*(options.get("mounts") or ()), *(params["locations"] or ()), *_socket(where)]),
        made=(params["project"]["directory"],) if params["files"] else (),
        shares=(os.path.dirname(where.database),) if where.engine == "sqlite" else (),
        pull=options.get("pull") or "missing",
    )
    _expect(settings, where)
    release = (params["release"] or {}).get("id", "")
    scope = scope_of(_key(where, params), params["platform"] or "", params["environment"] or "", release)
    runs = OneOffs(Engine(), system, scope, settings, plan=plan)
    return Image(runs, settings.image, [*settings.secrets.values(), *settings.env_secrets.values()])


def _values(params: Params) -> dict[str, str]:
    """Of the secrets that are named."""
    options = params["container"] or {}
    text = base64.b64decode(params["secrets"] or "", validate=True).decode()
    values: dict[str, str] = json.loads(text) if text else {}
    absent = [name for key in ("secrets", "env_secrets") for name in options.get(key) or () if name not in values]
    if absent:
        raise SlipwayError(
            "no value for a secret",
            obj="container",
            actual=", ".join(sorted(set(absent))),
            remedy="Add it to slipway_secrets, or to secrets of this task.",
            cause="secret_missing",
        )
    return values


def _expect(settings: Settings, where: Address) -> None:
    if not settings.image:
        raise _wrong("missing", "container.image", None, "the image that has the migrations and their tool")
    for path in settings.sees:
        if not os.path.isdir(path):
            raise _wrong(
                "is no directory of this machine", "container.mounts", path, "one that the container is to see"
            )
    network = str(settings.network or settings.keywords.get("network") or settings.keywords.get("network_mode") or "")
    local = where.host == "localhost" or where.host.startswith("127.") or where.host == "::1"
    if local and network not in ("", "host") and not network.startswith("container:"):
        raise _wrong(
            "leads to the container itself, in a network of its own", "url", where.host, "a name of the database there"
        )


def _socket(where: Address) -> list[str]:
    """The directory of the database's socket, where that is how it is reached."""
    if not where.host.startswith("/"):
        return []
    return [where.host if where.engine == "postgresql" else os.path.dirname(where.host)]


def _key(where: Address, params: Params) -> str:
    """The same for all that migrate a schema; they exclude each other."""
    about = [where.engine, where.host, where.port, where.database, params["schema"] or ""]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24]


def _wrong(what: str, obj: str, actual: object, wanted: str) -> SlipwayError:
    return SlipwayError(what, obj=obj, actual=actual, wanted=wanted, remedy="Correct it.", cause="bad_input")
