# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster is brought back to a moment, in a directory of its own, with exactly the rows that it had then."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from .lab import Lab, Target, cluster_in, own, writing

pytestmark = pytest.mark.sample(5)


class History(t.NamedTuple):
    """Three batches of rows, and what names the moment between the second and the third."""

    label: str
    time: str
    name: str
    lsn: str


@pytest.fixture
def history(lab: Lab, target: Target) -> History:
    label = target.good(verify="none")["backup"]["id"]
    name = f"point_{target.database}"
    lab.execute(target.database, "INSERT INTO item (word) SELECT 'second' FROM generate_series(1, 50)")
    time, lsn = lab.ask(
        target.database,
        f"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00:00',"
        f" pg_create_restore_point('{name}')",
    )[0]
    lab.execute(target.database, "INSERT INTO item (word) SELECT 'third' FROM generate_series(1, 7)")
    lab.execute(target.database, "SELECT pg_switch_wal()")
    lab.backrest("check")
    return History(label, time, name, lsn)


def rows(target: Target, place: pathlib.Path) -> int:
    """How many a restored cluster has, which must not archive its WAL beside that of the live one."""
    with cluster_in(place / "c", place / "s") as ask:
        assert ask("postgres", "SHOW archive_mode") == [("off",)]
        return int(ask(target.database, "SELECT count(*) FROM item")[0][0])


@pytest.mark.parametrize("by", ["time", "name", "lsn"])
def test_a_moment_is_brought_back_with_exactly_its_rows(
    target: Target, history: History, place: pathlib.Path, by: str
) -> None:
    moment = {f"target_{by}": getattr(history, by)}
    result = target.good("restored", id="latest", into_dir=str(place / "c"), **moment)
    assert result["backup"]["id"] == history.label
    assert "has come up" in " ".join(result["actions"])
    assert "recovery stopping" in " ".join(result["actions"])
    assert not (place / "c" / "postmaster.pid").exists()
    assert not (place / "c.tablespaces").exists()
    assert rows(target, place) == 1050


def test_without_a_moment_it_goes_as_far_as_the_wal_does(target: Target, history: History, place: pathlib.Path) -> None:
    target.good("restored", id=history.label, into_dir=str(place / "c"))
    assert rows(target, place) == 1057


def test_it_needs_no_live_cluster(target: Target, history: History, place: pathlib.Path) -> None:
    url = "host=127.0.0.1 port=1 dbname=shop user=admin"
    target.good("restored", id="latest", into_dir=str(place / "c"), target_name=history.name, url=url)
    assert rows(target, place) == 1050


def test_while_somebody_writes_all_the_time_it_has_what_was_committed_before(
    lab: Lab, target: Target, place: pathlib.Path
) -> None:
    """Each transaction moves an amount from one row to another; of two moments the sum would be another one."""
    lab.execute(target.database, "CREATE TABLE account (id int PRIMARY KEY, n bigint)")
    lab.execute(target.database, "INSERT INTO account VALUES (1, 1000000), (2, 0)")
    target.good(verify="none")
    move = "BEGIN; UPDATE account SET n = n - 1 WHERE id = 1; UPDATE account SET n = n + 1 WHERE id = 2; COMMIT"
    name = f"busy_{target.database}"
    with writing(lab, target.database, move):
        before = lab.ask(target.database, "SELECT n FROM account WHERE id = 2")[0][0]
        lab.execute("postgres", f"SELECT pg_create_restore_point('{name}')")
        after = lab.ask(target.database, "SELECT n FROM account WHERE id = 2")[0][0]
        lab.execute("postgres", "SELECT pg_switch_wal()")
    lab.backrest("check")
    target.good("restored", id="latest", into_dir=str(place / "c"), target_name=name)
    with cluster_in(place / "c", place / "s") as ask:
        total, moved = ask(target.database, "SELECT sum(n), max(n) FILTER (WHERE id = 2) FROM account")[0]
    assert total == 1000000
    assert before <= moved <= after


def test_an_older_moment_takes_an_older_backup(target: Target, history: History, place: pathlib.Path) -> None:
    newer = target.good(verify="none")["backup"]["id"]
    result = target.good("restored", id="latest", into_dir=str(place / "c"), target_time=history.time)
    assert result["backup"]["id"] == history.label
    assert rows(target, place) == 1050
    into = str(place / "d")
    target.fails("too_early", "Choose a later moment", "restored", id=newer, into_dir=into, target_lsn=history.lsn)
    assert not (place / "d").exists()


def test_a_tablespace_comes_with_it(lab: Lab, target: Target, place: pathlib.Path) -> None:
    elsewhere = lab.directory / "elsewhere"
    elsewhere.mkdir()
    own(elsewhere)
    lab.execute("postgres", f"CREATE TABLESPACE elsewhere LOCATION '{elsewhere}'")
    try:
        lab.execute(target.database, "CREATE TABLE far (id int) TABLESPACE elsewhere", "INSERT INTO far VALUES (1)")
        assert target.good()["backup"]["verified_by"] == "restore"
        target.good("restored", id="latest", into_dir=str(place / "c"))
        assert list((place / "c.tablespaces").iterdir())
        with cluster_in(place / "c", place / "s") as ask:
            assert ask(target.database, "SELECT count(*) FROM far")[0][0] == 1
    finally:
        lab.execute(target.database, "DROP TABLE IF EXISTS far")
        lab.execute("postgres", "DROP TABLESPACE elsewhere")


@pytest.mark.parametrize(
    "moment, cause, words",
    [
        ({"target_time": "2020-01-01 00:00:00Z"}, "too_early", "lies before the end of every backup"),
        ({"target_time": "2999-01-01T00:00:00+01:00"}, "wal_missing", "The WAL ends before that point"),
        ({"target_name": "never_made"}, "wal_missing", "The WAL ends before that point"),
        ({"target_time": "yesterday"}, "bad_input", "with its offset from UTC"),
        ({"target_time": "2026-11-28 10:00:00"}, "bad_input", "with its offset from UTC"),
        ({"target_lsn": "here"}, "bad_input", "such as 0/1A2B3C4"),
        ({"target_lsn": "0/1", "target_name": "x"}, "bad_input", "more than one"),
    ],
)
def test_a_moment_that_cannot_be_had_leaves_nothing(
    target: Target, place: pathlib.Path, moment: dict[str, str], cause: str, words: str
) -> None:
    target.good(verify="none")
    target.fails(cause, words, "restored", id="latest", into_dir=str(place / "c"), **moment)
    assert sorted(path.name for path in place.iterdir()) == ["s"]


def test_a_directory_in_use_is_left_alone(lab: Lab, target: Target, place: pathlib.Path) -> None:
    target.good(verify="none")
    (place / "c").mkdir()
    (place / "c" / "mine").touch()
    target.fails("exists", "is not empty", "restored", id="latest", into_dir=str(place / "c"))
    assert [path.name for path in (place / "c").iterdir()] == ["mine"]
    target.fails("exists", "is not empty", "restored", id="latest", into_dir=str(lab.directory / "data"))
    target.fails("bad_input", "an absolute path", "restored", id="latest", into_dir=str(place / "no" / "c"))


def test_a_preview_restores_nothing(target: Target, history: History, place: pathlib.Path) -> None:
    result = target.good("restored", check=True, id="latest", into_dir=str(place / "c"), target_name=history.name)
    assert f"would restore {history.label}" in result["actions"][-1]
    assert not (place / "c").exists()
