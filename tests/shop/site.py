# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site: examples/shop's own files, with an inventory of lab machines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

from tests.lab import Lab

from .images import SHOP

PARTS = (
    "ansible.cfg",
    "deploy.yml",
    "rollback.yml",
    "status.yml",
    "unlock.yml",
    "provision.yml",
    "production",
    "staging",
    "plain",
)
COLLECTIONS = Path(__file__).resolve().parents[2] / ".cache" / "collections"


class Run(t.NamedTuple):
    """A playbook that has ended."""

    rc: int
    output: str

    @property
    def changed(self) -> int:
        """The sum of ``changed=`` over the play recap."""
        recap = self.output.rpartition("PLAY RECAP")[2]
        return sum(int(word.partition("=")[2]) for word in recap.split() if word.startswith("changed="))

    @property
    def said(self) -> str:
        """The output with every run of blanks and line ends as one blank: Ansible breaks long lines anywhere."""
        return " ".join(self.output.split())


class Site:
    """A directory with a site in it.

    :param lab: whose machines it is about, where it is a lab's.
    :param directory: where; the example's own directory itself, or a copy of its parts.
    :param example: of which site.
    """

    def __init__(self, lab: Lab | None, directory: Path, example: Path = SHOP) -> None:
        self.lab = lab
        self.directory = directory
        if directory != example:
            for part in PARTS:
                source, target = example / part, directory / part
                if source.is_dir():
                    shutil.copytree(source, target, ignore=shutil.ignore_patterns("lab.yml"), dirs_exist_ok=True)
                elif source.exists():
                    shutil.copy(source, target)

    def write_inventory(
        self,
        groups: t.Mapping[str, t.Sequence[str]],
        variables: t.Mapping[str, t.Any],
        *,
        environment: str = "production",
        user: str = "root",
        replace: bool = True,
        hosts: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
    ) -> None:
        """The lab's part of an inventory, beside the one that a person wrote (or, replacing it, instead).

        :param hosts: variables of single machines.
        """
        assert self.lab is not None, "its inventory is written by hand"
        content = json.loads(self.lab.write_inventory(groups, dict(variables), user).read_text())
        content["all"]["vars"] = {"ansible_become": user != "root", **content["all"]["vars"], **variables}
        for name, own in (hosts or {}).items():
            content["all"]["hosts"][name].update(own)
        if replace:
            (self.directory / environment / "hosts.yml").unlink(missing_ok=True)
        path = self.directory / environment / "lab.yml"
        path.write_text(json.dumps(content, indent=2))
        path.chmod(0o600)

    def write_variables(self, variables: t.Mapping[str, t.Any], *, environment: str = "production") -> None:
        """Variables that come after, and so replace, those that a person wrote."""
        path = self.directory / environment / "group_vars" / "all" / "zz_lab.yml"
        path.write_text(json.dumps(dict(variables), indent=2))
        path.chmod(0o600)

    def command(self, playbook: str, *args: str, environment: str = "production") -> list[str]:
        """The command a person would type."""
        return ["ansible-playbook", playbook, "-i", environment, *args]

    def environment(self, **extra: str) -> dict[str, str]:
        """The environment that playbooks run in: this checkout's collection, or the one in ``SLIPWAY_COLLECTIONS``.

        The ansible is the one beside the Python that runs this, unless PATH is given.
        """
        keep = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        keep["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), keep["PATH"]])
        collections = os.environ.get("SLIPWAY_COLLECTIONS") or str(COLLECTIONS)
        ours = {"ANSIBLE_COLLECTIONS_PATH": collections, "ANSIBLE_FORCE_COLOR": "0"}
        unbuffered = {"PYTHONUNBUFFERED": "1"}  # else what a run says into a pipe comes 8 KiB at a time
        return {**keep, **ours, **unbuffered, **extra}

    def start(self, playbook: str, *args: str, environment: str = "production", **env: str) -> subprocess.Popen[str]:
        """Start a playbook in a process group of its own; what it says can be read from ``stdout`` while it runs."""
        return subprocess.Popen(
            self.command(playbook, *args, environment=environment),
            cwd=self.directory,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *args: str, timeout: float = 600, environment: str = "production", **env: str) -> Run:
        """Run a playbook to its end."""
        process = self.start(playbook, *args, environment=environment, **env)
        try:
            output, _none = process.communicate(timeout=timeout)
        except BaseException:
            kill(process)
            raise
        return Run(process.returncode, output)

    def deploy(self, version: str, *args: str, **env: t.Any) -> Run:
        """``ansible-playbook deploy.yml -i production -e slipway_version=…``."""
        return self.run("deploy.yml", "-e", f"slipway_version={version}", *args, **env)

    def report(self, release: str | None = None, directory: str = "shop-production") -> dict[str, t.Any]:
        """The report of a release, by default of the last one that ended.

        :param directory: platform and environment.
        """
        found = sorted(
            (self.directory / ".slipway" / directory).glob(f"{release or '*'}.json"),
            key=lambda path: path.stat().st_mtime,
        )
        return t.cast("dict[str, t.Any]", json.loads(found[-1].read_text()))


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a playbook with SIGKILL, with all its forks (its SSH masters live on, as after a crash), unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
