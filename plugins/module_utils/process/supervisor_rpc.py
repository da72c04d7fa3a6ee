# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Supervisor is, and its XML-RPC on a Unix socket (private to the collection).

Methods and faults: Supervisor's manual, "XML-RPC API Documentation", and C(supervisor/xmlrpc.py), class C(Faults).
"""

from __future__ import annotations

import base64
import configparser
import http.client
import os
import socket
import typing as t
import xmlrpc.client  # root's own supervisord, on a socket that root alone may use

from ..errors import SlipwayError

CALL = 60.0  # seconds for a call
BAD_NAME, SPAWN_ERROR, ALREADY_STARTED, NOT_RUNNING, ALREADY_ADDED, STILL_RUNNING = 10, 50, 60, 70, 90, 91
NO_FILE, CANT_REREAD = 20, 92


class Place(t.NamedTuple):
    """Where a distribution's package has Supervisor."""

    configuration: str
    programs: str
    suffix: str  # of the files in that directory that count
    socket: str


#: Debian and Ubuntu; EPEL.
PLACES = (
    Place("/etc/supervisor/supervisord.conf", "/etc/supervisor/conf.d", ".conf", "/var/run/supervisor.sock"),
    Place("/etc/supervisord.conf", "/etc/supervisord.d", ".ini", "/run/supervisor/supervisor.sock"),
)


def find_place(places: t.Sequence[Place] = PLACES) -> Place:
    """The one of this machine; without any, that of Debian."""
    return next((place for place in places if os.path.isdir(place.programs)), places[0])


class Supervisord:
    """The running supervisord."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def ask(self, method: str, *arguments: t.Any, fine: t.Container[int] = ()) -> t.Any:
        """Call a method of the namespace C(supervisor).

        :param fine: faults that mean that there is nothing to do; None is returned for them.
        :raises SlipwayError: C(manager_missing) when nobody answers, C(manager) for any other fault.
        """
        path, login = self._address()
        proxy = xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_Transport(path, login), allow_none=True)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in fine:
                return None
            raise _refused(method, arguments, fault) from None
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise missing(f"supervisord does not answer at {path}: {_reason(error)}") from None

    def _address(self) -> tuple[str, str]:
        """Socket, and name and password; as the configuration has them."""
        parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
        try:
            parser.read(self._place.configuration, encoding="utf-8")
        except configparser.Error as error:
            raise missing(f"{self._place.configuration} cannot be read: {error.message}") from None
        section = "unix_http_server"
        path = parser.get(section, "file", fallback=self._place.socket)
        name, password = (parser.get(section, key, fallback="") for key in ("username", "password"))
        return path, f"{name}:{password}" if name else ""


def missing(found: str) -> SlipwayError:
    """The error for a machine where Supervisor cannot be used."""
    return SlipwayError(
        "Supervisor cannot run programs here",
        actual=found,
        wanted="Supervisor 4 or newer, running",
        remedy="Install the package supervisor and start its service, or choose another manager for this machine.",
        cause="manager_missing",
    )


def _refused(method: str, arguments: t.Sequence[t.Any], fault: xmlrpc.client.Fault) -> SlipwayError:
    remedy = "See the log of supervisord."
    if fault.faultCode == CANT_REREAD:
        remedy = "Correct the configuration that it names; nobody can load anything before."
    return SlipwayError(
        "Supervisor refused",
        obj=" ".join([method, *(str(argument) for argument in arguments[:1])]),
        actual=str(fault.faultString)[-500:],
        remedy=remedy,
        cause="manager",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, xmlrpc.client.ProtocolError):
        return f"{error.errcode} {error.errmsg}"
    return getattr(error, "strerror", None) or type(error).__name__


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CALL)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CALL)
        self.sock.connect(self._path)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: str, login: str) -> None:
        token = base64.b64encode(login.encode()).decode()
        super().__init__(headers=[("Authorization", f"Basic {token}")] if login else [])
        self._path = path

    def make_connection(self, host: t.Any) -> http.client.HTTPConnection:
        return _Connection(self._path)
