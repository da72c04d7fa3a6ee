# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures: which request belongs to which window, percentiles, gaps, versions; and that the records keep it all."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .. import report
from ..client import Call
from ..failure import Failed
from ..profile import Profile, RequestSpec, StreamSpec
from ..recorder import LISTED, Recorder
from ..records import Columns, Names, Records
from ..reply import Reply
from ..result import Result
from ..session import Session

PROFILE = Profile((RequestSpec("get"), RequestSpec("post")), (StreamSpec("ws", "websocket", "/ws"),))
GET, POST, WS = 0, 1, 2
BEGAN, WALL = 1000.0, 5_000_000.0  # monotonic, wall


class Story:
    """A run that is told instead of run; times are seconds after its beginning."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.recorder = Recorder(PROFILE.kinds)
        self.recorder.monotonic, self.recorder.wall = BEGAN, WALL
        self._directory = directory
        self._now = BEGAN
        monkeypatch.setattr("time.monotonic", lambda: self._now)

    def ok(self, due: float, ended: float, kind: int = GET, version: str = "") -> None:
        reply = Reply(200, {}, b"", True)
        reply.at = BEGAN + ended
        self.recorder.answered(self._call(due, kind), reply, version)

    def failed(self, due: float, ended: float, kind: int = GET, cause: str = "reset", version: str = "") -> None:
        self._now = BEGAN + ended
        self.recorder.failure(kind, BEGAN + due, "/", Failed(cause), version)

    def stale(self, due: float, ended: float) -> None:
        self._now = BEGAN + ended
        self.recorder.stale(self._call(due, GET), Failed("closed"))

    def session(self, started: float, ended: float, failed: Failed | None = None) -> None:
        session = Session(WS, "/ws", lambda: None)
        session.started, session.ended, session.end = BEGAN + started, BEGAN + ended, "1001"
        self._now = session.ended
        self.recorder.session(session, failed)

    def result(self, ended: float) -> Result:
        path = str(self._directory / "r.json")
        facts = {
            "profile": PROFILE.plain(),
            "ended": {"time": WALL + ended, "monotonic": BEGAN + ended},
            "late": {"mean": 0.0, "max": 0.0},
            "cpu_seconds": 0.0,
        }
        self.recorder.write(path, facts)
        return Result(path)

    @staticmethod
    def _call(due: float, kind: int) -> Call:
        return Call(kind, BEGAN + due, "/", (), False, True, b"")


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(tmp_path, monkeypatch)


def test_a_request_belongs_to_the_window_it_was_due_in_and_a_stream_to_the_one_it_ended_in(story: Story) -> None:
    story.ok(0.9, 1.1)
    story.ok(1.0, 1.2)
    story.failed(1.5, 3.0)
    story.failed(2.0, 2.1, POST)
    story.session(0.1, 1.7)
    story.session(1.2, 2.5, Failed("ws_1006"))
    result = story.result(4.0)
    window = result.window(WALL + 1.0, WALL + 2.0)
    assert (window.requests, window.failed, window.causes) == (3, 1, {"reset": 1})
    assert (window.by_kind["get"].requests, window.by_kind["post"].requests, window.by_kind["ws"].requests) == (2, 0, 1)
    assert result.window(BEGAN + 1.0, BEGAN + 2.0, clock="monotonic") == window
    assert result.window(WALL + 2.0).causes == {"reset": 1, "ws_1006": 1}


def test_windows_side_by_side_count_every_request_once(story: Story) -> None:
    for tenth in range(40):
        story.ok(tenth / 10, tenth / 10 + 0.35)
    result = story.result(4.0)
    parts = [result.window(None, WALL + 1.0), result.window(WALL + 1.0, WALL + 2.5), result.window(WALL + 2.5, None)]
    assert sum(part.requests for part in parts) == result.window().requests == result.requests == 40


def test_percentiles_are_of_successes_by_nearest_rank_and_without_streams(story: Story) -> None:
    for milliseconds in range(1, 101):
        story.ok(0.0, milliseconds / 1000)
    story.failed(0.0, 9.0)
    story.session(0.0, 8.0)
    total = story.result(9.0).window()
    assert [round(value, 6) for value in (total.p50, total.p99, total.max)] == [0.05, 0.099, 0.1]
    assert round(total.by_kind["ws"].p50, 6) == 8.0
    assert math.isnan(total.by_kind["post"].p50)


@pytest.mark.parametrize(
    ("done", "start", "end", "gap"),
    [
        ([0.5, 1.0, 1.2, 2.0], None, None, 2.0),  # to the end of the run
        ([0.5, 1.0, 1.2, 2.0], 0.0, 2.0, 0.8),
        ([0.5, 1.0, 1.2, 2.0], 0.0, 1.1, 0.5),
        ([0.5, 1.0, 1.2, 2.0], 2.5, 3.5, 1.0),  # none in it: the whole window
        ([], None, None, 4.0),
        ([0.5, 3.9], 0.4, 3.95, 3.4),
    ],
)
def test_the_longest_gap_is_between_successes_and_the_edges(
    story: Story, done: list[float], start: float | None, end: float | None, gap: float
) -> None:
    for ended in done:
        story.ok(ended - 0.01, ended)
    story.failed(1.5, 1.6)
    story.session(0.0, 1.7)
    result = story.result(4.0)
    window = result.window(None if start is None else WALL + start, None if end is None else WALL + end)
    assert math.isclose(window.longest_gap, gap, abs_tol=1e-6)


def test_a_stale_connection_is_counted_apart_and_the_repeat_is_the_request(story: Story) -> None:
    story.stale(1.0, 1.1)
    story.ok(1.0, 1.3)
    result = story.result(2.0)
    total = result.window()
    assert (total.requests, total.failed, total.stale_idle, result.requests, result.stale_idle) == (1, 0, 1, 1, 1)
    assert round(total.p50, 6) == 0.3


def test_versions_tell_when_each_answered_first_and_last(story: Story) -> None:
    story.ok(0.0, 0.1, version="1.0.0")
    story.ok(0.2, 0.9, version="1.0.0")
    story.ok(0.4, 0.5, version="1.1.0")
    story.ok(0.3, 0.7, POST, version="1.0.0")
    story.failed(0.6, 0.8, version="1.1.0")
    result = story.result(1.0)
    seen = report.versions(result, clock="monotonic")
    assert list(seen) == ["1.0.0", "1.1.0"]
    rounded = [tuple(round(value - BEGAN, 6) for value in row[1:]) for row in seen.values()]
    assert rounded == [(0.0, 0.1, 0.3, 0.9), (0.4, 0.5, 0.6, 0.8)]
    assert [row.requests for row in result.by_version.values()] == [3, 2]
    assert list(report.versions(result, kinds=["post"])) == ["1.0.0"]


def test_the_list_of_failures_is_bounded_and_the_counts_are_not(story: Story) -> None:
    for _each in range(LISTED + 5):
        story.failed(0.1, 0.2)
    result = story.result(1.0)
    assert (len(result.failures), result.failed, result.window().failed) == (LISTED, LISTED + 5, LISTED + 5)
    assert result.causes == [{"kind": "get", "cause": "reset", "count": LISTED + 5}]
    assert result.failures[0]["time"] == WALL + 0.2


def test_the_table_shows_kinds_versions_and_causes(story: Story) -> None:
    story.ok(0.0, 0.25, version="1.1.0")
    story.failed(0.1, 0.2, cause="status_502")
    story.session(0.0, 0.5)
    table = report.table(story.result(1.0))
    for text in ("get", "250.0", "version 1.1.0: 1 answers", "FAILED get: status_502 x 1", "1 x 1001"):
        assert text in table


def test_a_result_of_another_format_is_refused(story: Story, tmp_path: Path) -> None:
    story.result(1.0)
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        Result(str(path))


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e7),
            st.floats(0, 1e4, width=32),
            st.integers(0, 255),
            st.integers(0, 255),
            st.text(max_size=3),
        )
    )
)
def test_records_come_back_as_they_were_added(rows: list[tuple[float, float, int, int, str]]) -> None:
    records = Records(["get"])
    for scheduled, seconds, kind, outcome, version in rows:
        records.add(scheduled, scheduled + seconds, kind, outcome, version)
    columns = Columns(bytes(records.data))
    assert len(records.data) == 16 * len(rows) == 16 * len(columns)
    assert columns.scheduled == [row[0] for row in rows]
    assert all(
        abs(ended - row[0] - row[1]) <= 1e-6 * max(1.0, row[1]) + 1e-8 for ended, row in zip(columns.ended, rows)
    )
    assert list(zip(columns.kind, columns.outcome)) == [row[2:4] for row in rows]
    assert [records.versions.names[number] for number in columns.version] == [row[4] for row in rows]


def test_a_cut_record_is_refused() -> None:
    with pytest.raises(ValueError, match="not whole records"):
        Columns(bytes(17))


def test_a_full_table_of_names_counts_further_ones_as_other() -> None:
    names = Names(["ok"], 4)
    assert [names.number(name) for name in ("a", "b", "c", "d", "a", "ok")] == [1, 2, 3, 3, 1, 0]
    assert names.names == ["ok", "a", "b", "other"]
