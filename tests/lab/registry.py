# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real registry inside the lab: this machine's engine pushes to it, the lab's machines pull from it."""

from __future__ import annotations

import http.client
import time

from .engine import LabError, Progress, docker, inspect, run
from .image import ensure_image
from .machines import Lab

PORT = 5000
# The storage is as simple as it gets; no authentication: it is reachable from this machine and its lab only.
_CONFIG = f"""
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: /var/lib/docker-registry}}, delete: {{enabled: true}}}}
http: {{addr: ":{PORT}"}}
"""


class Registry:
    """The registry of one lab, a container of Debian's docker-registry.

    :ivar address: ``host:port`` as the machines reach it, the beginning of every reference that :meth:`push` returns.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.container = f"slipway-{lab.name}-registry"

    @property
    def address(self) -> str:
        return f"{self.lab.network.registry_address}:{PORT}"

    def start(self, deadline: float = 20.0) -> Registry:
        """Start it (again) and wait until it answers; nothing happens when it runs. Removed with the lab.

        :raises LabError: no answer within *deadline* seconds.
        """
        found = inspect("container", self.container)
        if found is None:
            self._create()
        elif not found["State"]["Running"]:
            docker("start", self.container)
        with Progress("starting the registry"):
            self._wait(deadline)
        return self

    def stop(self) -> None:
        """Stop it: pulls fail until :meth:`start`; what was pushed stays."""
        docker("stop", "-t", "2", self.container)

    def push(self, local: str) -> str:
        """Push an image of this machine's engine.

        :param local: its name here, ``shop/backend:1.1.0``.
        :return: its name for the machines, ``10.…:5000/shop/backend:1.1.0``.
        """
        name = local if ":" in local.rsplit("/", 1)[-1] else f"{local}:latest"
        # 127.0.0.0/8 is what every engine trusts without TLS; nothing needs to be configured on this machine.
        pushed = f"{self._published()}/{name}"
        docker("tag", local, pushed)
        try:
            with Progress(f"pushing {name}"):
                done = run(["docker", "push", "--quiet", pushed], check=False, timeout=600)
        finally:
            docker("rmi", pushed, check=False)
        if done.returncode:
            raise LabError(f"pushing {local} to the lab's registry: {done.stderr.strip()}")
        return f"{self.address}/{name}"

    def _create(self) -> None:
        script = 'printf %s "$CONFIG" >/tmp/config.yml; exec docker-registry serve /tmp/config.yml'
        docker(
            "run", "--detach", f"--name={self.container}", f"--label={self.lab.label}",
            f"--network={self.lab.network.name}",
            f"--ip={self.lab.network.registry_address}", "--network-alias=registry", f"--publish=127.0.0.1::{PORT}",
            "--volume=/var/lib/docker-registry", f"--env=CONFIG={_CONFIG}", "--stop-signal=SIGTERM", "--init",
            ensure_image("ready"), "sh", "-c", script,
        )  # fmt: skip

    def _published(self) -> str:
        lines = docker("port", self.container, f"{PORT}/tcp", check=False).splitlines()
        if not lines:
            raise LabError(f"the registry of the lab {self.lab.name} does not run; start() it first")
        return lines[0]

    def _wait(self, deadline: float) -> None:
        until = time.monotonic() + deadline
        while True:
            try:
                connection = http.client.HTTPConnection(self._published(), timeout=2)
                connection.request("GET", "/v2/")
                if connection.getresponse().status == 200:
                    return
                said = "an unexpected status"
            except (OSError, http.client.HTTPException, LabError) as error:
                said = str(error)
            if time.monotonic() > until:
                logs = run(["docker", "logs", "--tail", "3", self.container], check=False)
                raise LabError(
                    f"the registry does not answer after {deadline:.0f} s ({said}): {logs.stdout}{logs.stderr}"
                )
            time.sleep(0.1)
