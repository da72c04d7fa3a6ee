# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose files are whose, and who may pass through a directory (private to the collection)."""

from __future__ import annotations

import os

from ..side.options import invalid
from ..system import System

SETPRIV = "/usr/bin/setpriv"


def make_passable(system: System, path: str) -> None:
    """A directory that every user may pass through, whatever the umask: programs have users of their own."""
    if not os.path.isdir(path):
        make_passable(system, os.path.dirname(path))
        system.make_directory(path, mode=0o755)
        os.chmod(path, 0o755)  # noqa: S103


def user_ids(user: str, where: str) -> tuple[int, int]:
    """Numbers of a user and of its group.

    :raises SlipwayError: C(invalid) when there is no such user.
    """
    import pwd

    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise invalid(where, user, "the name of a user of this machine") from None
    return entry.pw_uid, entry.pw_gid


def become(user: str, where: str) -> list[str]:
    """What a command is to be run by, as a user; nothing where we are that user already.

    In a user namespace, root may change to nobody: there is nobody else, and groups cannot be set.

    :raises SlipwayError: C(invalid) when there is no such user.
    """
    uid, gid = user_ids(user, where)
    if uid == os.geteuid():
        return []
    return [SETPRIV, f"--reuid={uid}", f"--regid={gid}", "--init-groups", "--"]


def own_all(path: str, user: str, where: str, *, deep: bool = True) -> None:
    """Give a directory, and all that is in it, to a user. Links are not followed.

    :raises SlipwayError: C(invalid) when there is no such user.
    """
    uid, gid = user_ids(user, where)
    os.lchown(path, uid, gid)
    # By descriptors: the user's own programs may run, and put a link where a directory was.
    for _directory, directories, files, inside in os.fwalk(path) if deep else ():
        for name in [*directories, *files]:
            os.chown(name, uid, gid, dir_fd=inside, follow_symlinks=False)
