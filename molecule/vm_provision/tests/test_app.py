# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that runs containers."""

from __future__ import annotations

import json
import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://slipway_app"]


def test_the_engine_runs_now_and_after_a_reboot(host: Host) -> None:
    service = host.service("docker")
    assert service.is_running, host.run("journalctl --no-pager --lines=30 --unit=docker").stdout
    assert service.is_enabled
    assert host.run("docker version --format '{{.Server.Version}}'").rc == 0


def test_modules_find_the_docker_sdk(host: Host) -> None:
    assert host.run("/usr/bin/python3 -c 'import docker; docker.from_env().ping()'").rc == 0


def test_settings_are_merged_and_those_written_by_hand_are_kept(host: Host) -> None:
    assert json.loads(host.file("/etc/docker/daemon.json").content_string) == {
        "mtu": 1400,
        "log-opts": {"max-file": "7", "max-size": "5m"},
        "insecure-registries": ["10.0.0.0/8"],
    }


def test_the_file_written_by_hand_has_a_backup(host: Host) -> None:
    backups = host.run("cat /etc/docker/daemon.json.*~").stdout
    assert json.loads(backups) == {"mtu": 1400, "log-opts": {"max-file": "7"}}


def test_the_engine_has_taken_the_settings(host: Host) -> None:
    config = json.loads(host.check_output("docker info --format '{{json .RegistryConfig}}'"))
    assert "10.0.0.0/8" in config["InsecureRegistryCIDRs"]


def test_no_proxy_is_installed_where_none_is_asked_for(host: Host) -> None:
    assert not host.package("haproxy").is_installed
    assert not host.package("nginx").is_installed
