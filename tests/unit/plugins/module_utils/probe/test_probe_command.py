# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command's end says about health."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.probe.command import CommandProbe
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import Clean, Target
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.probe.fakes import FakeSystem


def probe(outcome: Completed | Exception) -> CommandProbe:
    system = FakeSystem()
    system.answers = [outcome]
    return CommandProbe(Target("command", argv=["pg_isready", "--password=s3cret"]), system, Clean(["s3cret"]))


def test_exit_status_zero_is_a_success() -> None:
    assert probe(Completed(0, "accepting\n", "")).attempt(1.0).evidence == {
        "rc": 0,
        "stdout": "accepting",
        "stderr": "",
    }


@pytest.mark.parametrize(
    ("outcome", "cause", "said"),
    [
        (Completed(2, "", "no response with s3cret\n"), "command", r"ended with 2 and said: no response with \*+"),
        (Completed(1, "rejecting\n", ""), "command", "ended with 1 and said: rejecting"),
        (Completed(-9, "", ""), "command", "ended with -9 and said: nothing"),
        (SlipwayError("did not end", obj="pg_isready s3cret", cause="timeout"), "timeout", "did not end within 1 s"),
        (SlipwayError("no such program", obj="pg_isready", cause="command_missing"), "command", "no such program"),
        (PermissionError(13, "Permission denied"), "command", "cannot be run .Permission denied"),
    ],
)
def test_anything_else_is_a_failure_without_arguments(outcome: Completed | Exception, cause: str, said: str) -> None:
    with pytest.raises(SlipwayError, match=said) as caught:
        probe(outcome).attempt(1.0)
    assert caught.value.cause == cause
    assert "s3cret" not in str(caught.value.result())
