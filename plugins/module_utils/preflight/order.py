# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is to be examined for, by its part in the platform; controller-only (private to the collection)."""

from __future__ import annotations

import ipaddress
import typing as t
import urllib.parse

PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
PROGRAMS = {
    "postgresql": ["pg_dump", "pg_restore", "psql"],
    "mysql": ["mysqldump or mariadb-dump", "mysql or mariadb"],
    "mariadb": ["mysqldump or mariadb-dump", "mysql or mariadb"],
}
Config = t.Mapping[str, t.Any]


def order(config: Config, machine: str) -> dict[str, t.Any]:
    """The options of the module for a machine.

    :param config: as validated; empty where it cannot be used, and then only what every machine needs is looked at.
    """
    about = (config.get("machines") or {}).get(machine)
    if about is None:
        return {}
    database = config.get("database") or {}
    address = server(database)
    keeps, works = _keeps(database, machine), _works(config, database, machine)
    return {
        "root": config["state_root"],
        "names": sorted({name for name in _asked_for(config, about, address, works) if not _is_address(name)}),
        "publishes": list(about["ports"]),
        "reaches": [f"{address[0]}:{address[1]}"] if works and address else [],
        "programs": PROGRAMS.get(database.get("engine", ""), []) if keeps else [],
        "engine": "app" in about["parts"] and config.get("model", "container") == "container",
    }


def server(database: Config) -> tuple[str, int] | None:
    """Host and port of the database; None where it is a file, a socket, or written in another form than a URL."""
    try:
        parts = urllib.parse.urlsplit(str(database.get("url") or ""))
        port = parts.port or PORTS.get(str(database.get("engine")), 0)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def _keeps(database: Config, machine: str) -> bool:
    """Whether it takes dumps with programs of its own."""
    backup = database.get("backup") or {}
    other = any(backup.get(name) for name in ("run_in", "physical", "snapshot"))
    return bool(backup) and backup.get("host") == machine and not other


def _works(config: Config, database: Config, machine: str) -> bool:
    """Whether it connects to the database itself, and not a container on it."""
    backup, migrations = database.get("backup") or {}, config.get("migrations") or {}
    backs_up = backup.get("host") == machine and not backup.get("run_in")
    migrates = migrations.get("host") == machine and not (migrations.get("options") or {}).get("container")
    return backs_up or migrates


def _asked_for(config: Config, about: Config, address: tuple[str, int] | None, works: bool) -> t.Iterator[str]:
    """The names that the resolver of this machine is asked for in a release."""
    if works and address:
        yield address[0]
    if "proxy" in about["parts"]:
        yield from (other["address"] for other in config["machines"].values() if other["services"])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
