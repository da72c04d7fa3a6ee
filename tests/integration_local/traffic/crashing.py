# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that loses its power while a proxy's files are written."""

from __future__ import annotations

from ansible_collections.slipway.deploy.plugins.module_utils.system import System


class Crash(BaseException):
    """The power fails."""


class Crashing(System):
    """Loses power at the n-th thing that is written."""

    def __init__(self, after: int) -> None:
        self.left = after

    def _count(self) -> None:
        if self.left == 0:
            raise Crash
        self.left -= 1

    def open_fd(self, path: str, flags: int, mode: int = 0o600) -> int:
        self._count()
        return super().open_fd(path, flags, mode)

    def write_fd(self, fd: int, data: bytes) -> int:
        self._count()
        return super().write_fd(fd, data)

    def fsync_fd(self, fd: int) -> None:
        self._count()
        super().fsync_fd(fd)

    def rename(self, source: str, target: str) -> None:
        self._count()
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        if self.left:  # a process that is gone cleans nothing up
            super().unlink(path)
