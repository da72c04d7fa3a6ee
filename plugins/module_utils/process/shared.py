# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and files that all releases of a service share (private to the collection)."""

from __future__ import annotations

import os
import shutil

from ..errors import SlipwayError
from .owners import own_all
from .spec import Scope, Service, Step

BRING_SECONDS = 600.0
# Whatever the build did with the directory, in the end there is a link.
BRING = """\
if [ -d "$1" ] && [ ! -L "$1" ]; then cp -a --remove-destination -- "$1/." "$2" || exit; fi
rm -rf -- "$1" && ln -s -- "$3" "$1"
"""


def share(scope: Scope, service: Service, own: str, *, directories: bool = True) -> None:
    """What all releases share is outside of them, and a link inside.

    :param own: directory of the release.
    :param directories: whether directories, too; else files alone.
    :raises SlipwayError: C(shared_missing).
    """
    for path in service.shared_directories if directories else ():
        _link(_directory(scope, service, path), own, path)
    for path in service.shared_files:
        outside = _outside(scope, service, path)
        if not os.path.isfile(outside):
            raise SlipwayError(
                "a shared file is missing",
                obj=outside,
                remedy="Put it there; Slipway never invents its content.",
                cause="shared_missing",
            )
        _link(outside, own, path)


def empty(service: Service, own: str) -> None:
    """In the place of each shared directory an empty one, as a build finds it whose result goes to other machines.

    :raises SlipwayError: C(shared_missing).
    """
    for path in service.shared_directories:
        os.mkdir(_cleared(own, path))


def steps_to_bring(scope: Scope, service: Service, own: str) -> list[Step]:
    """What brings the content of those directories into the shared ones of this machine, and leaves links to them.

    They are to be run as the user of the service, whose programs may be at work in there, and could put a link where root
    writes.

    :raises SlipwayError: C(shared_missing).
    """
    steps = []
    for path in service.shared_directories:
        outside, inside = _directory(scope, service, path), os.path.join(own, path)
        link = os.path.relpath(outside, os.path.dirname(inside))
        steps.append(Step(path, ["sh", "-c", BRING, "sh", inside, outside, link], {}, BRING_SECONDS))
    return steps


def _directory(scope: Scope, service: Service, path: str) -> str:
    outside = _outside(scope, service, path)
    os.makedirs(outside, exist_ok=True)
    own_all(outside, service.user, "", deep=False)
    return outside


def _outside(scope: Scope, service: Service, path: str) -> str:
    outside = os.path.join(os.path.realpath(scope.base), "shared", service.name, path)
    if os.path.realpath(outside) != outside:
        raise _leads_elsewhere(outside)
    return outside


def _link(outside: str, own: str, path: str) -> None:
    inside = _cleared(own, path)
    os.symlink(os.path.relpath(outside, os.path.dirname(inside)), inside)


def _cleared(own: str, path: str) -> str:
    """A place in the release, with nothing there."""
    inside, real = os.path.join(own, path), os.path.realpath(own)
    if os.path.realpath(os.path.dirname(inside)) != os.path.normpath(os.path.join(real, os.path.dirname(path))):
        raise _leads_elsewhere(inside)
    os.makedirs(os.path.dirname(inside), exist_ok=True)
    if os.path.isdir(inside) and not os.path.islink(inside):
        shutil.rmtree(inside)
    elif os.path.lexists(inside):
        os.unlink(inside)
    return inside


def _leads_elsewhere(path: str) -> SlipwayError:
    return SlipwayError("leads elsewhere", obj=path, remedy="Remove the link in it.", cause="shared_missing")
