# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a new site, with a comment for each that one may want to change; controller-only (private to the collection)."""

from __future__ import annotations

from .choices import Choices

_HEAD = """\
---
# The whole platform. Everything that is not written here has a default that is safe: docs/configuration.md of the collection.
slipway_platform: @platform@
slipway_environment: @environment@
"""

_CONTAINER = """\

# The version comes with the command: ansible-playbook deploy.yml -i @environment@ -e slipway_version=1.0.0
slipway_services:
  @service@:
    # Pulled from its registry, unless the machine has it already.
    image: "@image@:{{ slipway_version }}"
    port: @port@ # that the program listens on, inside its container
"""

_PROCESS = """\

# Without containers: the code is sent to the machines, built there, and run by systemd.
slipway_model: process

# The version comes with the command: ansible-playbook deploy.yml -i @environment@ -e slipway_version=1.0.0
slipway_services:
  @service@:
    # The directory src of this site; or a git repository: {kind: git, repository: …, tag: "v{{ slipway_version }}"}
    source: {kind: directory, path: src}
    # build: # in the directory of the release, before it sees traffic; needs user
    #   - {command: [python3, -m, venv, .venv]}
    #   - {command: [.venv/bin/pip, install, --requirement, requirements.txt]}
    # user: @platform@
    command: [python3, app.py] # listens on the port in PORT, another one for each replica
    port: @port@
"""

_SERVICE = """\
    replicas: 1 # on each machine
    health: {path: @health@} # answers 200 when the program can serve
    # What must work before customers see a version:
    # smoke: [{path: /, contains: "a text of your first page"}]
    # env: {LOG_LEVEL: info}
"""

_WORKER = """\
  # A service without a port is a worker; at the switch the old one finishes its job, then the new one takes over:
  # worker:
"""

_SECRETS = """\

# Their values are in vault.yml beside this file: see vault.yml.example. Of these lines nothing is secret.
slipway_secrets:
  DATABASE_URL: "{{ vault_database_url }}"
"""

_TRAFFIC = """\

slipway_traffic:
  provider: haproxy
  listen: 80
  # routes: [{path: /, service: @service@}] # needed when several services have traffic
"""

_WATCH = """\

# After the switch real traffic is watched this long; too many errors, and it goes back.
slipway_watch: {bake: 10s}
# What is open on the old side may go on this long; then the program gets SIGTERM.
slipway_drain: {deadline: 10s}
"""

_DATABASE = """\

# Every release waits for a backup that was restored and compared: docs/backups.md. Without `backup` none is taken.
slipway_database:
  engine: @database@
  url: @url@
  backup:
    store: {path: /var/backups/@platform@}
    retention: {last: 3, daily: 14, monthly: 12}
"""

# Where the migrations of each tool are: files of the site, or in what is released.
_FILES = """\

# Applied before a new version starts: docs/migrations.md. The old version must live with what they change.
slipway_migrations:
  tool: @migrations@
  path: @path@ # below this site
"""
_IN_IMAGE = """\

# Those that the new image has are applied before a new version starts: docs/migration_tools.md. The old version must live with what
# they change.
slipway_migrations:
  tool: @migrations@
  run_in: container
"""

_VAULT = """\
---
# Copy it to vault.yml, write the values, and encrypt it:
#   cp @environment@/group_vars/all/vault.yml.example @environment@/group_vars/all/vault.yml
#   ansible-vault encrypt @environment@/group_vars/all/vault.yml
# Later: ansible-vault edit @environment@/group_vars/all/vault.yml
vault_database_url: @scheme@://@platform@:PASSWORD@10.0.0.20/@platform@
"""


def text(chosen: Choices) -> str:
    """C(group_vars/all/slipway.yml)."""
    parts = [_HEAD, _CONTAINER if chosen.model == "container" else _PROCESS, _SERVICE]
    server = chosen.database not in ("none", "sqlite")
    if server:
        parts.append("    secrets: [DATABASE_URL] # the program finds it as a file, named in DATABASE_URL_FILE\n")
    parts.append(_WORKER)
    parts.append(f"  #   {_worker_of(chosen)}\n")
    parts += [_SECRETS] if server else []
    parts += [_TRAFFIC] if chosen.balancers else []
    parts.append(_WATCH)
    parts += [_DATABASE] if chosen.database != "none" else []
    if chosen.migrations != "none":
        parts.append(_IN_IMAGE if chosen.model == "container" and chosen.migrations != "sql" else _FILES)
    return _filled("".join(parts), chosen)


def vault(chosen: Choices) -> str:
    """An example of what is encrypted."""
    return _filled(_VAULT, chosen)


def _worker_of(chosen: Choices) -> str:
    if chosen.model == "container":
        return '{image: "@image@:{{ slipway_version }}", command: [python3, -m, worker], traffic: false}'
    return "{code: @service@, command: [python3, worker.py], traffic: false}"


def _filled(template: str, chosen: Choices) -> str:
    path = "migrations" if chosen.migrations == "sql" else "src"
    url = f"sqlite:////var/lib/{chosen.platform}/{chosen.platform}.db"
    words = {
        **chosen._asdict(),
        "path": path,
        "url": url if chosen.database == "sqlite" else '"{{ vault_database_url }}"',
        "scheme": "postgresql" if chosen.database == "postgresql" else "mysql",
    }
    for name, value in words.items():
        template = template.replace(f"@{name}@", str(value))
    return template
