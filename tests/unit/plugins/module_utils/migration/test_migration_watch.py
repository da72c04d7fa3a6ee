# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A statement that takes too long is ended from outside, again and again until it is."""

from __future__ import annotations

import queue
import threading

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration.watch import watched
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


def test_what_goes_on_after_its_time_is_ended_until_it_ends() -> None:
    ended: queue.Queue[int] = queue.Queue()
    with watched(lambda: ended.put(threading.get_ident()), System(), System().monotonic()):
        others = {ended.get(), ended.get()}
    assert threading.get_ident() not in others
    assert not [thread for thread in threading.enumerate() if thread.ident in others]


def test_a_connection_that_cannot_be_told_to_end_it_is_asked_again() -> None:
    ended: queue.Queue[bool] = queue.Queue()

    def cancel() -> None:
        ended.put(True)
        raise OSError

    with watched(cancel, System(), System().monotonic()):
        assert ended.get() is ended.get() is True


@pytest.mark.parametrize("limited", [False, True])
def test_what_is_in_time_is_left_alone(limited: bool) -> None:
    ended: list[bool] = []
    with watched(lambda: ended.append(True), System(), System().monotonic() + 3600.0 if limited else None):
        pass
    assert not ended


def test_an_error_within_is_told_as_it_is_and_nobody_watches_any_more() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="mine"), watched(lambda: None, System(), System().monotonic() + 3600.0):
        raise ValueError("mine")
    assert threading.active_count() == before
