# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report says what a release leans on, why, and how it can be undone."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.release import report
from ansible_collections.slipway.deploy.plugins.module_utils.release.verdict import Verdict

TARGET = {
    "id": "1.4.2-x",
    "platform": "shop",
    "environment": "production",
    "version": "1.4.2",
    "previous": None,
    "side": "blue",
    "machines": ["db1"],
}
BACKUP = {
    "id": "20261124-031500F",
    "taken": 1000.0,
    "verified_by": "restore",
    "seconds": 1.0,
    "restore_seconds": 4.2,
    "size": 1,
    "plain_size": 1,
}


@pytest.mark.parametrize(
    "result, line",
    [
        ({"backup": BACKUP}, "backup 20261124-031500F, 1.0 h before: restored in 4.2 s and compared"),
        (
            {"backup": BACKUP, "restore_point": {"name": "slipway_1.4.2-x"}, "why": "physical: method is physical"},
            "backup 20261124-031500F, 1.0 h before: restored in 4.2 s and compared; undone by the restore point"
            " slipway_1.4.2-x (physical: method is physical)",
        ),
        ({"waived": "the database is empty"}, "no backup: waived, because the database is empty"),
    ],
)
def test_one_line(result, line):
    verdict = Verdict("backup", True, [], 1, 1.0, False, [])
    stage = report.Stage(verdict, {"db1": {**result, "stage": {"started": 4600.0}}})
    made = report.build(TARGET, [stage], refused=False, started=4600.0, ended=4601.0)
    assert f"  {line}" in report.lines(made)


def staged(name, result):
    return report.Stage(Verdict(name, True, [], 1, 1.0, False, []), {"db1": {**result, "stage": {"started": 4600.0}}})


def test_what_another_machine_has_proven_counts_as_it_left_it():
    taken = staged(
        "backup", {"backup": {**BACKUP, "verified_by": "none", "restore_seconds": None}, "why": "logical: quick"}
    )
    both = [taken, staged("prove", {"backup": BACKUP})]
    made = report.build(TARGET, both, refused=False, started=4600.0, ended=4601.0)
    assert made["backup"]["verified_by"] == "restore"
    assert "restored in 4.2 s and compared (logical: quick)" in "".join(report.lines(made))
    refused = report.build(TARGET, [taken], refused=True, started=4600.0, ended=4601.0)
    assert "1.0 h before: not proven" in "".join(report.lines(refused))
