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


def test_the_runtime_makes_environments_and_git_is_there(host: Host) -> None:
    made = host.run("python3 -m venv /opt/made && /opt/made/bin/pip --version")  # /run may be noexec
    assert made.rc == 0 and "python 3.11" in made.stdout, made.stderr
    assert host.run("git --version").rc == 0


def test_supervisor_runs_now_and_after_a_reboot(host: Host) -> None:
    service = host.service("supervisor")
    assert service.is_running and service.is_enabled
    assert host.run("supervisorctl pid").rc == 0


def test_the_node_exporter_shows_what_others_write(host: Host) -> None:
    host.check_output("printf 'slipway_backup_count 3\\n' > /var/lib/prometheus/node-exporter/slipway.prom")
    figures = host.check_output("curl --silent --fail http://127.0.0.1:9100/metrics")
    assert "slipway_backup_count 3" in figures.splitlines()
    assert not host.socket("tcp://0.0.0.0:9100").is_listening


def test_security_updates_alone_are_installed_and_nothing_is_rebooted(host: Host) -> None:
    settings = host.check_output("apt-config dump")
    origins = [line.split('"')[1] for line in settings.splitlines() if "Origins-Pattern::" in line]
    assert origins and all("label=Debian-Security" in origin for origin in origins)
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in settings
    assert 'Unattended-Upgrade::Package-Blacklist:: "docker";' in settings


def test_no_update_begins_while_a_release_is_under_way(host: Host) -> None:
    """The unit itself asks: with a lease that lives it is not started."""
    lock = '{"lease": {"release_id": "r", "boot_id": "x", "granted": 0, "expires": 1e12}}'
    host.check_output(
        "mkdir -p /var/lib/slipway/shop/test && printf %s %s > /var/lib/slipway/shop/test/lock.json", "%s", lock
    )
    assert host.run("/usr/local/sbin/slipway-idle").stdout == "shop/test: release r holds the lock\n"
    host.check_output("systemctl start apt-daily-upgrade.service")
    assert "slipway-idle" in host.check_output("systemctl show --property=ExecCondition --value apt-daily-upgrade")
    # It is told as skipped, and the unit is unloaded at once, with its result.
    assert "exec-condition" in host.check_output("journalctl --unit=apt-daily-upgrade.service --output=cat --lines=5")
    host.check_output("rm -r /var/lib/slipway/shop")
    assert host.run("/usr/local/sbin/slipway-idle").rc == 0
