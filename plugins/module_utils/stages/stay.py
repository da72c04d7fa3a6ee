# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that stays on a machine between the stages of one release, with the engines imported.

To import them, and the SDK of Docker, takes longer than most stages have work. So the first stage that acts leaves a
process behind, which imports while the controller judges, and does every later stage in a child of its own. It knows no
order before it gets one, holds no lock, and ends after the last stage, or when none has come for a while; where it does
not answer, a stage starts by itself (private to the collection).
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import typing as t

from .launch import ACCEPTED, short

ENDED = b"-"
IDLE = 30.0  # seconds without a stage, after which it ends
GIVING = 2.0  # seconds that an order may take to arrive once somebody has connected


def stay(path: str, idle: float = IDLE) -> None:
    """Do the stages that are handed over at a socket, until none has been for a while."""
    clear(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as here:
        try:
            with short(path) as place:
                here.bind(place)
        except OSError:  # another one stays for this release
            return
        try:
            here.listen()
            here.settimeout(idle)
            import_all()  # whoever connects meanwhile waits
            serve(here, path)
        finally:
            os.unlink(path)


def import_all() -> None:
    """What the stages of a release import when they run."""
    from ..container import observe, prepare, sides  # noqa: F401
    from ..probe import loop  # noqa: F401
    from . import container_deploy, entry, release_state, traffic_switch  # noqa: F401

    with contextlib.suppress(ImportError):  # a balancer needs none; a host's stage says so
        import docker  # noqa: F401


def serve(here: socket.socket, path: str) -> None:
    """Take an order, do it in a child, and reap; until the last is done, or none is at work and none comes."""
    children: set[int] = set()
    while True:
        try:
            there, _address = here.accept()
        except socket.timeout:
            children = {child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0}
            if not children:
                return
            continue
        with there, contextlib.suppress(OSError):
            there.settimeout(GIVING)
            word, streams, _flags, _address = socket.recv_fds(there, 1, 3)
            if word == ENDED:
                return
            if not streams:  # only a look whether somebody listens
                continue
            there.sendall(ACCEPTED)
            child = os.fork()
            if child == 0:
                do_one(path, there, streams)
            children.add(child)
            for stream in streams:
                os.close(stream)


def do_one(path: str, there: socket.socket, streams: t.Sequence[int]) -> t.NoReturn:
    """One stage on the streams of whoever handed it over, who is told its exit status; the parent, when it was the last."""
    status = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        from .entry import main

        if main():
            say_ended(path)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
            there.sendall(bytes([status & 0xFF]))
        os._exit(status & 0xFF)


def say_ended(path: str) -> None:
    """Tell the process that stays that nothing more will come."""
    with socket.socket(socket.AF_UNIX) as there, contextlib.suppress(OSError), short(path) as place:
        there.connect(place)
        there.sendall(ENDED)


def clear(directory: str) -> None:
    """Remove sockets that nobody listens on any more: of a process that was killed, or of before a reboot."""
    for name in os.listdir(directory):
        if not name.endswith(".sock"):
            continue
        path = os.path.join(directory, name)
        with socket.socket(socket.AF_UNIX) as there, contextlib.suppress(OSError):
            try:
                with short(path) as place:
                    there.connect(place)
            except ConnectionRefusedError:
                os.unlink(path)
