# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a long run says of itself meanwhile."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.progress import Progress, bytes_said, said
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from hypothesis import given
from hypothesis import strategies as st

MIB = 1 << 20


class Clock(System):
    """Goes on by so many seconds at each look."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def monotonic(self):
        self.now += self.step
        return self.now


@pytest.mark.parametrize(
    ("size", "total", "seconds", "wanted"),
    [
        (MIB, 4 * MIB, 2.0, "1.0 MiB of about 4.0 MiB, 25 %, 512.0 KiB/s, about 6 s left"),
        (0, 100, 0.0, "0 B of about 100 B, 0 %"),
        (5 * MIB, 4 * MIB, 1.0, "5.0 MiB, 5.0 MiB/s"),
        (10, 0, 0.0, "10 B"),
    ],
)
def test_progress_is_said_against_the_estimate(size, total, seconds, wanted):
    assert said(size, total, seconds) == wanted


@given(st.floats(min_value=0, max_value=2**60))
def test_bytes_are_said_with_at_most_four_digits_before_the_point(size):
    number, unit = bytes_said(size).split()
    assert float(number) <= 1024 or unit == "TiB"


def test_bytes_pass_as_they_are_and_everybody_may_read_how_many(tmp_path):
    path = tmp_path / "run" / "shop.progress"
    progress = Progress(str(path), Clock(0.6))
    passing = progress.through("dumped", 6, [b"ab", b"cd", b"ef"])
    assert next(passing) == b"ab"
    assert not path.exists()  # after less than a second
    assert next(passing) == b"cd"
    assert path.read_text() == "dumped: 4 B of about 6 B, 66 %, 3 B/s, about 1 s left\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert list(passing) == [b"ef"]
    progress.end()
    assert list(path.parent.iterdir()) == []


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "run").write_text("not a directory")
    progress = Progress(str(tmp_path / "run" / "shop.progress"), Clock(2.0))
    assert list(progress.through("dumped", 2, [b"ab"])) == [b"ab"]
    progress.end()


def test_a_link_that_somebody_has_laid_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "shop.progress.part").symlink_to(tmp_path / "victim")
    list(Progress(str(tmp_path / "shop.progress"), Clock(2.0)).through("dumped", 2, [b"ab"]))
    assert (tmp_path / "victim").read_text() == "precious"
