# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines: create, break and mend them. Every object carries the name of its lab: labs live side by side."""

from __future__ import annotations

import concurrent.futures
import os
import re
import socket
import subprocess
import time
import typing as t
from pathlib import Path

from . import access, database, network
from .engine import STATE, LabError, Progress, docker, ensure_engine, inspect, locked, run
from .image import ensure_image

_Item = t.TypeVar("_Item")
_Result = t.TypeVar("_Result")
# Of root's fs.inotify.max_user_instances, measured: systemd and what runs beside it.
INOTIFY_PER_MACHINE = {"light": 5}
INOTIFY_MOST = 8
# Not --privileged: SYS_ADMIN for systemd's mounts, NET_ADMIN for the engine's network, SYS_PTRACE to see whose socket it is, as
# root sees on any machine. Never SYS_TIME.
FLAGS = [
    "--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw", "--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN",
    "--cap-add=SYS_PTRACE",
    "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined", "--sysctl=net.ipv4.ip_forward=1",
    "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec", "--env=container=docker", "--stop-signal=SIGRTMIN+3",
]  # fmt: skip
SHARED = "/srv/shared"  # one directory of all machines of a lab, as a network file system would be


class Lab:
    """A set of machines on a network of their own.

    :param name: tells labs apart; default ``$SLIPWAY_LAB``, else ``lab``.

    As a context manager it takes everything down at the end. All methods raise :class:`LabError`.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name or os.environ.get("SLIPWAY_LAB") or "lab"
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", self.name):
            raise LabError(f"{self.name!r} cannot name a lab: a small letter, then at most 19 of a-z, 0-9 and -")
        self.state = STATE / self.name
        self.label = f"slipway-lab={self.name}"
        self.access = access.Access(self.state)
        self._network: network.Network | None = None

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, kind: t.Any, value: t.Any, trace: t.Any) -> None:
        self.down()

    # --- creating and removing

    def create(self, names: t.Sequence[str], image: str = "ready", deadline: float = 60.0) -> list[str]:
        """Create machines (all at once), wait until they are ready, make them known to ssh; start those that exist.

        Machines that another checkout left under this lab's name cannot be entered with this one's key: they are removed.

        :param image: ``ready`` (everything installed), ``light`` (the same without an engine), ``bare`` (a new small VM), or
            an image derived from them.
        :param deadline: seconds for each to become ready.
        :return: the names created now.
        """
        ensure_engine()
        source = ensure_image(image) if image in ("bare", "ready", "light") else image
        with locked(self.state / "lock"), Progress(f"creating {', '.join(names)}"):
            key = self.access.public_key().split()[1]
            _together(self._remove, self._strangers(key))
            there = self.machines()
            fresh = [name for name in dict.fromkeys(names) if name not in there]
            _names_allowed(fresh)
            _inotify_suffices(len(fresh), INOTIFY_PER_MACHINE.get(image, INOTIFY_MOST))
            free = self.network.free_addresses(set(there.values()))
            plan = [(name, next(free)) for name in fresh]
            _together(lambda item: self._create(*item, source=source, kind=image, key=key), plan)
            _together(lambda name: self.start(name, deadline), list(dict.fromkeys(names)))
            self.access.refresh(self.machines(), self._host_key, fresh)
        return fresh

    def destroy(self, names: t.Sequence[str]) -> None:
        """Remove machines and their volumes, running or not."""
        with locked(self.state / "lock"):
            _together(self._remove, list(names))
            self.access.refresh(self.machines(), self._host_key)

    def down(self) -> None:
        """Remove everything of this lab: containers, volumes, network, its files. The images stay."""
        with locked(self.state / "lock"), Progress(f"taking the lab {self.name} down"):
            containers = docker("ps", "--all", "--quiet", "--filter", f"label={self.label}").split()
            _together(lambda one: docker("rm", "--force", "--volumes", one), containers)
            volumes = docker("volume", "ls", "--quiet", "--filter", f"label={self.label}").split()
            if volumes:
                docker("volume", "rm", "--force", *volumes)
            network.remove(self.name)
            self._network = None
            self.access.remove()

    # --- what is there

    @property
    def network(self) -> network.Network:
        """The lab's own network, created when first asked for."""
        if self._network is None:
            self._network = network.ensure(self.name, self.label)
        return self._network

    def machines(self, running: bool = False) -> dict[str, str]:
        """Names and addresses of the machines that exist (or run)."""
        argv = ["ps", "--all", "--filter", f"label={self.label}", "--filter", "label=slipway-lab.machine"]
        argv += ["--filter", "status=running"] if running else []
        lines = docker(
            *argv, "--format", '{{.Label "slipway-lab.machine"}} {{.Label "slipway-lab.address"}}'
        ).splitlines()
        return dict(sorted(line.split() for line in lines))

    def address(self, name: str) -> str:
        """The address of a machine; the same for its whole life, reboots included."""
        there = self.machines()
        if name not in there:
            raise LabError(f"no machine {name} in the lab {self.name}; it has: {', '.join(there) or 'none'}")
        return there[name]

    def container(self, name: str) -> str:
        """The name of the container that is this machine, for the engine of the developer's machine."""
        return f"slipway-{self.name}-{name}"

    def boot_id(self, name: str) -> str:
        """The boot id that programs on the machine see: its own, new at every start."""
        return self.exec(name, ["cat", "/proc/sys/kernel/random/boot_id"]).stdout.strip()

    # --- reaching one

    def exec(
        self, name: str, argv: t.Sequence[str], *, stdin: str | None = None, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine as root, past the network (works on a partitioned one too)."""
        interactive = ["--interactive"] if stdin is not None else []
        return run(
            ["docker", "exec", *interactive, self.container(name), *argv], stdin=stdin, check=check, timeout=timeout
        )

    def ssh_argv(self, name: str, user: str = "root") -> list[str]:
        """The command that opens a session on a machine, as ``root`` or ``deploy``; append what is to run there."""
        return ["ssh", "-F", str(self.access.ssh_config), "-l", user, name]

    def write_inventory(
        self,
        groups: t.Mapping[str, t.Sequence[str]],
        variables: t.Mapping[str, t.Any] | None = None,
        user: str = "root",
    ) -> Path:
        """Write an Ansible inventory of these groups and return its path.

        :param groups: group to names of machines; a machine may be in several.
        :param variables: variables of ``all``.
        :param user: ``root``, or ``deploy`` who needs become.
        """
        there = self.machines()
        missing = sorted({name for members in groups.values() for name in members} - set(there))
        if missing:
            raise LabError(f"the lab {self.name} has no machine {', '.join(missing)}; create it before the inventory")
        return self.access.write_inventory(groups, there, dict(variables or {}), user)

    # --- what happens to machines

    def reboot(self, name: str, power_loss: bool = False, deadline: float = 60.0) -> None:
        """Restart a machine and wait until it is ready; in order, or as after a loss of power (nobody is told)."""
        with Progress(f"restarting {name}"):
            if power_loss:
                self.kill(name)
                self.start(name, deadline)
            else:
                docker("restart", "-t", "30", self.container(name))
                self.wait_ready(name, deadline)

    def kill(self, name: str) -> None:
        """Cut the power: every process ends at once, the disk stays."""
        docker("kill", "--signal", "KILL", self.container(name))

    def stop(self, name: str) -> None:
        """Shut a machine down in order."""
        with Progress(f"stopping {name}"):
            docker("stop", "-t", "30", self.container(name))

    def start(self, name: str, deadline: float = 60.0) -> None:
        """Start a stopped or killed machine and wait until it is ready."""
        docker("start", self.container(name))
        self.wait_ready(name, deadline)

    def partition(self, name: str, of: str = "controller") -> None:
        """Drop all packets between a machine and the controller, or (``of="everyone"``) and anybody.

        Open connections hang, new ones time out, as when a cable is pulled. A reboot of the machine heals it as well.
        """
        network.partition(self, name, of)

    def heal(self, name: str) -> None:
        """Undo :meth:`partition`; nothing happens when there is none."""
        network.heal(self, name)

    def setup_database(self, name: str, database_name: str = "shop", role: str = "shop") -> str:
        """Turn PostgreSQL on, with a database and its owner; return ``postgresql://…``, the same every time."""
        return database.setup(self, name, database_name, role)

    def wait_ready(self, name: str, deadline: float = 60.0) -> None:
        """Wait until systemd has finished booting, the engine (where installed) answers, and sshd greets.

        :raises LabError: what is missing at the deadline, or the machine stopped.
        """
        until = time.monotonic() + deadline
        while True:
            lacks = self._lacks(name)
            if not lacks:
                return
            state = inspect("container", self.container(name))
            if state is None or not state["State"]["Running"]:
                code = state["State"]["ExitCode"] if state else "none"
                logs = docker("logs", "--tail", "5", self.container(name), check=False) if state else ""
                hint = network.inotify_hint() if code == 255 else ""
                raise LabError(f"the machine {name} stopped while booting (exit status {code}) {logs} {hint}".strip())
            if time.monotonic() > until:
                raise LabError(
                    f"the machine {name} is not ready after {deadline:.0f} s: {lacks}; look at it with docker exec"
                )
            time.sleep(0.1)

    # --- helpers

    def _create(self, name: str, address: str, source: str, kind: str, key: str) -> None:
        container = self.container(name)
        docker("volume", "create", "--label", self.label, container)
        docker(
            "run", "--detach", "--name", container, "--hostname", name, *FLAGS,
            f"--label={self.label}", f"--label=slipway-lab.machine={name}", f"--label=slipway-lab.address={address}",
            f"--label=slipway-lab.image={kind}", f"--label=slipway-lab.key={key}",
            f"--network={self.network.name}", f"--ip={address}", f"--network-alias={name}",
            f"--volume={container}:/var/lib/docker", f"--env=SLIPWAY_LAB_KEY={self.access.public_key()}",
            f"--mount=type=volume,source=slipway-{self.name}-shared,target={SHARED},volume-label={self.label}",
            f"--env=SLIPWAY_LAB_SUBNET={self.network.subnet}", f"--env=SLIPWAY_LAB_MTU={self.network.mtu}", source,
        )  # fmt: skip

    def _strangers(self, key: str) -> list[str]:
        argv = ["ps", "--all", "--filter", f"label={self.label}", "--filter", "label=slipway-lab.machine"]
        form = '{{.Label "slipway-lab.machine"}} {{.Label "slipway-lab.key"}}'
        machines = [line.partition(" ") for line in docker(*argv, "--format", form).splitlines()]
        return [name for name, _blank, opened_by in machines if opened_by != key]

    def _remove(self, name: str) -> None:
        docker("rm", "--force", "--volumes", self.container(name))
        docker("volume", "rm", "--force", self.container(name))

    def _lacks(self, name: str) -> str:
        try:
            with socket.create_connection((self.machines()[name], 22), timeout=1) as connection:
                connection.settimeout(2)
                if not connection.recv(8).startswith(b"SSH-"):
                    return "sshd does not greet"
        except (OSError, KeyError) as error:
            return f"sshd cannot be reached ({error})"
        script = (
            "state=$(systemctl is-system-running); echo ${state:-unknown}; "
            "test ! -e /etc/slipway-lab-ready || docker version --format engine >/dev/null 2>&1 || echo noengine"
        )
        said = self.exec(name, ["sh", "-c", script], check=False, timeout=20).stdout.split()
        if not said or said[0] not in ("running", "degraded"):
            return f"systemd says {' '.join(said) or 'nothing'}"
        return "its Docker Engine does not answer" if "noengine" in said else ""

    def _host_key(self, name: str) -> str:
        # A machine that never came up has none; it must not keep the others from being written down.
        return self.exec(name, ["cat", "/etc/ssh/ssh_host_ed25519_key.pub"], check=False).stdout


def _together(action: t.Callable[[_Item], _Result], items: t.Sequence[_Item]) -> list[_Result]:
    """Do it to all at the same time; when some fail, the others still finish, then one error tells all."""
    if not items:
        return []
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(items)) as pool:
        futures = [pool.submit(action, item) for item in items]
    errors = [future.exception() for future in futures]
    failed = [error for error in errors if error is not None]
    for error in failed:
        if not isinstance(error, LabError):
            raise error
    if failed:
        raise LabError("\n".join(str(error) for error in failed))
    return [future.result() for future in futures]


def _names_allowed(names: t.Iterable[str]) -> None:
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
            raise LabError(f"{name!r} cannot name a machine: a small letter, then a-z, 0-9 and -")


def _inotify_suffices(machines: int, each: int) -> None:
    limit, used = network.inotify()
    needed = machines * each
    if machines and used + needed > limit:
        raise LabError(f"{machines} more machines need {needed} inotify instances. {network.inotify_hint()}")
