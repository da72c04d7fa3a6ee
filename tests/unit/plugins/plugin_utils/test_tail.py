# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command writes is shown while it runs, whole line by whole line, and all of it at its end."""

from __future__ import annotations

import threading

from ansible_collections.slipway.deploy.plugins.plugin_utils.tail import Tail


def test_lines_are_shown_as_they_come_and_the_rest_at_the_end() -> None:
    written, shown, seen = bytearray(b"one\ntw"), [], threading.Event()

    def show(text: str) -> None:
        shown.append(text)
        seen.set()

    with Tail(lambda offset: bytes(written[offset : offset + 3]), show, every=0.001):
        assert seen.wait(10)
        assert shown == ["one"]
        written.extend(b"o\nthree\nfour")
    assert "\n".join(shown) == "one\ntwo\nthree\nfour"


def test_a_look_that_fails_is_no_matter_while_it_runs() -> None:
    answers, shown, failed = [b"all\n"], [], threading.Event()

    def fetch(offset: int) -> bytes:
        if not failed.is_set():
            failed.set()
            raise OSError("away")
        return answers.pop() if answers else b""

    with Tail(fetch, shown.append, every=0.001):
        assert failed.wait(10)
    assert shown == ["all"]
