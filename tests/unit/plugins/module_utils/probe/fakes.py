# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that only sleeping moves, and a Docker Engine out of a dictionary."""

from __future__ import annotations

import copy
import threading
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System

ID = "c0ffee" * 10
PID = 4711


class FakeSystem(System):
    """Each thread has a clock of its own, so that targets probed at once do not move each other's."""

    def __init__(self, files: t.Mapping[str, bytes] | None = None) -> None:
        self._local = threading.local()
        self.sleeps: list[float] = []
        self.files = dict(files or {})
        self.answers: list[Completed | Exception] = []
        self.commands: list[list[str]] = []

    def monotonic(self) -> float:
        return getattr(self._local, "now", 0.0)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self._local.now = self.monotonic() + seconds

    def read_file(self, path: str) -> bytes | None:
        return self.files.get(path)

    def run(self, argv: t.Sequence[str], **_options: t.Any) -> Completed:
        self.commands.append(list(argv))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeDocker:
    """Says what its states say, one after the other; the last one for ever."""

    def __init__(self, *states: dict[str, t.Any] | None, images: t.Sequence[str] = (), logs: bytes = b"") -> None:
        self.states = list(states)
        self.images = images
        self.written = logs
        self.broken: SlipwayError | None = None
        self.closed = False

    def container(self, name: str) -> dict[str, t.Any] | None:
        if self.broken is not None:
            raise self.broken
        return copy.deepcopy(self.states.pop(0) if len(self.states) > 1 else self.states[0])

    def has_image(self, reference: str) -> bool:
        return reference in self.images

    def logs(self, name: str, lines: int) -> bytes:
        return b"\n".join(self.written.splitlines()[-lines:])

    def close(self) -> None:
        self.closed = True


def inspected(status: str = "running", *, mode: str = "bridge", **state: t.Any) -> dict[str, t.Any]:
    """What inspecting a container with 20000 published for 8080 returns, cut to what is read of it."""
    return {
        "Id": ID,
        "RestartCount": 0,
        "State": {"Status": status, "Pid": PID if status == "running" else 0, "ExitCode": 0, "Error": "", **state},
        "HostConfig": {"NetworkMode": mode, "Memory": 16 * 2**20},
        "NetworkSettings": {
            "Ports": {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "20000"}], "53/udp": None},
            "Networks": {"bridge": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": ""}},
        },
    }


def proc_files(*lines: str) -> dict[str, bytes]:
    """/proc of the container's main process with these lines in net/tcp."""
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    return {
        f"/proc/{PID}/cgroup": f"0::/system.slice/docker-{ID}.scope\n".encode(),
        f"/proc/{PID}/net/tcp": (head + "".join(f"{line}\n" for line in lines)).encode(),
    }


ON_9000 = "   0: 00000000:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1"
ON_8080 = "   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1"
ON_LOOPBACK_8080 = "   2: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1"
DOCKER_DNS = "   3: 0B00007F:9C4F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1"
CONNECTED = "   4: 020011AC:C350 010011AC:1538 01 00000000:00000000 00:00000000 00000000     0        0 5 1"
