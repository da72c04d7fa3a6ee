# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that hold secrets: C(secrets/<side>/<service>/NAME), 0400 in directories 0700 (private to the collection).

They survive a reboot, and belong to root, or to the user of the program where the manager hands over no copy.
"""

from __future__ import annotations

import os
import shutil
import typing as t

from ..system import System
from .owners import make_passable
from .spec import Order, Scope, SecretPlaces, Service


class Secrets:
    """The secrets of one service on one side."""

    def __init__(self, system: System, order: Order, service: Service) -> None:
        self._system = system
        self._base = order.scope.base
        self._directory = directory(order.scope, order.side, service.name)
        self._values = {name: order.secrets[name] for name in service.secrets if name in order.secrets}

    def places(self, seen: t.Callable[[int, str, str], str]) -> SecretPlaces:
        """Where they are.

        :param seen: number of the replica, name and stored file → file as the process sees it.
        """
        stored = {name: os.path.join(self._directory, name) for name in self._values}
        return SecretPlaces(stored, lambda number, name: seen(number, name, stored.get(name, "")))

    def differ(self) -> bool:
        """Whether the files are not exactly these."""
        names = set(os.listdir(self._directory)) if os.path.isdir(self._directory) else set()
        if {name for name in names if not name.startswith(".")} != set(self._values):
            return True
        return any(self._system.read_file(f"{self._directory}/{n}") != v.encode() for n, v in self._values.items())

    def write(self, owner: int) -> None:
        """Make the directory hold exactly these."""
        if not self._values:
            shutil.rmtree(self._directory, ignore_errors=True)
            return
        path = self._directory
        make_passable(self._system, self._base)
        for parent in (os.path.dirname(os.path.dirname(path)), os.path.dirname(path)):
            self._system.make_directory(parent, mode=0o711)
            os.chmod(parent, 0o711)  # noqa: S103  # whoever runs the program passes through
        self._system.make_directory(path, mode=0o700)
        for name, value in self._values.items():
            file = os.path.join(path, name)
            self._system.replace_file(file, value.encode(), mode=0o400)
            os.chown(file, owner, -1)
        for name in set(os.listdir(path)) - set(self._values):
            self._system.unlink(os.path.join(path, name))
        os.chown(path, owner, -1)


def directory(scope: Scope, side: str, service: str) -> str:
    """Where the secrets of a service are."""
    return os.path.join(scope.base, "secrets", side, service)
