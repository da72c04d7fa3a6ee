# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves out: never all of a test."""

from __future__ import annotations

import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import sampling

WHOLE = [f"a/test_a.py::test_one[{number}]" for number in range(10)] + [
    "a/test_a.py::test_alone",
    "b/test_b.py::test_b",
]


class Item:
    """As much of one as is asked for."""

    def __init__(self, nodeid: str, mark: t.Any = None) -> None:
        self.nodeid, self.path, self._mark = nodeid, Path(nodeid.partition("::")[0]), mark

    def get_closest_marker(self, _name: str) -> t.Any:
        return self._mark


class Config:
    """One that is told what is left out."""

    def __init__(self, *args: str) -> None:
        self.args, self.hook, self.left_out = args, self, []

    def pytest_deselected(self, items: list[t.Any]) -> None:
        self.left_out += items


def left(items: list[t.Any], *args: str) -> list[str]:
    config, before = Config(*args), len(items)
    sampling.leave_a_sample(config, items)  # type: ignore[arg-type]
    assert len(config.left_out) + len(items) == before
    return [item.nodeid for item in items]


def matrix(count: int, **about: str) -> list[t.Any]:
    mark = SimpleNamespace(args=(count,), kwargs=about)
    return [Item(f"c/test_c.py::test_{letter}[{number}]", mark) for letter in "xy" for number in range(10)]


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[int], None]:
    monkeypatch.setattr(sampling, "SOAK", False)
    return lambda percent: monkeypatch.setattr(sampling, "SHARE", percent)


def test_of_each_test_a_share_of_its_parameters_is_left_and_one_at_least(share: t.Callable[[int], None]) -> None:
    share(30)
    found = left([Item(name) for name in WHOLE])
    assert len(found) == 5 and found[-2:] == WHOLE[-2:]
    share(1)
    assert len(left([Item(name) for name in WHOLE])) == 3


def test_of_a_matrix_as_many_as_it_says_are_left_over_all_of_its_tests(share: t.Callable[[int], None]) -> None:
    share(100)
    assert len(left(matrix(4))) == 4
    share(30)
    assert len(left(matrix(4))) == 2
    assert len(left([*matrix(4), *matrix(10, among="others"), Item(WHOLE[-1])])) == 2 + 3 + 1


def test_without_a_share_only_matrices_are_drawn(share: t.Callable[[int], None]) -> None:
    share(100)
    assert left([Item(name) for name in WHOLE]) == WHOLE


def test_a_soak_and_what_is_asked_for_by_name_are_whole(
    share: t.Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    share(30)
    assert left([Item(name) for name in WHOLE], "a/test_a.py::test_one") == WHOLE
    monkeypatch.setattr(sampling, "SOAK", True)
    assert len(left(matrix(4))) == 20


@pytest.mark.parametrize(("wanted", "files"), [("all", 11), ("some", 3), ("proofs", 3)])
def test_of_files_a_share_is_left_and_every_test_of_a_guarantee(
    monkeypatch: pytest.MonkeyPatch, wanted: str, files: int
) -> None:
    monkeypatch.setattr(sampling, "SOAK", False)
    monkeypatch.setattr(sampling, "FILES", wanted)
    names = [f"a/test_{number}.py::test_{letter}" for number in range(9) for letter in "xy"]
    proofs = ["a/test_locks.py::test_x", "a/test_other.py::test_a_rollback"]
    items: list[t.Any] = [Item(name) for name in [*names, *proofs, "a/test_other.py::test_z"]]
    sampling.leave_files(Config(), items, "acceptance", 27)  # type: ignore[arg-type]
    found = {item.nodeid for item in items}
    assert wanted == "some" or set(proofs) <= found
    drawn = files_of(found - set(proofs) if wanted == "proofs" else found)
    assert files - 2 <= len(drawn) <= files
    assert all({f"{file}::test_x", f"{file}::test_y"} <= found for file in files_of(found & set(names)))


def files_of(names: set[str]) -> set[str]:
    return {name.partition("::")[0] for name in names}


def test_the_readme_says_by_which_words_the_tests_of_a_guarantee_are_found() -> None:
    assert {"test_locks", "test_interruption", "rollback"} <= sampling.guaranteed("acceptance")
    assert sampling.guaranteed("local") == {"check_mode"}


def test_the_same_seed_draws_the_same(share: t.Callable[[int], None]) -> None:
    share(30)
    assert left([Item(name) for name in WHOLE]) == left([Item(name) for name in WHOLE])
