# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report says what moved when, batch by batch, and for how long a release has interrupted."""

from __future__ import annotations

from ansible_collections.slipway.deploy.plugins.module_utils.release import report, status
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import judge
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    config,
    fleet,
    released,
)

TARGET = {
    "id": "1.1.0-x",
    "platform": "shop",
    "environment": "production",
    "version": "1.1.0",
    "previous": {"version": "1.0.0"},
    "side": "green",
    "machines": ["app1", "app2", "lb1"],
}


def stage(name, started, ended, **results):
    """A stage that every machine has passed; what single machines have measured."""
    times = {"ok": True, "cause": "", "message": "", "evidence": {}, "started": started, "ended": ended}
    found = {machine: {"stage": times, **results.get(machine, {})} for machine in TARGET["machines"]}
    return report.Stage(judge(name, found), found)


def built(*stages, refused=False, batches=(), **target):
    return report.build({**TARGET, **target}, stages, refused=refused, started=0.0, ended=9.0, batches=batches)


def test_each_batch_stands_in_a_line_of_its_own():
    looks = [{"requests": 40, "errors": 0}, {"requests": 60, "errors": 1}]
    batches = [
        report.Batch(
            {"number": number, "of": 2, "machines": [machine]},
            stage("prepare", 10.0 * number, 10.0 * number + 1.5),
            stage("shift", 10.0 * number + 2, 10.0 * number + 3, lb1={"switched_ms": 0.9, "watch": look}),
        )
        for number, machine, look in ((1, "app1", looks[0]), (2, "app2", looks[1]))
    ]
    found = built(batches=batches)
    assert found["watched"] == {"requests": 100, "errors": 1}
    text = "\n".join(report.lines(found))
    assert "batch 1 of 2 (app1): prepared in 1.5 s, moved at 00:00:12 UTC, in 0.9 ms; 0 of 40 requests failed" in text
    assert "batch 2 of 2 (app2): prepared in 1.5 s, moved at 00:00:22 UTC, in 0.9 ms; 1 of 60 requests failed" in text


def test_an_interruption_is_as_long_as_the_balancers_were_closed():
    opened = stage("shift", 3.0, 5.0, lb1={"closed_seconds": 3.2, "switched_ms": 1.0})
    found = built(stage("pause", 1.0, 2.0), stage("prepare", 2.0, 3.0), opened, interrupts=True)
    assert found["interrupted"] == 3.2
    assert "  interrupted for 3.2 s" in report.lines(found)


def test_one_that_was_closed_twice_counts_both():
    stages = [
        stage("shift", 3.0, 5.0, lb1={"closed_seconds": 3.2}),
        stage("revert_traffic", 8.0, 9.0, lb1={"closed_seconds": 1.1}),
    ]
    assert built(*stages, refused=True, interrupts=True)["interrupted"] == 4.3


def test_without_a_balancer_the_controller_measures_from_stop_to_health():
    stages = [stage("pause", 1.0, 2.0), stage("prepare", 2.5, 4.5)]
    assert built(*stages, interrupts=True)["interrupted"] == 3.5
    assert built(*stages, stage("resume", 5.0, 6.0), refused=True, interrupts=True)["interrupted"] == 5.0


def test_other_releases_have_interrupted_nobody():
    found = built(stage("prepare", 2.5, 4.5))
    assert (found["interrupted"], found["batches"]) == (None, [])
    assert "interrupted" not in "\n".join(report.lines(found))


def test_status_names_the_batch_of_a_release_that_is_under_way():
    left = released("1.1.0", "green", 4, outcome="", stages=("prepare", "decision", "shift", "prepare"))
    left["stage"] = "prepare"
    left["notes"] = [{"name": "batch", "number": 1, "of": 3, "machines": ["app1"]}]
    text = "\n".join(status.lines(config(), fleet(released(), left)))
    assert "1.1.0-id, in prepare, batch 1 of 3 has moved (app1)" in text


def test_status_says_which_machine_wants_to_be_rebooted():
    reason = "linux-image-6.1.0-30 is newer than what runs"
    machines = fleet(released(), changes={"app2": {"facts__reboot": [reason]}})
    text = status.lines(config(), machines)
    assert [line for line in text if "reboot" in line] == [f"  app2: wants to be rebooted: {reason}"]
