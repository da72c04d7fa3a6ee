# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that balances with Caddy."""

from __future__ import annotations

import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://lb2"]


def test_caddy_runs_now_and_after_a_reboot(host: Host) -> None:
    service = host.service("caddy")
    assert service.is_running, host.run("journalctl --no-pager --lines=30 --unit=caddy").stdout
    assert service.is_enabled
    assert host.check_output("systemctl show --property=Restart --value caddy") == "always"


def test_caddy_reads_our_directory_and_nobody_else_may_change_it(host: Host) -> None:
    ours = host.file("/etc/caddy/slipway.d")
    assert ours.is_directory and (ours.user, ours.group, ours.mode) == ("root", "caddy", 0o2750)
    command = host.check_output("tr '\\0' ' ' < /proc/$(systemctl show --property=MainPID --value caddy)/cmdline")
    assert "--config /etc/caddy/slipway.caddyfile" in command
    socket = host.file("/run/caddy/admin.sock")
    assert socket.is_socket and socket.user == "caddy" and not socket.mode & 0o022
    assert host.run("systemctl reload caddy").rc == 0


def test_the_packages_own_site_leaves_its_port_and_its_file_as_it_is(host: Host) -> None:
    assert not host.socket("tcp://0.0.0.0:80").is_listening and not host.socket("tcp://:::80").is_listening
    assert "/etc/caddy/Caddyfile" not in host.run("dpkg --verify caddy").stdout


def test_waiting_connections_move_over_when_the_configuration_changes(host: Host) -> None:
    assert host.file("/etc/sysctl.d/60-slipway.conf").contains("^-net.ipv4.tcp_migrate_req = 1$")
