# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that live as long as one look at a backup (private to the collection)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
import typing as t

from ..errors import SlipwayError

PREFIX = "slipway-scratch-"


@contextlib.contextmanager
def place(parent: str, needed: int, content: str = "a restored copy") -> t.Iterator[str]:
    """A directory of its own below another, gone with everything in it when the context ends.

    What killed ones have left there is removed first.

    :param needed: bytes that must be free.
    :param content: what it is for, in words.
    :raises SlipwayError: C(no_space); C(permission), C(bad_input) or C(io) where the parent cannot be used at all.
    """
    try:
        clear(parent)
        free = shutil.disk_usage(parent).free
    except OSError as error:
        raise _unusable(parent, error) from None
    if free < needed:
        raise SlipwayError(
            f"has no room for {content}",
            obj=parent,
            actual=f"{free} bytes free",
            wanted=f"{needed} bytes",
            remedy="Name a directory with more room with scratch_dir.",
            cause="no_space",
        )
    try:
        directory, descriptor = _made(parent)
    except OSError as error:
        raise _unusable(parent, error) from None
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(descriptor)


def _made(parent: str) -> tuple[str, int]:
    """A new directory, and the descriptor that has its flock as long as its owner lives."""
    while True:
        directory = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
        with contextlib.suppress(FileNotFoundError):  # another one's clear came between
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.isdir(directory):
                return directory, descriptor
            os.close(descriptor)


def _unusable(parent: str, error: OSError) -> SlipwayError:
    """Why no directory can be made below another."""
    what, cause = "cannot be used", "io"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        what, cause = "is no directory", "bad_input"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what, cause = "may not be written to", "permission"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        what, cause = "has no room for another directory", "no_space"
    return SlipwayError(
        what,
        obj=parent,
        actual=error.strerror,
        wanted="a directory that this user may write to",
        remedy="Make it, or name another one with scratch_dir.",
        cause=cause,
    )


def clear(parent: str) -> None:
    """Remove the directories whose owner no longer has their flock."""
    for name in os.listdir(parent):
        directory = os.path.join(parent, name)
        if name.startswith(PREFIX) and os.path.isdir(directory) and not os.path.islink(directory):
            try:
                descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:  # another user's, or gone by now
                continue
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
            os.close(descriptor)
