# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container of the old version, in a network that leads to the copy of the database alone (private to the collection).

A program may connect as soon as it starts, and its network is there no sooner than it. So the network is that of another container,
which does nothing, and the port of the copy is opened in it first.

Nothing here has the labels by which a release finds what belongs to a side.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import typing as t

from ..backup import scratch_place
from ..container import files
from ..container.engine import Engine, Found
from ..container.spec import SECRETS_TARGET, Mount, Scope, Wanted
from ..errors import SlipwayError
from ..system import System
from .namespace import inside, network_of
from .relay import relayed

T = t.TypeVar("T")

LABEL = "slipway.rehearsal"  # platform/environment
DIRECTORY = "slipway.rehearsal.directory"  # of the run that it belongs to; gone with it
LONG = "2147483647"  # seconds
CALL = 10.0

# Keywords of the Docker SDK that say how a program runs and how much it may take. All others reach something of the machine, or of
# production: networks, devices, other namespaces, rights, logs that are sent away.
_KEPT = """
    blkio_weight cap_drop cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpuset_cpus
    cpuset_mems entrypoint group_add init mem_limit mem_reservation mem_swappiness memswap_limit nano_cpus
    oom_kill_disable oom_score_adj pids_limit read_only security_opt shm_size stdin_open storage_opt tmpfs tty ulimits
    user userns_mode working_dir
"""
KEPT = frozenset(_KEPT.split())
_LOGS = {"Type": "json-file", "Config": {"max-size": "1m"}}
_HOLDER = {
    "network_mode": "none",
    "user": "0",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges", "label=disable"],
    "healthcheck": {"test": ["NONE"]},
    "mem_limit": "32m",
    "log_config": _LOGS,
}


class Place(t.NamedTuple):
    """Where containers of one run live.

    :param directory: the run's own, on this machine.
    :param socket_file: of the copy.
    :param port: at which they find it.
    """

    engine: Engine
    system: System
    scope: Scope
    directory: str
    socket_file: str
    port: int

    @property
    def labels(self) -> dict[str, str]:
        """What its containers are known by, and by nothing else."""
        return {**label(self.scope), DIRECTORY: self.directory}


class Stand:
    """A container while its context lasts.

    :param wanted: what a release would make.
    :param environment: instead of that one's.
    :param secrets: what it gets as files.
    """

    def __init__(
        self, place: Place, wanted: Wanted, environment: t.Mapping[str, str], secrets: t.Mapping[str, str], suffix: str
    ) -> None:
        self._place, self._wanted = place, wanted
        self._environment, self._secrets = dict(environment), dict(secrets)
        self._directory = os.path.join(place.directory, f"{wanted.service.name}-{suffix}")
        run = os.path.basename(place.directory).rpartition("-")[2]
        scope = place.scope
        self.name = f"slipway-rehearsal-{scope.platform}-{scope.environment}-{wanted.service.name}-{suffix}-{run}"
        self._left = contextlib.ExitStack()
        self._network = ""

    def start(self, image: str) -> None:
        """Make and start it.

        :param image: id, or name on this machine.
        :raises SlipwayError: as the engine; C(namespace), C(exited), C(command_missing), C(user_unknown).
        """
        engine = self._place.engine
        holder, self._network = held(self._place, self.name, image, self._left)
        keywords = {**contained(self._wanted.service.container), "network_mode": f"container:{holder.id}"}
        mounts = [Mount(self._directory, SECRETS_TARGET)] if self._secrets else []
        keywords["mounts"] = [*keywords["mounts"], *map(_bind, mounts)]
        if self._secrets:
            self._place.system.make_directory(self._directory)
        container = self._made(self.name, image, self._wanted.service.command, self._environment, keywords)
        if self._secrets:
            user = files.user_id(engine, container)
            files.write_secrets(self._place.system, self._directory, self._secrets, user)
        engine.start(container)

    def inside(self, work: t.Callable[[], T]) -> T:
        """Do it in the container's network.

        :raises SlipwayError: C(namespace).
        """
        return inside(self._network, work)

    def logs(self) -> list[str]:
        """What the program wrote last."""
        found = self._place.engine.inspect(self.name)
        return self._place.engine.logs(found) if found else []

    def close(self) -> None:
        """Remove all of it; what cannot be removed now, the next run removes."""
        self._left.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _made(
        self,
        name: str,
        image: str,
        command: str | list[str] | None,
        environment: t.Mapping[str, str],
        keywords: t.Mapping[str, t.Any],
    ) -> Found:
        engine = self._place.engine
        made = engine.create(
            name, image, command=command, environment=environment, labels=self._place.labels, keywords=keywords
        )
        self._left.callback(removed, engine, made)
        return made


def held(place: Place, name: str, image: str, left: contextlib.ExitStack) -> tuple[Found, str]:
    """A container that does nothing, and its network, which leads to the copy alone, until a stack ends.

    :param image: id, or name on this machine.
    """
    engine, (environment, keywords) = place.engine, _sleep(place.system)
    made = engine.create(
        f"{name}-network", image, command=[LONG], environment=environment, labels=place.labels, keywords=keywords
    )
    left.callback(removed, engine, made)
    engine.start(made)
    network = network_of(_pid(engine, made))
    left.enter_context(relayed(network, place.socket_file, place.port))
    return made, network


def label(scope: Scope) -> dict[str, str]:
    """What all rehearsals of a platform and environment have."""
    return {LABEL: f"{scope.platform}/{scope.environment}"}


def removed(engine: Engine, container: Found) -> None:
    """Remove it, as far as that can be done now."""
    with contextlib.suppress(SlipwayError):
        engine.remove(container)


def clear(engine: Engine, scope: Scope) -> list[str]:
    """Remove what runs that were killed have left: their directories, and the containers of those. Return the names of these."""
    found = engine.containers(label(scope))
    for parent in {os.path.dirname(item.labels.get(DIRECTORY, "")) for item in found}:
        if os.path.isdir(parent):
            scratch_place.clear(parent)
    dead = [item for item in found if not os.path.isdir(item.labels.get(DIRECTORY, ""))]
    for item in dead:
        removed(engine, item)
    return [item.name for item in dead]


def contained(keywords: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What of a service's own keywords a container of it may have here.

    A file of the machine that is mounted is there, to be read. Instead of every other mount there is an empty volume, or one with
    what the image has there: uploads of production are not written to, and a socket in a directory leads out.
    """
    kept = {name: value for name, value in keywords.items() if name in KEPT}
    mounts = [
        _bind(mount) if os.path.isfile(mount.source) else {"Type": "volume", "Target": mount.target}
        for mount in _mounted(keywords)
    ]
    return {**kept, "mounts": [*filter(_in_memory, keywords.get("mounts") or ()), *mounts], "log_config": _LOGS}


def _mounted(keywords: t.Mapping[str, t.Any]) -> list[Mount]:
    """All that it mounts and that is not in memory, by either keyword of the SDK in each of its forms."""
    volumes = keywords.get("volumes") or {}
    if isinstance(volumes, t.Mapping):
        found = [Mount(str(source), str(about["bind"])) for source, about in volumes.items()]
    else:
        pairs = [str(one).split(":", 2) for one in volumes]
        found = [Mount(pair[0] if len(pair) > 1 else "", pair[1] if len(pair) > 1 else pair[0]) for pair in pairs]
    for mount in keywords.get("mounts") or ():
        if not _in_memory(mount):
            fields = _fields(mount)
            found.append(Mount(str(fields.get("source") or ""), str(fields["target"])))
    return found


def _in_memory(mount: t.Mapping[str, t.Any]) -> bool:
    return _fields(mount).get("type") == "tmpfs"


def _fields(mount: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """As the engine's API writes them, C(Target), or as people do."""
    return {str(name).lower(): value for name, value in mount.items()}


def _bind(mount: Mount) -> dict[str, t.Any]:
    return {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": True}


def _pid(engine: Engine, container: Found) -> int:
    """:raises SlipwayError: C(exited) when it does not run."""
    found = engine.inspect(container.id)
    if found is None or not found.pid:
        raise SlipwayError(
            "did not start",
            obj=container.name,
            actual="; ".join(engine.logs(container)) or (found.status if found else "gone"),
            remedy="See the log of the Docker Engine: journalctl -u docker.",
            cause="exited",
        )
    return found.pid


def _sleep(system: System) -> tuple[dict[str, str], dict[str, t.Any]]:
    """How to do nothing in any image: with this machine's own program for that, and the libraries that it needs.

    :return: environment and keywords of its container. The image's own list of libraries may have others of the same name.
    :raises SlipwayError: C(command_missing).
    """
    program = shutil.which("sleep", path="/usr/bin:/bin:/usr/local/bin") or "sleep"
    listed = system.run(["ldd", program], timeout=CALL).stdout  # nothing for a program that needs none
    libraries = re.findall(r"(/\S+) \(0x", listed)
    environment = {"LD_LIBRARY_PATH": ":".join(dict.fromkeys(map(os.path.dirname, libraries))), "LD_PRELOAD": ""}
    mounts = [_bind(Mount(os.path.realpath(path), path)) for path in (program, *libraries)]
    return environment, {**_HOLDER, "entrypoint": [program], "mounts": mounts}
