# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways of running Ansible that would release a part of the platform are refused, and nothing is touched."""

from __future__ import annotations

import pytest

from . import check
from .fleet import Fleet

# A play of the user's own around the role; %s is what is foreign in it.
PLAY = """
- hosts: slipway_app:slipway_proxy
  gather_facts: false
  {}
  tasks:
    - ansible.builtin.import_role:
        name: slipway.deploy.release
        rolespec_validate: false
"""
VERSION = ("-e", "slipway_version=1.1.0")


@pytest.mark.sample(2, of="options")
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--limit", "app1:lb1"], ["--limit app1:lb1", "Run it without --limit"]),
        (["--tags", "slipway"], ["--tags slipway", "Run it without --tags"]),
        (["--skip-tags", "slow"], ["--skip-tags slow", "Run it without"]),
        (["--start-at-task", "Validate the configuration"], ["--start-at-task", "the journal knows where to go on"]),
    ],
    ids=["limit", "tags", "skip-tags", "start-at-task"],
)
def test_an_option_that_leaves_something_out_is_refused(live: Fleet, args: list[str], words: list[str]) -> None:
    """Guarantee 5."""
    before = live.snapshot()
    check.refused(live.deploy("1.1.0", *args), "refused before anything was touched", *words)
    check.untouched(before, live.snapshot())


def test_a_release_of_which_everything_would_be_skipped_does_not_look_like_a_success(live: Fleet) -> None:
    """Guarantee 5."""
    before = live.snapshot()
    check.refused(live.deploy("1.1.0", "--skip-tags", "always"), "--skip-tags always would skip the whole release")
    check.untouched(before, live.snapshot())


@pytest.mark.sample(1, of="starts")
@pytest.mark.parametrize(
    "task", ["Decide what this run does", "Take the lock on every machine", "Verdict of lock", "Do what was planned"]
)
def test_a_start_behind_the_plan_touches_nothing(live: Fleet, task: str) -> None:
    """Guarantee 5: without the plan no later task knows what it is for."""
    before = live.snapshot()
    assert live.deploy("1.1.0", "--start-at-task", task).rc != 0
    check.untouched(before, live.snapshot())


@pytest.mark.sample(1, of="plays")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("serial: 1", ["serial [1]", "Take serial out of the play"]),
        ("strategy: free", ["strategy free", "Use strategy linear"]),
        ("strategy: host_pinned", ["strategy host_pinned", "Use strategy linear"]),
    ],
    ids=["serial", "free", "host_pinned"],
)
def test_a_play_that_takes_machines_apart_is_refused(live: Fleet, line: str, words: list[str]) -> None:
    """Guarantee 5."""
    (live.site.directory / "own.yml").write_text(PLAY.format(line))
    before = live.snapshot()
    check.refused(live.play("own.yml", *VERSION), "refused before anything was touched", *words)
    check.untouched(before, live.snapshot())


def test_a_play_over_fewer_machines_is_refused(live: Fleet) -> None:
    """Guarantee 5: a slice of the inventory, as AWX makes it, or a play of the user's own."""
    text = PLAY.format("become: false").replace("slipway_app:slipway_proxy", "app1:lb1")
    (live.site.directory / "own.yml").write_text(text)
    before = live.snapshot()
    check.refused(live.play("own.yml", *VERSION), "the play leaves out app2", "needs all machines")
    check.untouched(before, live.snapshot())
