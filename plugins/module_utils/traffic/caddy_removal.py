# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caddy's running configuration beside a platform: without it, and who has its address (private to the collection)."""

from __future__ import annotations

import copy
import typing as t

from . import caddy_config as config
from . import caddy_tls as tls
from .listening import overlaps


def without(running: t.Mapping[str, t.Any], platform: str, environment: str) -> dict[str, t.Any]:
    """What runs, without our parts; everything else stays as it is."""
    left: dict[str, t.Any] = copy.deepcopy(dict(running))
    there = config.find_ours(running, platform, environment)
    if there is None:
        return left
    for name in filter(None, (there.server_name, there.plain_name)):
        del left["apps"]["http"]["servers"][name]
    tls.put_files(left, f"{platform}-{environment}", [])
    logs = (left.get("logging") or {}).get("logs") or {}
    logs.pop(there.log_name, None)
    excluded = (logs.get("default") or {}).get("exclude") or []
    if f"http.log.access.{there.log_name}" in excluded:
        excluded.remove(f"http.log.access.{there.log_name}")
    return left


def listens(running: t.Mapping[str, t.Any], bind: str, port: int) -> str:
    """The name of a server that listens there already; empty where none does."""
    servers = ((running.get("apps") or {}).get("http") or {}).get("servers") or {}
    for name, server in servers.items():
        places = [str(address).rpartition(":") for address in server.get("listen") or ()]
        if any(number == str(port) and overlaps(address, bind) for address, _colon, number in places):
            return str(name)
    return ""
