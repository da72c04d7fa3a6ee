# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting the state directory of one platform on this machine (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import shutil

from ..errors import SlipwayError
from ..system import file_error
from .lease import ReleaseToken, check_stage
from .machine import Machine

STAGE = "remove"
# While they are there, whoever reads the machine is told that a removal has begun, and of which token.
LAST = ("lock.json", "journal.jsonl", "machine.lock")


def delete_state(machine: Machine, release: ReleaseToken | None) -> None:
    """Delete everything, the journal last; nothing can be recorded afterwards. May be repeated.

    :param release: that does it, checked against the fence once more; None where nobody holds a lock.
    :raises SlipwayError: C(lost_lock), C(flock_timeout), C(not_removed).
    """
    if not os.path.isdir(machine.directory):
        return
    with machine.alone():
        if release is not None:
            view = machine.read()
            check_stage(view.lock, release, STAGE, view.remaining)
        try:
            _delete(machine)
        except OSError as error:
            path = str(error.filename or machine.directory)
            raise SlipwayError(
                "cannot be removed",
                obj=path,
                actual=error.strerror,
                remedy="See what holds it (findmnt, lsattr), then run it again.",
                cause="not_removed",
            ) from file_error(error, path)


def _delete(machine: Machine) -> None:
    directory, system = machine.directory, machine.system
    for name in sorted(set(os.listdir(directory)) - set(LAST)):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    for name in LAST:
        system.unlink(os.path.join(directory, name))
    os.rmdir(directory)
    parent = os.path.dirname(directory)
    system.fsync_directory(parent)
    with contextlib.suppress(OSError):  # another environment of this platform may be there
        os.rmdir(parent)
