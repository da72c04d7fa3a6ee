# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the controller gets into the machines: the key, the host keys, ssh's configuration, Ansible's inventory."""

from __future__ import annotations

import json
import shutil
import typing as t
from pathlib import Path

from .engine import LabError, run, write_private


class Access:
    """The files of one lab under ``.lab/<name>/``; all are generated, none is ever committed."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.key = state / "id_ed25519"
        self.known_hosts = state / "known_hosts"
        self.ssh_config = state / "ssh_config"
        self.inventory = state / "inventory.yml"

    def public_key(self) -> str:
        """The public half of the lab's key, which is made at the first call."""
        if any(character in str(self.state) for character in " \t\"'"):
            raise LabError(f"{self.state}: ssh cannot take a path with a blank or a quote; move the repository")
        if not self.key.exists():
            self.state.mkdir(parents=True, exist_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "slipway-lab", "-f", str(self.key)])
        return self.key.with_suffix(".pub").read_text(encoding="ascii").strip()

    def refresh(
        self, machines: t.Mapping[str, str], host_key: t.Callable[[str], str], fresh: t.Collection[str] = ()
    ) -> None:
        """Write down the machines' addresses and host keys, so that ssh verifies whom it talks to, as in earnest.

        :param host_key: asks a machine for its key; asked only for those that are fresh or not known yet.
        """
        known = {line.split()[0]: line for line in self._known_lines()}
        lines = []
        for name, address in machines.items():
            names = f"{name},{address}"
            if name in fresh or names not in known:
                known[names] = f"{names} {' '.join(host_key(name).split()[:2])}"
            lines.append(f"{known[names]}\n")
        write_private(self.known_hosts, "".join(lines))
        hosts = "".join(f"Host {name}\n  HostName {address}\n" for name, address in machines.items())
        common = "".join(f"  {key} {value}\n" for key, value in self._options().items())
        write_private(self.ssh_config, f"{hosts}Host *\n  User root\n  IdentityFile {self.key}\n{common}")

    def write_inventory(
        self,
        groups: t.Mapping[str, t.Sequence[str]],
        addresses: t.Mapping[str, str],
        variables: dict[str, t.Any],
        user: str,
    ) -> Path:
        """Write the inventory (JSON, which is YAML too) and return its path."""
        options = " ".join(f"-o {key}={value}" for key, value in self._options().items())
        connection = {
            "ansible_user": user,
            "ansible_ssh_private_key_file": str(self.key),
            "ansible_ssh_common_args": options,
            "ansible_python_interpreter": "/usr/bin/python3",
            **({"ansible_become": True} if user != "root" else {}),
        }
        hosts = {name: {"ansible_host": addresses[name]} for members in groups.values() for name in members}
        children: dict[str, t.Any] = {
            group: {"hosts": {name: {} for name in members}} for group, members in groups.items()
        }
        content = {"all": {"hosts": hosts, "children": children, "vars": {**connection, **variables}}}
        write_private(self.inventory, json.dumps(content, indent=2) + "\n")
        return self.inventory

    def remove(self) -> None:
        """Remove the lab's files (but not the directory's lock, which the caller holds)."""
        for path in self.state.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _known_lines(self) -> list[str]:
        return self.known_hosts.read_text(encoding="ascii").splitlines() if self.known_hosts.exists() else []

    def _options(self) -> dict[str, str]:
        return {
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
        }
