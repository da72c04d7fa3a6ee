# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of each long matrix a sample; and databases in memory, where there is enough."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import typing as t

import pytest

from tests import sampling

MEMORY = pathlib.Path("/dev/shm")
ROOM = 4 << 30  # bytes


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, and choose a place for all data."""
    config.addinivalue_line("markers", sampling.MARK)
    if not hasattr(config, "workerinput") and not sampling.SOAK:
        use_memory(config)


def use_memory(config: pytest.Config) -> None:
    """No test here asks what a disk keeps, and a server's start writes a thousand files. A soak has a real disk."""
    about = os.statvfs(MEMORY) if MEMORY.is_dir() else None
    if "TMPDIR" in os.environ or about is None or about.f_flag & os.ST_NOEXEC:
        return
    available = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line)
    if min(about.f_bavail * about.f_frsize, int(available.split()[1]) * 1024 // 2) < ROOM:
        return
    directory = tempfile.mkdtemp(prefix="slipway-local-", dir=MEMORY)
    os.chmod(directory, 0o1777)  # as /tmp is: servers have users of their own
    os.environ["TMPDIR"], tempfile.tempdir = directory, None

    def leave() -> None:
        del os.environ["TMPDIR"]
        tempfile.tempdir = None
        shutil.rmtree(directory, ignore_errors=True)

    config.add_cleanup(leave)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    sampling.leave_files(config, items, "local", 70)
    sampling.leave_a_sample(config, items)


def pytest_report_header() -> str:
    return f"local: {sampling.SIZE}, SEED={sampling.SEED}"


@pytest.fixture
def scratch() -> t.Iterator[pathlib.Path]:
    """Where throw-away servers are; nothing may be left there."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-s-"))
    path.chmod(0o755)
    yield path
    left = sorted(path.iterdir())
    shutil.rmtree(path)
    assert left == []
