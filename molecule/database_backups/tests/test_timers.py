# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers of backups and drills, and what they leave when they are due."""

from __future__ import annotations

import typing as t

import pytest

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://all"]
PLACE = "/var/backups/slipway/shop-molecule"


@pytest.mark.parametrize("kind", ["backup", "drill"])
def test_a_timer_is_on_now_and_after_a_boot(host: Host, kind: str) -> None:
    with host.sudo():
        timer = host.service(f"slipway-{kind}-shop-molecule.timer")
        assert timer.is_enabled
        assert timer.is_running


def test_what_is_due_takes_a_backup_more_and_proves_it(host: Host) -> None:
    with host.sudo():
        before = host.check_output(f"find {PLACE} -type f").split()
        for kind in ("backup", "drill"):
            host.check_output(f"systemctl start slipway-{kind}-shop-molecule.service")
        assert len(set(host.check_output(f"find {PLACE} -type f").split()) - set(before)) >= 2
        log = host.check_output("journalctl --no-pager --unit slipway-drill-shop-molecule.service")
        assert "is good, by restore" in log
        figures = host.file("/srv/textfiles/slipway_backup_shop-molecule.prom").content_string
        assert 'slipway_backup_last_run_success{platform="shop",environment="molecule"} 1' in figures


def test_only_root_reads_backups_and_their_connection_string(host: Host) -> None:
    with host.sudo("deploy"):
        assert host.run(f"ls {PLACE}").rc != 0
    with host.sudo():
        assert host.check_output(f"find {PLACE} -type f -perm /077") == ""
        held = host.check_output(
            "grep --recursive --files-with-matches postgresql:// /var/lib/slipway /etc/systemd/system || true"
        )
        assert [host.file(name).mode for name in held.split()] == [0o600] * len(held.split())
