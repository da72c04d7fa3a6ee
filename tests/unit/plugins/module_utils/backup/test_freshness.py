# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What monitoring reads of the backups, and when the timers' programs fail."""

from __future__ import annotations

import base64
import json
import re
import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import freshness
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages import backup_schedule, scheduled
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.stages.schedule_arguments import BACKUP_SCHEDULE
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System

NAMES = {"platform": "shop", "environment": "test"}


@pytest.fixture
def order(tmp_path):
    """An order of a timer, for a SQLite file, and where its figures go."""
    with sqlite3.connect(tmp_path / "shop.db") as link:
        link.execute("CREATE TABLE item (id INTEGER PRIMARY KEY)")
    link.close()
    (tmp_path / "textfiles").mkdir()
    params = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
    params.update(NAMES, engine="sqlite", name="shop-test", root=str(tmp_path / "root"), scratch_dir=str(tmp_path))
    params.update(url=base64.b64encode(str(tmp_path / "shop.db").encode()).decode(), compression={"method": "none"})
    params.update(store={"kind": "local", "path": str(tmp_path / "store")}, textfile_dir=str(tmp_path / "textfiles"))
    path = tmp_path / "order.json"
    path.write_text(json.dumps(params))
    return path


def figures(order):
    text = (order.parent / "textfiles" / "slipway_backup_shop-test.prom").read_text()
    found = re.findall(r'^slipway_backup_(\w+)\{platform="shop",environment="test"\} (\S+)$', text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def known(order):
    return freshness.read(System(), str(order.parent / "root" / "backups"), "shop-test")


def test_a_timers_backup_is_restored_and_the_figures_say_so(order, capsys):
    assert scheduled.main(str(order), "present") == 0
    assert "is good, by restore" in capsys.readouterr().out
    found = figures(order)
    assert set(found) == set(freshness.METRICS)
    assert (found["last_run_success"], found["count"]) == (1, 1)
    assert found["restored_timestamp_seconds"] > 0 and found["stored_bytes"] > 0
    assert re.match(r"backup \S+, 0\.0 h old, restored in", freshness.said(known(order), System().wall()))


def test_a_drill_restores_the_newest_again(order):
    scheduled.main(str(order), "present")
    before = known(order)
    assert scheduled.main(str(order), "verified") == 0
    after = known(order)
    assert (after.newest, after.taken, after.backups) == (before.newest, before.taken, 1)
    assert after.drilled > before.drilled


def test_a_run_that_fails_says_so_and_the_last_good_backup_stays_the_newest(order, capsys):
    scheduled.main(str(order), "present")
    before = known(order)
    (order.parent / "shop.db").write_bytes(b"no database at all")
    assert scheduled.main(str(order), "present") == 1
    assert "shop.db" in capsys.readouterr().err
    after = known(order)
    assert (after.newest, after.taken) == (before.newest, before.taken)
    assert "! the last run failed:" in freshness.said(after, System().wall())
    assert figures(order)["last_run_success"] == 0


def test_where_nothing_was_run_nothing_is_known(tmp_path):
    assert freshness.read(System(), str(tmp_path), "shop") is None
    (tmp_path / "shop.freshness.json").write_text("{")
    assert freshness.said(freshness.read(System(), str(tmp_path), "shop"), 0) == "no backup was ever taken here"


class Systemd(System):
    """Remembers what it was told; knows one calendar event."""

    def __init__(self):
        self.told = []

    def run(self, argv, *, timeout, stdin=None, env=None):
        self.told.append(" ".join(argv))
        if argv[0] == "systemd-analyze":
            return Completed(0 if argv[2] in ("daily", "monthly") else 1, "", "")
        return Completed(0, "active\n", "")


def schedule(tmp_path, systemd, *, check=False, **changes):
    params = {name: option.get("default") for name, option in BACKUP_SCHEDULE.options.items()}
    params.update(NAMES, root=str(tmp_path / "root"), schedule="daily", program="/engines", url="c2VjcmV0")
    return backup_schedule.run({**params, **changes}, systemd, check, str(tmp_path / "units"))


def test_timers_are_written_started_and_read_back_and_once_only(tmp_path):
    systemd = Systemd()
    assert schedule(tmp_path, systemd)["changed"]
    names = sorted(path.name for path in (tmp_path / "units").iterdir())
    assert names == [
        f"slipway-{kind}-shop-test.{unit}" for kind in ("backup", "drill") for unit in ("service", "timer")
    ]
    timer = (tmp_path / "units" / "slipway-backup-shop-test.timer").read_text()
    assert "OnCalendar=daily\nRandomizedDelaySec=900\nPersistent=true" in timer
    assert [told for told in systemd.told if "is-active" in told]
    again = Systemd()
    assert schedule(tmp_path, again) == {"changed": False, "actions": [], "diff": []}
    assert not [told for told in again.told if told.startswith("systemctl")]


@pytest.mark.parametrize(
    "part, kinds", [("take", {"backup"}), ("prove", {"drill", "prove"}), ("whole", {"backup", "drill"})]
)
def test_a_machine_has_the_timers_of_its_part_and_no_others(tmp_path, part, kinds):
    for before in ("whole", "prove", "take"):
        schedule(tmp_path, Systemd(), part=before)
    systemd = Systemd()
    schedule(tmp_path, systemd, part=part)
    assert {path.name.split("-")[1] for path in (tmp_path / "units").iterdir()} == kinds
    gone = {"backup"} - kinds  # those of part take were there
    assert [told for told in systemd.told if "disable" in told] == [
        f"systemctl disable --now slipway-{kind}-shop-test.timer" for kind in gone
    ]
    schedule(tmp_path, Systemd(), state="absent")
    assert [path.name for path in (tmp_path / "units").iterdir()] == []


def test_the_machine_that_proves_looks_often_whether_there_is_one_to_prove(tmp_path):
    schedule(tmp_path, Systemd(), part="prove")
    timer = (tmp_path / "units" / "slipway-prove-shop-test.timer").read_text()
    assert "OnCalendar=*:0/15\nRandomizedDelaySec=60\n" in timer
    assert "scheduled" in (tmp_path / "units" / "slipway-prove-shop-test.service").read_text()


def test_the_connection_string_is_for_one_user_and_in_no_diff(tmp_path):
    result = schedule(tmp_path, Systemd())
    order = tmp_path / "root" / "backups" / "shop-test.order.json"
    assert order.stat().st_mode & 0o777 == 0o600
    assert "c2VjcmV0" in order.read_text()
    assert "c2VjcmV0" not in str(result)


def test_a_preview_writes_nothing_and_asks_systemd_nothing_but_the_calendar(tmp_path):
    systemd = Systemd()
    result = schedule(tmp_path, systemd, check=True)
    assert len(result["actions"]) == 5
    assert list(tmp_path.iterdir()) == []
    assert all(told.startswith("systemd-analyze") for told in systemd.told)


def test_a_time_that_systemd_does_not_know_is_refused_first(tmp_path):
    with pytest.raises(SlipwayError, match="no calendar event"):
        schedule(tmp_path, Systemd(), drill="now and then")
    assert list(tmp_path.iterdir()) == []


def test_absent_removes_timers_and_order_and_leaves_backups(tmp_path):
    schedule(tmp_path, Systemd())
    kept = tmp_path / "root" / "backups" / "shop-test.freshness.json"
    kept.write_text("{}")
    systemd = Systemd()
    assert schedule(tmp_path, systemd, state="absent")["changed"]
    assert systemd.told[0].startswith("systemctl disable --now slipway-backup-shop-test.timer")
    assert list((tmp_path / "units").iterdir()) == []
    assert list(kept.parent.iterdir()) == [kept]
    assert not schedule(tmp_path, Systemd(), state="absent")["changed"]
