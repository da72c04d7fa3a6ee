# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that starts one replica, for managers that hand over no files and change no user (private to the collection).

It holds the environment, secrets included, and is for root alone: root's manager runs it, and it becomes the program, as the
user of the service. So no secret is in the manager's configuration, in an argument, or in what the manager says of a process.
Quoting: POSIX shell, 2.2.2 (single quotes) and 2.2.3 (double quotes). Statuses 126 and 127: setpriv(1), as a shell has them.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from .owners import become, user_ids
from .spec import Program, Service

#: All that a program finds in its environment besides its own; what the manager itself was started with is nobody's business.
CLEAN = ("/usr/bin/env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
LAST = "# From here on it is the program, as its user."  # stands above the last command of a script
STATUSES = {
    125: "its user or its directory cannot be entered",
    126: "its program cannot be executed",
    127: "its program cannot be executed",
}
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_IN_DOUBLE_QUOTES = re.compile(r'(["\\`$])')


StartText = t.Callable[[Program, t.Mapping[str, str]], str]


class Launchers:
    """The scripts of all programs of a platform: C(environment/<program>/N), 0600 in directories 0700."""

    def __init__(self, system: System, base: str) -> None:
        self._system = system
        self._directory = os.path.join(base, "environment")

    def path(self, program: str, number: int, suffix: str = "") -> str:
        """The script of one replica."""
        return os.path.join(self._directory, program, f"{number}{suffix}")

    def texts(self, program: Program, text: StartText, suffix: str = "") -> dict[str, bytes]:
        """Path → content, of every replica.

        :raises SlipwayError: C(invalid) for a value that cannot be in an environment.
        """
        return {
            self.path(program.name, number, suffix): text(program, environment).encode()
            for number, environment in enumerate(program.environments, 1)
        }

    def write(self, program: Program, texts: t.Mapping[str, bytes]) -> None:
        """Make the directory of a program hold exactly these."""
        self._system.make_directory(os.path.join(self._directory, program.name))
        for path, data in texts.items():
            self._system.replace_file(path, data)
        for name in os.listdir(os.path.join(self._directory, program.name)):
            path = os.path.join(self._directory, program.name, name)
            if path not in texts:
                self._system.unlink(path)

    def forget(self, program: str) -> None:
        """Remove them."""
        shutil.rmtree(os.path.join(self._directory, program), ignore_errors=True)


def refuse_without_user(service: Service, manager: str) -> None:
    """Only systemd makes up a user.

    :raises SlipwayError: C(invalid).
    """
    if not service.user:
        raise SlipwayError(
            f"{manager} makes up no user for a program, and root is no user for one",
            obj=f"services.{service.name}.user",
            remedy="Name the user that it shall run as.",
            cause="invalid",
        )


def refuse_socket(service: Service, manager: str) -> None:
    """Only systemd listens for a program.

    :raises SlipwayError: C(invalid).
    """
    if service.socket:
        raise SlipwayError(
            f"{manager} holds no socket for a program",
            obj=f"services.{service.name}.socket",
            wanted="systemd as its manager",
            remedy="Remove it: the program listens at PORT by itself.",
            cause="invalid",
        )


def start_text(program: Program, environment: t.Mapping[str, str]) -> str:
    """What starts one replica.

    :raises SlipwayError: C(invalid) for a value with NUL, which no environment can hold.
    """
    service = program.service
    words = [*become(service.user, f"services.{service.name}.user"), *(_word(word) for word in program.command)]
    lines = [
        "# Written by Slipway; the next release writes it anew.",
        "umask 027",
        f"cd {_literal(program.labels.tree)} || exit 125",
        *(f"export {name}={_literal(value)}" for name, value in sorted(variables(service.user, environment).items())),
        LAST,
        f"exec {' '.join(words)}",
    ]
    return "\n".join(lines) + "\n"


def variables(user: str, environment: t.Mapping[str, str]) -> dict[str, str]:
    """The environment of a replica, with what every program of a user finds there.

    :raises SlipwayError: C(invalid) for a value with NUL, which no environment can hold.
    """
    who = pwd.getpwuid(user_ids(user, "user")[0])
    for name, value in environment.items():
        if "\0" in value:
            raise SlipwayError(
                "no environment can hold this value",
                obj=name,
                wanted="text without NUL",
                remedy="Give it as one of secrets, which are files.",
                cause="invalid",
            )
    return {"HOME": who.pw_dir, "USER": who.pw_name, "LOGNAME": who.pw_name, **environment}


def _literal(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _word(word: str) -> str:
    """One word of a command line, literal but for C(${NAME})."""
    parts, position = [], 0
    for found in _PLACEHOLDER.finditer(word):
        parts += [_IN_DOUBLE_QUOTES.sub(r"\\\1", word[position : found.start()]), found.group()]
        position = found.end()
    return '"' + "".join([*parts, _IN_DOUBLE_QUOTES.sub(r"\\\1", word[position:])]) + '"'
