# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``make fuzz`` gives texts to, some texts each; and that it finds what is wrong."""

from __future__ import annotations

import time

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration import (
    checksum,
    names,
    placeholders,
    split_mysql,
    splitter,
)

from tests.fuzz import loop, targets
from tests.fuzz.__main__ import main
from tests.sampling import SEED


@pytest.mark.parametrize("name", targets.TARGETS)
def test_whatever_it_is_given_it_is_read_or_refused(name: str) -> None:
    assert loop.fuzz(name, SEED, 60.0, most=150)[0] == 150


def broken_lines(self: splitter.Splitter, offset: int) -> int:
    return self._line + self._text.count("\n", self._begin, offset)


FAULTS = {
    "a statement on another line": ("postgresql", splitter.Splitter, "_line_at", broken_lines),
    "a token that is not read to its end": ("mysql", split_mysql, "max", lambda *_numbers: 0),
    "a comment that hides what follows": ("sqlite", splitter.Splitter, "_comment", lambda _self: None),
    "a name that cannot be read": ("names", names, "_should", lambda *_words: 1 // 0),
    "a value that is lost": (
        "placeholders",
        placeholders,
        "_and_last",
        lambda pieces: ((piece, True) for piece in pieces),
    ),
    "a line end that counts": ("notes", checksum, "_ENDS", b"\n"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_told_with_what_draws_it_again(
    fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, owner, attribute, instead = FAULTS[fault]
    monkeypatch.setattr(owner, attribute, instead, raising=False)
    with pytest.raises(loop.Failure) as caught:
        loop.fuzz(name, SEED, 60.0)
    told = str(caught.value)
    words = told.rpartition("python -m tests.fuzz ")[2].split()
    monkeypatch.setattr("sys.argv", ["fuzz", *words])
    assert main() == 1
    assert told in capsys.readouterr().out


def test_what_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LONGEST", 0.01)
    monkeypatch.setattr(names, "parse", lambda _text: time.sleep(3600))
    with pytest.raises(loop.Failure, match="TimeoutError: not done within"):
        loop.one("names", SEED, 0)
