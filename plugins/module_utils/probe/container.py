# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into a container: does it run, why not, and where does it listen (private to the collection)."""

from __future__ import annotations

import signal
import socket
import sys
import typing as t
import urllib.parse

from ..errors import SlipwayError
from ..system import System
from .model import Clean, Policy, Probe, Success, Target

LOG_LINES = 20
_DOCKER_TIMEOUT = 3.0  # seconds for one answer of the engine; a stuck engine must not outlast the deadline by much


class Docker:
    """The four questions that are asked of the Docker Engine (by the Docker SDK for Python, imported here only)."""

    def __init__(self) -> None:
        """:raises SlipwayError: C(docker_sdk_missing), C(docker)."""
        try:
            import docker
            import docker.utils
        except ImportError:
            raise SlipwayError(
                "the Docker SDK for Python is missing on this machine",
                cause="docker_sdk_missing",
                remedy="Install it, python3-docker on Debian and Ubuntu.",
            ) from None
        try:
            settings = docker.utils.kwargs_from_env()
            self._client = docker.APIClient(version="auto", timeout=_DOCKER_TIMEOUT, **settings)
        except Exception as error:  # the SDK raises those of requests and urllib3 too
            raise _engine_failed(error) from None

    def container(self, name: str) -> dict[str, t.Any] | None:
        """The result of inspecting it, None when there is no such container."""
        return t.cast("dict[str, t.Any] | None", self._ask(lambda: self._client.inspect_container(name)))

    def has_image(self, reference: str) -> bool:
        """Whether this machine has the image."""
        return self._ask(lambda: self._client.inspect_image(reference)) is not None

    def logs(self, name: str, lines: int) -> bytes:
        """The last lines that it wrote to both outputs."""
        return self._ask(lambda: self._client.logs(name, stdout=True, stderr=True, tail=lines)) or b""

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    @staticmethod
    def _ask(question: t.Callable[[], t.Any]) -> t.Any:
        try:
            return question()
        except Exception as error:
            if getattr(error, "status_code", None) == 404:
                return None
            raise _engine_failed(error) from None


def _engine_failed(error: Exception) -> SlipwayError:
    return SlipwayError(
        f"the Docker Engine gives no answer ({type(error).__name__}: {str(error)[:300]})",
        cause="docker",
        remedy="See whether it runs (systemctl status docker) and whether this user may talk to it.",
    )


class Container:
    """One container, watched from try to try."""

    def __init__(
        self,
        name: str,
        target: Target,
        *,
        policy: Policy,
        system: System,
        clean: Clean,
        connect: t.Callable[[], Docker],
    ) -> None:
        """
        :param name: of the container.
        :param target: for its C(image), and for its C(url) or C(port), to know on which port it should listen.
        """
        self._name = name
        self._target = target
        self._patience = policy.wrong_port_after
        self._system = system
        self._clean = clean
        self._connect = connect
        self._docker: Docker | None = None
        self._elsewhere: tuple[float, frozenset[Listener]] | None = None

    def inspect(self) -> dict[str, t.Any]:
        """Inspect it and let it pass when it runs.

        :raises SlipwayError: why it does not run, or C(docker).
        """
        found = self._engine().container(self._name)
        if found is None:
            raise self._missing()
        trouble = state_trouble(self._name, found, self._clean, out_of_memory=self._out_of_memory(found))
        if trouble is not None:
            raise trouble
        return found

    def check(self) -> None:
        """After a failed try: look whether the container tells why.

        :raises SlipwayError: the cause; it is certain when it is in C(model.CERTAIN).
        """
        found = self.inspect()
        wanted = wanted_port(found, *_place(self._target))
        listening = self._listening(found)
        if wanted is None or listening is None:
            return
        trouble = port_trouble(self._name, wanted, listening)
        now = self._system.monotonic()
        if trouble is None:
            self._elsewhere = None
        elif self._elsewhere is None or self._elsewhere[1] != listening:
            self._elsewhere = (now, listening)
        elif now - self._elsewhere[0] >= self._patience:
            raise trouble

    def facts(self) -> dict[str, t.Any]:
        """State, listening ports and last log lines, as far as they can be read."""
        try:
            found = self._engine().container(self._name)
            if found is None:
                return {"container": {"name": self._name, "state": "missing"}}
            facts: dict[str, t.Any] = {"container": _state_facts(self._name, found, self._clean)}
            listening = self._listening(found)
            if listening is not None:
                facts["listening"] = sorted(str(listener) for listener in listening)
            lines = self._engine().logs(self._name, LOG_LINES).decode("utf-8", "replace")
            # Masked as a whole first: a secret of several lines is found only there.
            facts["logs"] = [self._clean(line) for line in self._clean(lines, len(lines) * 8).splitlines()]
            return facts
        except SlipwayError as error:
            return {"container": {"name": self._name, "state": "unknown", "error": self._clean(error.what)}}

    def close(self) -> None:
        if self._docker is not None:
            self._docker.close()

    def _engine(self) -> Docker:
        if self._docker is None:
            self._docker = self._connect()
        return self._docker

    def _missing(self) -> SlipwayError:
        if self._target.image and not self._engine().has_image(self._target.image):
            return SlipwayError(
                f"there is no container {self._name}, and its image {self._target.image} is not on this machine",
                cause="image_missing",
                remedy="See whether the name and the tag are right, and pull or build the image.",
            )
        return SlipwayError(
            f"there is no container {self._name}", cause="not_running", remedy="Create it, or correct its name."
        )

    def _out_of_memory(self, found: dict[str, t.Any]) -> bool:
        """Whether the kernel killed it for want of memory.

        Docker learns that from an event, which not every kernel and cgroup version sends; the kernel's log names the
        container always. Where the log must not be read, Docker's word stands.
        """
        if found["State"].get("OOMKilled"):
            return True
        if found["State"].get("ExitCode") != 137:
            return False
        try:
            log = self._system.run(["dmesg"], timeout=_DOCKER_TIMEOUT)
        except SlipwayError:
            return False
        return any("oom-kill:" in line and found["Id"] in line for line in log.stdout.splitlines())

    def _listening(self, found: dict[str, t.Any]) -> frozenset[Listener] | None:
        """Where the programs in the container listen; None when that cannot be told for certain."""
        mode = found.get("HostConfig", {}).get("NetworkMode", "")
        if mode == "host" or mode.startswith("container:"):
            return None  # others listen in the same network namespace
        pid = found["State"].get("Pid", 0)
        try:
            # A process id of another machine's (Docker over TCP), of another namespace or reused is not in this group.
            groups = self._system.read_file(f"/proc/{pid}/cgroup") if pid else None
            if not groups or found["Id"].encode() not in groups:
                return None
            tables = [self._system.read_file(f"/proc/{pid}/net/{table}") for table in ("tcp", "tcp6")]
        except SlipwayError:
            return None
        if tables[0] is None:
            return None
        return parse_listeners("\n".join((table or b"").decode("ascii", "replace") for table in tables))


class ContainerProbe(Probe):
    """Healthy when the container runs and, if it has a health check of its own, that one says healthy."""

    def __init__(self, target: Target, system: System, clean: Clean, container: Container) -> None:
        super().__init__(target, system, clean)
        self._container = container

    def attempt(self, timeout: float) -> Success:
        state = self._container.inspect()["State"]
        health = (state.get("Health") or {}).get("Status", "none")
        evidence = {"state": state["Status"], "health": health}
        if health == "starting":
            raise SlipwayError(
                "its health check has not succeeded yet",
                cause="starting",
                remedy="Wait longer (deadline), or shorten the interval of the health check.",
                evidence=evidence,
            )
        if health == "unhealthy":
            log = (state["Health"].get("Log") or [{}])[-1]
            raise SlipwayError(
                f"its own health check fails with {log.get('ExitCode')}: {self.clean(log.get('Output', '').strip())}",
                cause="unhealthy",
                remedy="See the logs of the container.",
                evidence=evidence,
            )
        return Success(evidence, run=f"{state.get('Pid')} {state.get('StartedAt')}")


# Pure parts -------------------------------------------------------------------------------------------------


class Listener(t.NamedTuple):
    """A listening TCP socket."""

    address: str
    port: int

    @property
    def local(self) -> bool:
        """Whether only its own network namespace reaches it."""
        return self.address.startswith(("127.", "::ffff:127.")) or self.address == "::1"

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_listeners(table: str) -> frozenset[Listener]:
    """Read the listening sockets out of /proc/net/tcp and tcp6 (proc_pid_net(5); kernel, networking/proc_net_tcp).

    Addresses there are 32-bit words in this machine's byte order, printed in hexadecimal; state C(0A) is C(TCP_LISTEN).
    Docker's own resolver (127.0.0.11, in user-defined networks) is left out. Lines of another shape are ignored.
    """
    found = set()
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[3] != "0A":
            continue
        address, _colon, port = fields[1].partition(":")
        if len(address) not in (8, 32):
            continue
        try:
            words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
            raw = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
            number = int(port, 16)
        except (ValueError, OverflowError):
            continue
        shown = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
        if shown != "127.0.0.11":
            found.add(Listener(shown, number))
    return frozenset(found)


def wanted_port(found: dict[str, t.Any], host: str, port: int) -> int | None:
    """The port inside the container that an address leads to; None when it cannot be told.

    :param found: what inspecting it returned.
    """
    settings = found.get("NetworkSettings", {})
    for inside, bindings in (settings.get("Ports") or {}).items():
        number, _slash, protocol = inside.partition("/")
        if protocol == "tcp" and any(binding.get("HostPort") == str(port) for binding in bindings or ()):
            return int(number)
    networks = (settings.get("Networks") or {}).values()
    own = {network.get(key) for network in networks for key in ("IPAddress", "GlobalIPv6Address")}
    return port if host and host in own else None


def port_trouble(name: str, wanted: int, listening: frozenset[Listener]) -> SlipwayError | None:
    """What is wrong with where a container listens; None while it listens nowhere (yet) or as it should."""
    right = [listener for listener in listening if listener.port == wanted]
    others = sorted({listener.port for listener in listening if not listener.local})
    if any(not listener.local for listener in right):
        return None
    if right:
        return SlipwayError(
            f"the program in container {name} listens on {right[0]} only, which nothing outside the container reaches",
            wanted=f"0.0.0.0:{wanted}",
            cause="wrong_address",
            remedy="Let the program listen on all addresses.",
        )
    if others:
        return SlipwayError(
            f"the program in container {name} listens on another port",
            actual=" and ".join(str(port) for port in others),
            wanted=wanted,
            cause="wrong_port",
            remedy=f"Set the port of the service to {others[0]}, or let the program listen on {wanted};"
            " if it opens that one later, raise wrong_port_after.",
        )
    return None


def state_trouble(
    name: str, found: dict[str, t.Any], clean: Clean, *, out_of_memory: bool = False
) -> SlipwayError | None:
    """Why a container does not run; None when it does."""
    state = found["State"]
    status, code = state["Status"], state.get("ExitCode", 0)
    error = clean(state.get("Error") or "")
    if status == "running":
        return None
    if status in ("exited", "dead") and out_of_memory:
        limit = found.get("HostConfig", {}).get("Memory") or 0
        return SlipwayError(
            f"container {name} was killed because it ran out of memory",
            actual=f"a limit of {limit // 2**20} MiB" if limit else "no limit of its own",
            cause="oom",
            remedy="Raise mem_limit, or find out what the program uses it for.",
        )
    if error and status in ("created", "exited"):
        return SlipwayError(
            f"container {name} cannot be started ({error})",
            cause="start_failed",
            remedy="Correct the settings of the container.",
        )
    if status in ("exited", "dead"):
        return SlipwayError(
            f"container {name} has exited with {exit_text(code)}", cause="exited", remedy=_exit_remedy(code)
        )
    if status == "restarting":
        return SlipwayError(
            f"container {name} keeps exiting with {exit_text(code)} and is restarted again and again",
            cause="restarting",
            remedy=_exit_remedy(code),
        )
    return SlipwayError(f"container {name} is {status}", wanted="running", cause="not_running", remedy="Start it.")


def exit_text(code: int) -> str:
    """An exit status with the signal that it stands for: above 128 it is 128 + signal (bash(1), EXIT STATUS)."""
    try:
        return f"{code} ({signal.Signals(code - 128).name})" if code > 128 else str(code)
    except ValueError:
        return str(code)


def _exit_remedy(code: int) -> str:
    return {
        0: "The program ended by itself; one that serves must stay in the foreground.",
        126: "The command of the container is not executable.",
        127: "The command of the container is not in the image.",
        137: "It was killed, perhaps because it needs more than mem_limit: see dmesg on this machine.",
    }.get(code, "See the last lines that it logged.")


def _state_facts(name: str, found: dict[str, t.Any], clean: Clean) -> dict[str, t.Any]:
    state = found["State"]
    return {
        "name": name,
        "state": state["Status"],
        "exit_code": state.get("ExitCode", 0),
        "error": clean(state.get("Error") or ""),
        "restarts": found.get("RestartCount", 0),
        "started": state.get("StartedAt", ""),
    }


def _place(target: Target) -> tuple[str, int]:
    """Host and port that the target is reached by; port 0 when it has none."""
    if target.kind == "tcp":
        return target.host, target.port
    if target.kind == "http":
        parts = urllib.parse.urlsplit(target.url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    return "", 0
