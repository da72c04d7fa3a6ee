# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, the SSH server, the firewall and the journal, as all machines have them."""

from __future__ import annotations

import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://all"]


def test_a_user_has_its_keys_and_the_rights_that_were_named(host: Host) -> None:
    keys = host.file(host.check_output("echo ~ann/.ssh/authorized_keys"))
    assert (keys.user, keys.mode) == ("ann", 0o600)
    assert "ann@example.com" in keys.content_string
    allowed = host.check_output("sudo --list --other-user=ann")
    assert "(ALL : ALL) NOPASSWD: /usr/bin/systemctl restart nginx" in allowed
    assert "NOPASSWD: ALL" not in allowed
    assert not host.user("bob").exists


def test_the_ssh_server_lets_nobody_in_by_a_password(host: Host) -> None:
    effective = host.check_output("sshd -T").splitlines()
    wanted = {
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitrootlogin without-password",
        "maxsessions 20",
    }
    assert wanted <= set(effective)


def test_the_firewall_lets_in_what_was_named_now_and_after_a_reboot(host: Host) -> None:
    rules = host.check_output("nft list table inet slipway")
    assert 'tcp dport 22 accept comment "controller"' in rules
    assert "ip saddr { 10.0.0.0/8, 172.16.0.0/12 } tcp dport { 80, 20000-29999 } accept" in rules
    assert rules.index("counter") > rules.index("20000-29999")
    assert host.service("slipway-firewall").is_enabled and host.service("slipway-firewall").is_running


def test_nothing_waits_to_be_confirmed(host: Host) -> None:
    assert host.run("ls -A /run/slipway-guarded").stdout == ""
    assert host.check_output("systemctl list-units --all --no-legend 'slipway-undo*'") == ""


def test_the_journal_is_bounded_and_further_kernel_settings_are_written(host: Host) -> None:
    assert host.file("/etc/systemd/journald.conf.d/60-slipway.conf").contains("^SystemMaxUse=200M$")
    assert host.file("/etc/sysctl.d/60-slipway.conf").contains("^vm.swappiness = 10$")
    assert host.file("/etc/systemd/timesyncd.conf.d/slipway.conf").contains("^NTP=ntp.example.com$")
