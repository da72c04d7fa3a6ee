# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that is run once as a replica's process is run: in a transient unit of systemd (private to the collection).

What starts the replica is the one truth of how: its unit, or with Supervisor and PM2 the script that becomes its program.
systemd-run(1) waits for the end, hands on what is written, and gives back the exit status; nothing of the unit is left.
"""

from __future__ import annotations

import os
import typing as t

from ..errors import SlipwayError
from ..state.journal import file_errors
from ..system import System
from .launch import CLEAN, LAST
from .owners import SETPRIV
from .supervisor_state import number_of, program_of
from .systemd_unit import credential_path, read_labels

UNITS = "/etc/systemd/system"
# What concerns a program that goes on, is started again, or is reached by others.
_LEFT_OUT = (
    "NotifyAccess", "OOMPolicy", "PIDFile", "RemainAfterExit", "Restart", "RestartSec", "RuntimeMaxSec", "Sockets", "StandardError",
    "StandardInput", "StandardOutput", "SuccessExitStatus", "TimeoutStartSec", "Type", "WatchdogSec",
)  # fmt: skip


class Client(t.NamedTuple):
    """A command of this machine that runs another one: it has its output and its exit status."""

    argv: list[str]
    reads: bytes = b""  # from its standard input; the other one finds nothing there


def unit_client(system: System, replica: str, name: str, command: t.Sequence[str], *, timeout: float) -> Client:
    """As the unit of a replica says.

    :param replica: the name of a unit, C(PROGRAM@N.service).
    :param name: of the transient unit, without its ending.
    :param timeout: seconds after which systemd ends it.
    :raises SlipwayError: C(nothing_there) when there is no such unit of Slipway's.
    """
    program, _at, number = replica.removesuffix(".service").partition("@")
    path = os.path.join(UNITS, f"{os.path.basename(program)}@.service")
    with file_errors(path):
        text = (system.read_file(path) or b"").decode()
    if read_labels(text) is None or not number:
        raise SlipwayError("no unit that Slipway has written", obj=path, actual=replica, cause="nothing_there")
    return Client(words(text, number, name, command, timeout=timeout))


def script_client(
    system: System, base: str, replica: str, name: str, command: t.Sequence[str], *, timeout: float
) -> Client:
    """As the script of a replica says, which a shell reads, with the other command in the place of its own. So no secret is in an
    argument, or in another file.

    :param base: directory of the platform.
    :param replica: the name of a process of Supervisor or PM2, C(PROGRAM-N).
    :raises SlipwayError: C(nothing_there) when there is no such script; C(manager_missing) without systemd.
    """
    path = os.path.join(base, "environment", program_of(replica), number_of(replica))
    with file_errors(path):
        text = (system.read_file(path) or b"").decode() if program_of(replica) else ""
    head, become, own = text.rpartition(f"\n{LAST}\nexec ")
    if not become:
        raise SlipwayError(
            "no script that Slipway has written",
            obj=path,
            actual=replica,
            remedy="Release the version again.",
            cause="nothing_there",
        )
    if not os.path.isdir("/run/systemd/system"):
        raise SlipwayError(
            "this machine was not booted with systemd, which runs a command once and ends all that it has started",
            obj=path,
            remedy="Run the command by hand, as this script runs the program.",
            cause="manager_missing",
        )
    who = f"{own.partition(' -- ')[0]} -- " if own.startswith(SETPRIV) else ""
    script = f'{head}{become}{who}"$@" </dev/null\n'
    shell = [*CLEAN, "/bin/sh", "-s", "--", *map(_literal, command)]
    return Client([*_run(name), f"--property=RuntimeMaxSec={timeout:g}", "--", *shell], script.encode())


def _run(name: str) -> list[str]:
    return ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={name}"]


def _literal(word: str) -> str:
    """systemd puts variables into the words of a command."""
    return word.replace("$", "$$")


def words(text: str, number: str, name: str, command: t.Sequence[str], *, timeout: float) -> list[str]:
    """The same, out of the text of the template unit."""
    argv = _run(name)
    secrets = []
    for key, value in _service(text):
        if key.startswith("Exec") or key in _LEFT_OUT:
            continue
        plain = value.replace("%i", number).replace("%%", "%")
        argv.append(f"--property={key}={plain}")
        if key == "LoadCredential":
            secrets.append(plain.partition(":")[0])
    argv.append(f"--property=RuntimeMaxSec={timeout:g}")
    # What the file of the environment says of them is another unit's.
    own = [f"{secret}_FILE={credential_path(f'{name}.service', secret)}" for secret in secrets]
    return [*argv, "--", "/usr/bin/env", *own, *map(_literal, command)]


def _service(text: str) -> t.Iterator[tuple[str, str]]:
    """The directives of C([Service]), in their order."""
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, _equals, value = line.partition("=")
            yield key.strip(), value.strip()
