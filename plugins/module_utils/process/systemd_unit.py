# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a template unit and of its environment files (private to the collection).

Rules of quoting: systemd.syntax(7), systemd.service(5) "Command lines", systemd.exec(5) C(EnvironmentFile).
"""

from __future__ import annotations

import json
import re
import typing as t

from ..errors import SlipwayError
from ..side.options import invalid
from .spec import Labels, Program, Service
from .systemd_socket import unit_lines

MARK = "# slipway: "

#: What a program may not do unless C(unit) of the service says so. systemd-analyze security explains each.
HARDENED: dict[str, t.Any] = {
    "CapabilityBoundingSet": "",
    "KillMode": "control-group",
    "LockPersonality": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectSystem": "strict",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0027",
}

#: Directives of systemd that are Slipway's own, and why.
RESERVED = {
    "ExecStart": "use command of the service",
    "Type": "use notify of the service",
    "User": "use user of the service",
    "DynamicUser": "it is set where the service has no user",
    "WorkingDirectory": "it is the directory of the release",
    "Environment": "use env of the service",
    "EnvironmentFile": "use env and env_secrets of the service",
    "LoadCredential": "use secrets of the service",
    "Sockets": "use socket of the service",
    "Restart": "the live side is started again whatever ends it, and Slipway counts how often",
    "TimeoutStopSec": "use stop_grace of the service",
    "TimeoutStartSec": "use start_limit of the service",
}

_DIRECTIVE = re.compile(r"[A-Z][A-Za-z]*")
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_IN_DOUBLE_QUOTES = re.compile(r'(["\\`$])')


def unit_text(program: Program, environment_directory: str) -> str:
    """The template unit of a program; C(%i) is the number of the replica."""
    service, labels = program.service, program.labels
    who = {"User": service.user} if service.user else {"DynamicUser": "yes"}
    needs, sockets = unit_lines(program)
    directives: dict[str, t.Any] = {
        "Type": "notify" if service.notify else "exec",
        **who,
        "WorkingDirectory": _path(labels.tree),
        "ExecStart": " ".join(_word(word) for word in program.command),
        "EnvironmentFile": _path(f"{environment_directory}/") + "%i",
        "LoadCredential": [f"{name}:{_path(path)}" for name, path in sorted(program.secret_files.items())],
        "Restart": "always",
        "RestartSec": "1",
        **sockets,
        "TimeoutStartSec": f"{service.start_limit:g}",
        "TimeoutStopSec": f"{service.stop_grace:g}",
        **HARDENED,
        **service.unit,
    }
    directives["ReadWritePaths"] = [
        *(_path(path) for path in program.writable),
        *_listed(service.unit.get("ReadWritePaths")),
    ]
    lines = [
        "# Written by Slipway; the next release writes it anew.",
        MARK + json.dumps(labels._asdict(), sort_keys=True),
        "[Unit]",
        f"Description=Slipway {labels.platform} {labels.environment}: {labels.service} %i, {labels.side}",
        "After=network.target",
        *needs,
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        *(line for key in directives for line in _lines(key, directives[key])),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def refuse_unknown(service: Service) -> None:
    """Refuse directives that are Slipway's own, and what cannot be one.

    :raises SlipwayError: C(invalid), naming the directive.
    """
    for key, value in service.unit.items():
        where = f"services.{service.name}.unit.{key}"
        if key in RESERVED:
            raise SlipwayError(
                "this directive cannot be set", obj=where, remedy=f"Remove it: {RESERVED[key]}.", cause="invalid"
            )
        if not _DIRECTIVE.fullmatch(key):
            raise invalid(where, value, "a directive of systemd.service or systemd.exec, like MemoryMax")


def read_labels(text: str) -> Labels | None:
    """What a unit says of itself; None for one that Slipway did not write."""
    for line in text.splitlines()[:3]:
        if line.startswith(MARK):
            try:
                return Labels(**json.loads(line[len(MARK) :]))
            except (ValueError, TypeError):
                return None
    return None


def environment_text(environment: t.Mapping[str, str]) -> str:
    """Variables as C(EnvironmentFile) reads them.

    :raises SlipwayError: C(invalid) for a value that it cannot hold.
    """
    for name, value in environment.items():
        if any(character in value for character in "\0\ufeff"):
            raise SlipwayError(
                "systemd cannot hand over this value",
                obj=name,
                wanted="text without NUL and without U+FEFF",
                remedy="Give it as one of secrets, which are files.",
                cause="invalid",
            )
    quoted = {name: _IN_DOUBLE_QUOTES.sub(r"\\\1", value) for name, value in sorted(environment.items())}
    return "".join(f'{name}="{value}"\n' for name, value in quoted.items())


def credential_path(unit: str, secret: str) -> str:
    """Where a process finds a secret: systemd puts it there for that unit alone."""
    return f"/run/credentials/{unit}/{secret}"


def _listed(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _lines(key: str, value: t.Any) -> list[str]:
    if isinstance(value, list):
        return [f"{key}={_plain(item)}" for item in value]
    return [f"{key}={_plain(value)}"]


def _plain(value: t.Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _path(path: str) -> str:
    return path.replace("%", "%%")


def _word(word: str) -> str:
    """One word of a command line, literal but for C(${NAME})."""
    parts, position = [], 0
    for found in _PLACEHOLDER.finditer(word):
        parts += [_literal(word[position : found.start()]), found.group()]
        position = found.end()
    text = "".join([*parts, _literal(word[position:])])
    return f'"{text}"'


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
