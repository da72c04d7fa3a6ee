# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a HAProxy, each with a named cause and a remedy (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from .haproxy_files import Files, Settings
from .haproxy_socket import HaproxySocket, Row
from .processes import Processes

RELOADING = 0.5  # seconds in which a socket that is being replaced answers again


class Problems:
    """Looks for what speaks against using this proxy."""

    def __init__(self, settings: Settings, socket: HaproxySocket, files: Files, processes: Processes) -> None:
        self._settings = settings
        self._socket = socket
        self._files = files
        self._processes = processes

    def find(self) -> SlipwayError | None:
        """Why nothing can be done with this proxy, or None.

        C(unprovisioned): it runs with our directory, in which nothing is yet. The first platform brings the socket.
        """
        try:
            level = self._socket.ask("show cli level", patience=RELOADING).strip()
        except SlipwayError as error:
            return self._diagnose(error)
        if level != "admin":
            return SlipwayError(
                "the stats socket does not allow changes",
                obj=self._settings.socket,
                actual=level,
                wanted="level admin",
                remedy="Remove the other 'stats socket' line for this path; Slipway's own has 'level admin'.",
                cause="socket_not_writable",
            )
        return None

    def not_loaded(self) -> SlipwayError:
        """C(not_loaded): the file of the platform is there, and HAProxy knows nothing of it."""
        return SlipwayError(
            "on disk, but HAProxy runs without it",
            obj=self._files.path,
            remedy="Reload HAProxy, or run traffic_switch: it does.",
            cause="not_loaded",
        )

    def _diagnose(self, error: SlipwayError) -> SlipwayError:
        if error.cause == "socket_not_writable":
            error.remedy = "Connect as root or set become: true."
            return error
        running = self._processes.named("haproxy")
        if not running:
            return SlipwayError(
                "HAProxy is not running",
                obj=self._settings.socket,
                remedy="Start it: systemctl start haproxy, and see 'journalctl -u haproxy' if it will not.",
                cause="proxy_not_running",
            )
        if not any(self._settings.config_dir in argument for one in running for argument in one.argv):
            return SlipwayError(
                "HAProxy runs without Slipway's part of its configuration",
                obj=self._settings.config_dir,
                actual=" ".join(running[0].argv),
                wanted=f"-f {self._settings.config_dir}",
                remedy="Run slipway.deploy.provision (the systemd drop-in), then restart HAProxy once.",
                cause="drop_in_missing",
            )
        if not self._files.shared_is_current():
            return SlipwayError("nothing is loaded yet", obj=self._settings.config_dir, cause="unprovisioned")
        error.remedy = "Reload HAProxy: systemctl reload haproxy; it then makes the socket again."
        return error


def gate_error(waiting: t.Mapping[str, Row | None], seconds: float) -> SlipwayError:
    """C(gate): these servers are not seen healthy; a server without a row is not in the proxy."""
    seen = {
        name: f"{row.status} {row.check} {row.check_text}".strip() if row else "not in the proxy"
        for name, row in waiting.items()
    }
    return SlipwayError(
        "the proxy does not see these servers healthy, so they get no traffic",
        obj=", ".join(seen),
        actual="; ".join(seen.values()),
        wanted=f"UP or DRAIN by a passed check (L7OK) within {seconds:g} s",
        remedy="Is the port reachable from this machine, and does the check's path answer with a status wanted?",
        cause="gate",
        evidence={"servers": seen},
    )
