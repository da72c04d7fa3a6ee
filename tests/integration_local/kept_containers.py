# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that run as long as a test wants them to."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import typing as t


class Kept:
    """One, with the network of this machine."""

    def __init__(self, name: str) -> None:
        self.name = name

    def said(self, *words: str) -> str:
        """What a command in it says, whatever its exit status is."""
        done = subprocess.run(["docker", "exec", self.name, *words], capture_output=True, check=False)
        return done.stdout.decode(errors="replace")

    def programs(self) -> list[str]:
        """What runs in it now, by name."""
        return sorted(_docker("top", self.name, "-o", "pid,comm").split()[3::2])

    def inspected(self) -> str:
        """All that the engine tells of it, and of what was started in it and runs."""
        about = json.loads(_docker("inspect", self.name))
        started = [_asked(f"/exec/{one}/json") for one in about[0]["ExecIDs"] or []]
        return json.dumps([about, started], ensure_ascii=False)


@contextlib.contextmanager
def kept(image: str) -> t.Iterator[Kept]:
    """A container of an image; it does nothing."""
    name = f"slipway-test-kept-{secrets.token_hex(4)}"
    _docker("run", "--name", name, "--detach", "--interactive", "--network=host", "--cpu-shares=2", image, "sh")
    try:
        yield Kept(name)
    finally:
        _docker("rm", "--force", name)


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, check=True).stdout.decode().strip()


def _asked(path: str) -> t.Any:
    """An answer of the engine, for which its client has no command."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as link:
        link.connect(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("unix://")[2])
        link.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        return json.loads(link.makefile("rb").read().partition(b"\r\n\r\n")[2])
