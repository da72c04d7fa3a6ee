# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What doctor does on a machine, without Ansible (private to the collection)."""

from __future__ import annotations

import shutil
import typing as t

from ..preflight import looks
from ..preflight.facts import gather
from ..preflight.judge import judge
from ..system import System
from .arguments import Arguments

DOCTOR = Arguments(
    options={
        "config": {"type": "dict", "default": {}},
        "root": {"type": "path", "default": "/var/lib/slipway"},
        "names": {"type": "list", "elements": "str", "default": []},
        "publishes": {"type": "list", "elements": "int", "default": []},
        "reaches": {"type": "list", "elements": "str", "default": []},
        "programs": {"type": "list", "elements": "str", "default": []},
        "engine": {"type": "bool", "default": False},
        "days": {"type": "int", "default": 14},
    },
    required_if=[],
)
Params = t.Mapping[str, t.Any]


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns; it only reads, with and without check mode."""
    facts = examine(params, System())
    findings = judge(facts, params["days"])
    return {"changed": False, "findings": [finding._asdict() for finding in findings], "facts": facts}


def examine(params: Params, system: System) -> dict[str, t.Any]:
    """All facts of this machine that are judged: those that every release reads, and the slower ones."""
    return {
        **gather(system, directories={"state": params["root"]}),
        "systemd": looks.systemd_version(system),
        "locale": looks.utf8_locale(system),
        "security": looks.security_module(),
        "engine": params["engine"],
        "memory_limits": looks.memory_limits(),
        "read_only": [params["root"]] if looks.read_only(params["root"]) else [],
        "first_local_port": looks.first_local_port(),
        "publishes": params["publishes"],
        "sshd": looks.sshd_limits(system),
        "unresolved": looks.unresolved(params["names"]),
        "database": {where: _reached(where) for where in params["reaches"]},
        "missing": [names for names in params["programs"] if not _has_one(names)],
        "certificates": looks.certificates(),
    }


def _reached(where: str) -> str:
    """Why an C(address:port) cannot be reached; empty where it can."""
    address, _colon, port = where.rpartition(":")
    return looks.unreachable(address.strip("[]"), int(port))


def _has_one(names: str) -> bool:
    """Whether one of several programs, of which each would do, is there (C(mysqldump or mariadb-dump))."""
    return any(shutil.which(name) for name in names.split(" or "))
