# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller makes of a lease that it meets: its own process's, a dead one's, somebody else's."""

from __future__ import annotations

import types

import pytest
from ansible_collections.slipway.deploy.plugins.action import release_state
from ansible_collections.slipway.deploy.plugins.plugin_utils import stage_action

ALIVE = stage_action.holder()
GONE = {**ALIVE, "pid": 2**22 + 1}  # above any kernel's limit (proc(5), pid_max)
ELSEWHERE = {**GONE, "boot_id": "another"}


def action(outcomes, monkeypatch, **args):
    """The action plugin on one machine, whose module returns these results; and the arguments it was called with."""
    plugin = release_state.ActionModule.__new__(release_state.ActionModule)
    plugin._task = types.SimpleNamespace(args=args, check_mode=False)
    plugin._templar = None  # for secrets, of which these have none
    calls = []

    def tried(_self, given, _variables):
        calls.append(given)
        return outcomes[len(calls) - 1]

    monkeypatch.setattr(release_state.StageAction, "_try", tried)
    monkeypatch.setattr(release_state, "holder", lambda: ALIVE)  # some runners fork a process of its own for each test
    return plugin, calls


def refusal(holder):
    return {"failed": True, "error": {"cause": "lock_held", "evidence": {"token": 7, "holder": holder}}}


def test_a_grant_that_a_dead_run_got_meanwhile_is_taken_over(monkeypatch):
    """Its module ran on after the machines were read."""
    earlier = {"token": 5, "holder": ELSEWHERE}
    plugin, calls = action([refusal(GONE), {"changed": True}], monkeypatch)
    assert plugin._try({"takeover": [earlier]}, {}) == {"changed": True}
    assert calls[1]["takeover"] == [earlier, {"token": 7, "holder": GONE}]


@pytest.mark.parametrize("holder", [ALIVE, ELSEWHERE], ids=["it lives", "nobody here can tell"])
def test_nobody_else_is_replaced(monkeypatch, holder):
    plugin, calls = action([refusal(holder)], monkeypatch)
    assert plugin._try({}, {}) == refusal(holder)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("holder", "own", "gone"),
    [(ALIVE, True, False), (GONE, False, True), (ELSEWHERE, False, False)],
    ids=["this very run", "dead", "somebody else"],
)
def test_a_lease_is_told_by_its_holder(monkeypatch, holder, own, gone):
    live = {"lease": {"live": True, "holder": holder}}
    plugin, _calls = action([live], monkeypatch, state="read", wait=0)
    lease = plugin.run(None, {"inventory_hostname": "app1"})["lease"]
    assert (lease["own"], lease["holder_gone"]) == (own, gone)


def test_it_waits_for_somebody_else_and_counts_down_by_name(monkeypatch):
    said, naps = [], []
    monkeypatch.setattr(release_state.display, "display", said.append)
    monkeypatch.setattr(release_state.time, "sleep", naps.append)
    held = {"lease": {"live": True, "holder": ELSEWHERE, "release_id": "r1", "remaining": 9}}
    plugin, calls = action([held, held, {"lease": {"live": False}}], monkeypatch, state="read", wait=60)
    assert plugin.run(None, {"inventory_hostname": "app1"})["stage"]["ok"]
    assert (len(calls), len(naps)) == (3, 2)
    assert all(f"r1 of {ELSEWHERE['user']} on {ELSEWHERE['host']} (process {GONE['pid']})" in line for line in said)
