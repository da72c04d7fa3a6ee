# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a stage: in the process that stays for its release where one answers, else here (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import typing as t

UNUSABLE = 93  # exit status by which the controller knows that the engines must be installed anew
ACCEPTED = b"+"
KILLED = 70  # exit status of a stage whose process ended without one (sysexits.h, EX_SOFTWARE)
STAY = "--stay"


def launch(launcher: str, words: list[str]) -> None:
    """Run what the words ask for: nothing or a release's id for a stage, C(--stay) and the id for the process that stays.

    :param launcher: the program that was started, in the directory of the engines.
    """
    release = words[-1] if words else ""
    path = socket_of(launcher, release)
    if words[:1] == [STAY]:
        from .stay import stay

        stay(path)
        return
    status = hand_over(path) if release else None
    if status is not None:
        raise SystemExit(status)
    try:
        from .entry import main
    except Exception:
        raise SystemExit(UNUSABLE) from None
    last = main()
    if release and not last:
        leave_behind(launcher, release)


def socket_of(launcher: str, release: str) -> str:
    """Where the process of a release answers: in the directory of the engines, which is the acting user's alone."""
    name = "".join(letter for letter in release if letter.isalnum() or letter in "-_")
    return os.path.join(os.path.dirname(os.path.abspath(launcher)), f"{name[-40:]}.sock")


@contextlib.contextmanager
def short(path: str) -> t.Iterator[str]:
    """Another path to the same place: a socket's has at most 107 bytes (unix(7))."""
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{os.path.basename(path)}"
    finally:
        os.close(directory)


def hand_over(path: str) -> int | None:
    """Let the process that stays do this stage, on this one's standard input, output and error.

    :returns: its exit status; None where no process has taken the order, so that nothing has begun.
    """
    with socket.socket(socket.AF_UNIX) as there:
        try:
            with short(path) as place:
                there.connect(place)
            socket.send_fds(there, [ACCEPTED], [0, 1, 2])
            if there.recv(1) != ACCEPTED:
                return None
        except OSError:
            return None
        with contextlib.suppress(OSError):
            if status := there.recv(1):
                return status[0]
        return KILLED


def leave_behind(launcher: str, release: str) -> None:
    """Start the process that stays, with nothing of this one."""
    import subprocess

    subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
        [sys.executable, launcher, STAY, release],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
