# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What application machines and balancers have in common."""

from __future__ import annotations

import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://all"]


def test_the_deploy_user_becomes_root_without_a_password(host: Host) -> None:
    assert host.check_output("su --login carrier --command 'sudo --non-interactive id --user'") == "0"
    rule = host.file("/etc/sudoers.d/60-slipway-carrier")
    assert (rule.user, rule.mode) == ("root", 0o440)


def test_the_deploy_user_gets_in_with_its_key_only(host: Host) -> None:
    keys = host.file("/home/carrier/.ssh/authorized_keys")
    assert (keys.user, keys.mode) == ("carrier", 0o600)
    assert keys.content_string.endswith(" carrier@example.com\n")
    assert host.check_output("passwd --status carrier").split()[1] == "L"


def test_the_kernel_settings_are_written(host: Host) -> None:
    written = host.file("/etc/sysctl.d/60-slipway.conf")
    assert (written.user, written.mode) == ("root", 0o644)
    assert written.contains("^net.core.somaxconn = 4096$")


def test_ports_of_services_are_not_given_to_outgoing_connections(host: Host) -> None:
    written = host.file("/etc/sysctl.d/60-slipway.conf").content_string
    low = next(line.split()[2] for line in written.splitlines() if line.startswith("net.ipv4.ip_local_port_range"))
    assert int(low) > 29999


def test_the_state_directory_is_there_for_root_alone_to_write(host: Host) -> None:
    state = host.file("/var/lib/slipway")
    assert state.is_directory
    assert (state.user, state.mode) == ("root", 0o755)


def test_logs_are_rotated(host: Host) -> None:
    assert host.package("logrotate").is_installed
