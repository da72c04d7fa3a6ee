# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and files that all releases of a service share (private to the collection)."""

from __future__ import annotations

import os
import shutil

from ..errors import SlipwayError
from .owners import own_all
from .spec import Scope, Service


def share(scope: Scope, service: Service, own: str) -> None:
    """What all releases share is outside of them, and a link inside.

    :param own: directory of the release.
    :raises SlipwayError: C(shared_missing).
    """
    shared = os.path.join(os.path.realpath(scope.base), "shared", service.name)
    for kind, paths in (("directory", service.shared_directories), ("file", service.shared_files)):
        for path in paths:
            outside, inside = os.path.join(shared, path), os.path.join(own, path)
            if os.path.realpath(outside) != outside:
                raise _leads_elsewhere(outside)
            if kind == "directory":
                os.makedirs(outside, exist_ok=True)
                own_all(outside, service.user, "", deep=False)
            elif not os.path.isfile(outside):
                raise SlipwayError(
                    "a shared file is missing",
                    obj=outside,
                    remedy="Put it there; Slipway never invents its content.",
                    cause="shared_missing",
                )
            real = os.path.realpath(own)
            if os.path.realpath(os.path.dirname(inside)) != os.path.normpath(os.path.join(real, os.path.dirname(path))):
                raise _leads_elsewhere(inside)
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            if os.path.isdir(inside) and not os.path.islink(inside):
                shutil.rmtree(inside)
            elif os.path.lexists(inside):
                os.unlink(inside)
            os.symlink(os.path.relpath(outside, os.path.dirname(inside)), inside)


def _leads_elsewhere(path: str) -> SlipwayError:
    return SlipwayError("leads elsewhere", obj=path, remedy="Remove the link in it.", cause="shared_missing")
