# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a new site, out of what was chosen; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

from . import variables
from .choices import Choices, Machine

# Each is a file that AWX can pick and a person can type; all of them exist by their full names, too.
PLAYBOOKS = {
    "deploy": "Release the version in slipway_version",
    "rollback": "Go back to the release before, or to slipway_rollback_to",
    "status": "Show what is live, and what one can go back to",
    "unlock": "Break the lock of a release that cannot go on",
    "provision": "Make the machines ready; a second run changes nothing",
    "logs": "Show what the services write",
    "run": "Run slipway_command once in the code of slipway_service",
}

_ANSIBLE_CFG = """\
[defaults]
collections_path = collections:~/.ansible/collections:/usr/share/ansible/collections
# One release talks to every machine at once.
forks = 20
callback_result_format = yaml
interpreter_python = auto_silent
# vault_password_file = ~/.@platform@-vault

[ssh_connection]
# Both save a round trip on every task; with become, the machines must not have requiretty in sudoers.
pipelining = true
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=5 -o ServerAliveCountMax=3
"""

_REQUIREMENTS = """\
---
# ansible-galaxy collection install -r collections/requirements.yml -p collections
collections:
  - name: slipway.deploy
    version: ">=0.1.0,<1.0.0"
"""

_GITIGNORE = """\
# The reports of releases, and what ansible-galaxy brings.
.slipway/
collections/ansible_collections/
# What ansible-vault has not encrypted.
*.plain.yml
"""


def files(chosen: Choices) -> dict[str, str]:
    """Path below the site's directory, to text."""
    environment = chosen.environment
    found = {f"{name}.yml": _playbook(name, text) for name, text in PLAYBOOKS.items()}
    found["ansible.cfg"] = _ANSIBLE_CFG.replace("@platform@", chosen.platform)
    found[".gitignore"] = _GITIGNORE
    found["collections/requirements.yml"] = _REQUIREMENTS
    found[f"{environment}/hosts.yml"] = _hosts(chosen)
    found[f"{environment}/group_vars/all/slipway.yml"] = variables.text(chosen)
    if chosen.database not in ("none", "sqlite"):
        # Ansible reads no file with this ending.
        found[f"{environment}/group_vars/all/vault.yml.example"] = variables.vault(chosen)
    return found


def _playbook(name: str, text: str) -> str:
    return f"---\n- name: {text}\n  import_playbook: slipway.deploy.{name}\n"


def _hosts(chosen: Choices) -> str:
    """The inventory. The names of the groups are fixed."""
    become = "    ansible_become: true\n" if chosen.user != "root" else ""
    text = (
        "---\n# Which machine does what. The groups' names are fixed; a machine may be in several.\n"
        f"all:\n  vars:\n    ansible_user: {chosen.user}\n{become}  children:\n"
    )
    text += _group("slipway_app", "run the services", chosen.machines, others=())
    if chosen.balancers:
        text += _group("slipway_proxy", "customers connect here", chosen.balancers, others=chosen.machines)
    else:
        text += "    # slipway_proxy is left out: the balancer is somebody else's, and nothing is shifted.\n"
    return text


def _group(name: str, what: str, machines: t.Sequence[Machine], others: t.Sequence[Machine]) -> str:
    lines = [f"    {name}: # {what}", "      hosts:"]
    for machine in machines:
        about = f" {{ansible_host: {machine.address}}}" if machine.address and machine not in others else ""
        lines.append(f"        {machine.name}:{about}")
    return "\n".join(lines) + "\n"


def next_steps(chosen: Choices, directory: str) -> list[str]:
    """What to do now, for the terminal."""
    environment = chosen.environment
    steps = [f"cd {directory}", f"{'$EDITOR'} {environment}/group_vars/all/slipway.yml"]
    if f"{environment}/group_vars/all/vault.yml.example" in files(chosen):
        steps.append(f"cp {environment}/group_vars/all/vault.yml.example {environment}/group_vars/all/vault.yml")
        steps.append(f"ansible-vault encrypt {environment}/group_vars/all/vault.yml")
    steps.append(f"ansible-playbook provision.yml -i {environment}")
    steps += [
        f"ansible-playbook deploy.yml -i {environment} -e slipway_version=1.0.0{more}"
        for more in (" --check --diff", "")
    ]
    return ["Next:", *(f"  {step}" for step in steps)]
