# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws texts and gives them to a target, until its time is over or it fails."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import time
import typing as t

from .targets import TARGETS

LONGEST = 10  # seconds for a text of some kilobytes, after which it is taken for one that never ends


class Failure(Exception):
    """A text at which a target failed, and why."""

    def __init__(self, name: str, seed: str, case: int, text: str, why: BaseException) -> None:
        super().__init__(name, seed, case, text)
        self.text = text
        self.why = why

    def __str__(self) -> str:
        name, seed, case, text = self.args
        return (
            f"{name} failed: {type(self.why).__name__}: {self.why}\n  {text!r}\n"
            f"again: python -m tests.fuzz {name} --seed {seed} --case {case}"
        )


def fuzz(name: str, seed: str, seconds: float, most: int | None = None) -> tuple[int, float]:
    """Texts, and seconds that they took.

    :param most: so many texts at most.
    :raises Failure: at the first text that fails.
    """
    began = time.monotonic()
    for case in itertools.count():
        if case == most or time.monotonic() - began >= seconds:
            return case, max(time.monotonic() - began, 1e-9)
        one(name, seed, case)
    raise RuntimeError("there is always another text")


def one(name: str, seed: str, case: int) -> None:
    """:raises Failure:"""
    draw, expect = TARGETS[name]
    drawn = random.Random(f"{seed} {name} {case}")
    text = draw(drawn)
    try:
        with bounded():
            expect(text, drawn)
    except Exception as error:
        raise Failure(name, seed, case, text, error) from error


@contextlib.contextmanager
def bounded() -> t.Iterator[None]:
    """What does not end is ended."""

    def over(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not done within {LONGEST} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
