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


def test_rows_are_told_by_their_tables_before_each_is_looked_at(tmp_path):
    path = tmp_path / "shop.progress"
    progress, said = Progress(str(path), Clock(0.0)), []
    for table in progress.tables("counted", [("a", 30), ("b", 70), ("c", 0)], lambda table: table[1]):
        said.append((table[0], path.read_text()))
    assert said == [
        ("a", "counted: table 1 of 3, 0 of about 100 rows, 0 %\n"),
        ("b", "counted: table 2 of 3, 30 of about 100 rows, 30 %\n"),
        ("c", "counted: table 3 of 3, 100 of about 100 rows, 100 %\n"),
    ]


def test_rows_of_which_nobody_knows_how_many_are_told_by_tables_alone(tmp_path):
    path = tmp_path / "shop.progress"
    assert list(Progress(str(path), Clock(0.0)).tables("counted", ["a", "b"], lambda _table: 0)) == ["a", "b"]
    assert path.read_text() == "counted: table 2 of 2\n"
