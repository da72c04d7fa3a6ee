# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a platform has as processes of this machine, and taking it away (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import shutil
import typing as t

from ..errors import SlipwayError
from .manager import Found, Manager
from .spec import Scope

SHARED = "shared"  # what the programs have stored outlives every release, and the platform


class Belongings(t.NamedTuple):
    """What goes, and what stays because the programs keep their data there."""

    programs: list[Found]
    paths: list[str]  # of code and secrets
    own: list[str]  # of the manager
    shared: list[str]

    def told(self) -> list[str]:
        """What goes, one line each."""
        return [*(f"process {item.name}" for item in self.programs), *self.own, *self.paths]


def belongings(scope: Scope, manager: Manager) -> Belongings:
    """Read back from the manager and the disk.

    :raises SlipwayError: where the manager cannot be asked.
    """
    names = sorted(os.listdir(scope.base)) if os.path.isdir(scope.base) else []
    stays = [name for name in names if name == SHARED and _has_files(os.path.join(scope.base, name))]
    paths = [os.path.join(scope.base, name) for name in names if name not in stays]
    return Belongings(
        manager.found(scope), paths, manager.own_paths(), [os.path.join(scope.base, name) for name in stays]
    )


def remove(gone: Belongings, scope: Scope, manager: Manager) -> None:
    """Stop what runs, forget what is defined, then delete the code.

    :raises SlipwayError: C(not_removed).
    """
    manager.stop([item for item in gone.programs if item.running])
    labels = {item.labels for item in gone.programs}
    for one in sorted(labels):
        manager.forget(one)
    if labels:
        manager.load()
    manager.retire()
    for path in gone.paths:
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                manager.system.unlink(path)
        except OSError as error:
            raise SlipwayError(
                "cannot be removed",
                obj=str(error.filename or path),
                actual=error.strerror,
                remedy="See what holds it (findmnt, lsattr), then run it again.",
                cause="not_removed",
            ) from None
    for directory in (scope.base, os.path.dirname(scope.base)):
        with contextlib.suppress(OSError):  # what is shared stays, and so does another environment
            os.rmdir(directory)


def _has_files(directory: str) -> bool:
    return any(files for _directory, _directories, files in os.walk(directory))
