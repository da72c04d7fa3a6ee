# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where requests go after the cut-over, and after whatever happens to a proxy later."""

from __future__ import annotations

import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://slipway_proxy"]
OURS = "/etc/haproxy/slipway.d/shop-molecule.cfg"


def versions(host: Host, path: str = "/version") -> set[str]:
    """The versions that ten requests are answered by."""
    answers = host.check_output(f"for n in 1 2 3 4 5 6 7 8 9 10; do curl --silent --fail 127.0.0.1{path}; echo; done")
    return {version for version in ("1.0.0", "1.1.0") if f'"{version}"' in answers}


def test_every_request_goes_to_the_new_version(host: Host) -> None:
    assert versions(host) == {"1.1.0"}


def test_a_reload_keeps_the_new_version(host: Host) -> None:
    host.check_output("systemctl reload haproxy")
    assert versions(host) == {"1.1.0"}


def test_a_restart_keeps_the_new_version(host: Host) -> None:
    host.check_output("systemctl restart haproxy")
    assert versions(host) == {"1.1.0"}


def test_a_restart_without_the_state_files_keeps_the_new_version(host: Host) -> None:
    host.check_output("mkdir /root/aside && mv /var/lib/slipway/haproxy/*.state /root/aside/")
    try:
        host.check_output("systemctl restart haproxy")
        assert versions(host) == {"1.1.0"}
    finally:
        host.check_output("mv /root/aside/*.state /var/lib/slipway/haproxy/ && rmdir /root/aside")


def test_our_configuration_is_a_file_of_its_own(host: Host) -> None:
    ours = host.file(OURS)
    assert (ours.user, ours.mode) == ("root", 0o600)
    assert "/etc/haproxy/haproxy.cfg" not in host.run("dpkg --verify haproxy").stdout
    assert host.run("haproxy -c -f /etc/haproxy/haproxy.cfg -f /etc/haproxy/slipway.d").rc == 0


def test_the_state_directory_is_closed(host: Host) -> None:
    assert oct(host.file("/var/lib/slipway/shop/molecule").mode) == "0o700"
