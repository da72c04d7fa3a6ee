# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's command line on its UNIX socket, and what it answers (private to the collection).

Source of every format here: HAProxy Management Guide 2.6, section 9.1 (CSV) and 9.3 (UNIX socket commands).
"""

from __future__ import annotations

import csv
import re
import socket
import typing as t

from ..errors import SlipwayError
from ..system import System
from .model import side_of

COMMAND_BYTES = 8000  # one line must fit into the CLI's buffer (tune.bufsize, 16384 less its reserve)
ANSWER_SECONDS = 5.0

_ADDRESS_CHANGED = ("by 'stats socket command'", "no need to change")


class ServerState(t.NamedTuple):
    """One line of C(show servers state): the truth about address, administrative state and weight."""

    backend: str
    name: str
    address: str
    port: int
    admin: int
    weight: int


class Row(t.NamedTuple):
    """The columns of one server in C(show stat) that decisions are made from."""

    backend: str
    server: str
    status: str
    check: str
    check_text: str
    sessions: int
    queue: int
    weight: int
    requests: int
    failed_5xx: int
    failed_connections: int
    failed_responses: int

    @property
    def ready(self) -> bool:
        """Up, and by a passed HTTP check.

        Up and without weight reads C(UP) in 2.6 and C(DRAIN) where it is shown as draining; composite statuses
        (C(UP 1/2), C(DOWN 1/2)) are on their way somewhere, even when the last check passed.
        """
        return self.status in ("UP", "DRAIN") and self.check == "L7OK"

    @property
    def down(self) -> bool:
        """Taken out by failed checks (not by a person's maintenance)."""
        return self.status.startswith("DOWN")


class HaproxySocket:
    """Commands in, answers out. Each call is one connection and one round trip."""

    def __init__(self, system: System, path: str) -> None:
        self.path = path
        self._system = system

    def ask(self, command: str, *, patience: float = 0.0) -> str:
        """Send a line (commands joined by C(;)) and read the answer to its end.

        :param patience: seconds to try again for, while a reload replaces the socket.
        :raises SlipwayError: C(socket_missing), C(socket_refused), C(socket_not_writable) or C(socket).
        """
        deadline = self._system.monotonic() + patience
        while True:
            try:
                return self._exchange(command.encode() + b"\n").decode(errors="replace")
            except FileNotFoundError as error:
                raise self._error(error, "socket_missing") from None
            except (ConnectionRefusedError, ConnectionResetError) as error:
                if self._system.monotonic() >= deadline:
                    raise self._error(error, "socket_refused") from None
                self._system.sleep(0.02)
            except PermissionError as error:
                raise self._error(error, "socket_not_writable") from None
            except OSError as error:
                raise self._error(error, "socket") from None

    def order(self, commands: t.Sequence[str]) -> None:
        """Send commands that answer nothing when they succeed, in as few round trips as fit.

        :raises SlipwayError: C(proxy_refused) with HAProxy's own words.
        """
        for line in chunks(commands, COMMAND_BYTES):
            said = [text.strip() for text in self.ask(line, patience=1.0).splitlines() if text.strip()]
            refused = [text for text in said if not any(fine in text for fine in _ADDRESS_CHANGED)]
            if refused:
                raise SlipwayError(
                    "HAProxy refused a command",
                    obj=self.path,
                    actual="; ".join(refused),
                    cause="proxy_refused",
                    evidence={"commands": line},
                )

    def servers(self, *, patience: float = 1.0) -> list[ServerState]:
        """C(show servers state) of all backends."""
        return parse_servers_state(self.ask("show servers state", patience=patience))

    def rows(self) -> list[Row]:
        """C(show stat), the servers only."""
        return parse_stat(self.ask("show stat", patience=1.0))

    def info(self, *, patience: float = 1.0) -> dict[str, str]:
        """C(show info)."""
        return parse_info(self.ask("show info", patience=patience))

    def variable(self, name: str, *, patience: float = 1.0) -> str:
        """C(get var): the text of a process-wide variable, empty where there is none."""
        return parse_variable(self.ask(f"get var {name}", patience=patience))

    def _exchange(self, line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(ANSWER_SECONDS)
            stream.connect(self.path)
            stream.sendall(line)
            parts: list[bytes] = []
            while True:
                part = stream.recv(65536)
                if not part:
                    return b"".join(parts)
                parts.append(part)

    def _error(self, error: OSError, cause: str) -> SlipwayError:
        return SlipwayError(
            "HAProxy's stats socket does not answer",
            obj=self.path,
            actual=error.strerror or str(error),
            wanted="a connection",
            cause=cause,
        )


def chunks(commands: t.Sequence[str], size: int) -> list[str]:
    """Join commands by C(;) into as few lines as possible, none longer than ``size`` unless one command is."""
    lines: list[str] = []
    for command in commands:
        if lines and len(lines[-1]) + 1 + len(command) <= size:
            lines[-1] += ";" + command
        else:
            lines.append(command)
    return lines


def parse_servers_state(text: str) -> list[ServerState]:
    """Parse C(show servers state); lines that are not whole are left out."""
    columns: list[str] = []
    states = []
    for line in text.splitlines():
        if line.startswith("#"):
            columns = line[1:].split()
        fields = line.split()
        if not columns or len(fields) != len(columns) or line.startswith("#"):
            continue
        row = dict(zip(columns, fields))
        numbers = [row.get(name, "") for name in ("srv_port", "srv_admin_state", "srv_uweight")]
        if all(number.isdecimal() for number in numbers) and "be_name" in row and "srv_name" in row:
            port, admin, weight = map(int, numbers)
            states.append(ServerState(row["be_name"], row["srv_name"], row.get("srv_addr", ""), port, admin, weight))
    return states


def state_file(text: str, backend: str) -> str:
    """Make of C(show servers state) what one backend's state file holds.

    HAProxy takes a weight from the file only where C(srv_iweight) equals the configuration's weight (C(srv_iweight)
    is what the process was *started* with). After two switches within one process's life, an older file would match
    again and bring back the other side. Here C(srv_iweight) becomes the weight at run time, so a file that does not
    say the same as the configuration is never believed: the configuration alone decides.
    """
    kept = []
    iweight = uweight = -1
    for line in text.splitlines():
        fields = line.split()
        if line.startswith("#"):
            names = fields[1:] if fields[0] == "#" else []
            iweight = names.index("srv_iweight") if "srv_iweight" in names else -1
            uweight = names.index("srv_uweight") if "srv_uweight" in names else -1
            kept.append(line)
        elif len(fields) == 1:
            kept.append(line)  # the format's version
        elif len(fields) > max(1, iweight, uweight) and fields[1] == backend and iweight >= 0 <= uweight:
            fields[iweight] = fields[uweight]
            kept.append(" ".join(fields))
    return "\n".join(kept) + "\n"


def parse_stat(text: str) -> list[Row]:
    """Parse the CSV of C(show stat) by its own header; frontends and totals of backends are left out."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("# "):
        return []
    lines[0] = lines[0][2:]
    return [_row(fields) for fields in csv.DictReader(lines) if fields.get("type") == "2"]


def parse_info(text: str) -> dict[str, str]:
    """Parse C(show info): C(Name: value) lines."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def parse_variable(text: str) -> str:
    """Parse what C(get var) says of a text (C(proc.x: type=str value=<…>))."""
    match = re.search(r": type=str value=<([^>\n]*)>", text)
    return match[1] if match else ""


def seen_server(row: Row, states: t.Mapping[tuple[str, str], ServerState], prefix: int) -> dict[str, t.Any]:
    """One server as a status tells it.

    :param prefix: how long the part of its backend's name is that the platform makes.
    """
    key = (row.backend[prefix:], row.server)
    state = states.get(key)
    return {
        "service": key[0],
        "name": row.server,
        "side": side_of(row.server),
        "address": state.address if state else "",
        "port": state.port if state else 0,
        "weight": row.weight,
        "status": row.status,
        "check": row.check,
        "sessions": row.sessions,
    }


def _row(fields: t.Mapping[str | None, t.Any]) -> Row:
    def text(name: str) -> str:
        return fields.get(name) or ""

    def number(name: str) -> int:
        value = text(name)
        return int(value) if value.isdecimal() else 0

    return Row(
        backend=text("pxname"),
        server=text("svname"),
        status=text("status"),
        check=text("check_status").replace("* ", ""),  # the star says that a check is under way
        check_text=(text("last_chk") or text("check_desc")),
        sessions=number("scur"),
        queue=number("qcur"),
        weight=number("uweight") if text("uweight") else number("weight"),
        requests=number("stot"),
        failed_5xx=number("hrsp_5xx"),
        failed_connections=number("econ"),
        failed_responses=number("eresp"),
    )
