# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that balances with HAProxy."""

from __future__ import annotations

import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://lb1"]


def test_haproxy_runs_now_and_after_a_reboot(host: Host) -> None:
    service = host.service("haproxy")
    assert service.is_running, host.run("journalctl --no-pager --lines=30 --unit=haproxy").stdout
    assert service.is_enabled


def test_haproxy_loads_our_directory_beside_the_configuration_written_by_hand(host: Host) -> None:
    ours = host.file("/etc/haproxy/slipway.d")
    assert ours.is_directory
    assert (ours.user, ours.mode) == ("root", 0o755)
    command = host.check_output("tr '\\0' ' ' < /proc/$(systemctl show --property=MainPID --value haproxy)/cmdline")
    assert "-f /etc/haproxy/haproxy.cfg" in command
    assert "-f /etc/haproxy/slipway.d" in command
    assert host.file("/run/haproxy-master.sock").is_socket


def test_the_configuration_written_by_hand_is_untouched(host: Host) -> None:
    assert "/etc/haproxy/haproxy.cfg" not in host.run("dpkg --verify haproxy").stdout


def test_no_engine_is_installed_where_none_is_asked_for(host: Host) -> None:
    assert not host.package("docker.io").is_installed
