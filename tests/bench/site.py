# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest site: one service with one replica on every host, judged by one successful probe."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
import typing as t
from pathlib import Path

from tests.lab import Lab, Registry, base_image
from tests.shop.images import SHOP
from tests.shop.site import COLLECTIONS

HERE = Path(__file__).resolve().parent
VERSIONS = {"1.0.0": "ok", "1.1.0": "ok", "crash": "crash", "elsewhere": "elsewhere", "never": "never"}


class Measured(t.NamedTuple):
    """A playbook that has ended: status, what it printed, wall seconds, and CPU seconds of the controller."""

    rc: int
    output: str
    wall: float
    cpu: float


class BenchSite:
    """A site in a directory of its own.

    :param proxies: the balancers; a host may be its own.
    """

    def __init__(
        self, lab: Lab, directory: Path, hosts: t.Sequence[str], proxies: t.Sequence[str], prefix: str
    ) -> None:
        self.lab = lab
        self.directory = directory
        for part in ("ansible.cfg", "deploy.yml", "rollback.yml", "provision.yml"):
            shutil.copy(SHOP / part, directory / part)
        content = json.loads(
            lab.write_inventory({"slipway_app": hosts, "slipway_proxy": proxies}, self._variables(prefix)).read_text()
        )
        (directory / "hosts.json").write_text(json.dumps(content))

    def _variables(self, prefix: str) -> dict[str, t.Any]:
        return {
            "slipway_platform": "bench",
            "slipway_environment": "lab",
            "slipway_services": {
                "web": {
                    "image": f"{prefix}/program:" + "{{ slipway_version }}",
                    "port": 8080,
                    "health": {"path": "/health", "successes": 1, "minimum": 0, "interval": 0.05, "deadline": 30},
                    "stop_grace": 5,
                }
            },
            "slipway_traffic": {"provider": "haproxy", "listen": 8000, "routes": [{"path": "/", "service": "web"}]},
            "slipway_watch": {"bake": 0},
            "slipway_drain": {"deadline": 10},
            "vm_provision_insecure_registries": [self.lab.network.subnet],
        }

    def run(self, playbook: str, *args: str, collections: Path = COLLECTIONS, **env: str) -> Measured:
        """Run a playbook, timed from the command to the prompt."""
        command = ["ansible-playbook", playbook, "-i", "hosts.json", *args]
        return self.timed(command, self.directory, ANSIBLE_COLLECTIONS_PATH=str(collections), **env)

    @staticmethod
    def timed(command: t.Sequence[str], directory: Path, **env: str) -> Measured:
        """Run a command of Ansible's in a directory."""
        keep = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            command,
            cwd=directory,
            env={**keep, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        wall = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Measured(done.returncode, done.stdout, wall, cpu)

    def deploy(self, version: str, *args: str, **keywords: t.Any) -> Measured:
        """Release a version."""
        return self.run("deploy.yml", "-e", f"slipway_version={version}", *args, **keywords)

    def report(self) -> dict[str, t.Any]:
        """The report of the last release."""
        return t.cast("dict[str, t.Any]", json.loads(self.reports()[-1].read_text()))

    def reports(self) -> list[Path]:
        """The files of all reports, oldest first."""
        return sorted((self.directory / ".slipway").glob("*/*.json"), key=lambda path: path.stat().st_mtime)


def push_programs(registry: Registry) -> str:
    """Build the program in every variant, push it, and return what comes before ``/program:VERSION``."""
    reference = ""
    for version, mode in VERSIONS.items():
        image = f"bench/program:{version}"
        build = ["docker", "build", "--quiet", "--tag", image, "--build-arg", f"BASE={base_image()}"]
        build += ["--build-arg", f"VERSION={version}", "--build-arg", f"MODE={mode}", str(HERE / "program")]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        reference = registry.push(image)
    return reference.rpartition("/")[0]
