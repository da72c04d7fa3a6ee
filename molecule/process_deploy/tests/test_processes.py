# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of two releases on one machine, the second one live."""

from __future__ import annotations

import json
import typing as t

import pytest

Host: t.TypeAlias = t.Any
Units: t.TypeAlias = "dict[str, dict[str, str]]"

testinfra_hosts = ["ansible://slipway_app"]
CODE = "/srv/slipway/shop/molecule"
SIDES = {"blue": "1.0.0", "green": "1.1.0"}
NAMES = ("web.{side}@1", "web.{side}@2", "worker.{side}@1")


def units(host: Host, side: str) -> Units:
    """Unit to what systemd says of it."""
    found: Units = {}
    for name in NAMES:
        unit = f"slipway-shop.molecule.{name.format(side=side)}.service"
        said = host.check_output(f"systemctl show --property=ActiveState,UnitFileState,ExecMainStatus,MemoryMax {unit}")
        found[unit] = dict(line.split("=", 1) for line in said.splitlines())
    return found


def test_the_new_version_alone_runs(host: Host) -> None:
    running = {side: {about["ActiveState"] for about in units(host, side).values()} for side in SIDES}
    assert running == {"blue": {"inactive"}, "green": {"active"}}


def test_only_the_live_side_comes_back_after_a_reboot(host: Host) -> None:
    boot = {side: {about["UnitFileState"] for about in units(host, side).values()} for side in SIDES}
    assert boot == {"blue": {"disabled"}, "green": {"enabled"}}


def test_the_link_names_the_release_that_is_live_and_both_are_kept(host: Host) -> None:
    current = host.file(f"{CODE}/current").linked_to
    assert host.file(f"{current}/web/version").content_string == "1.1.0\n"
    kept = host.check_output(f"cat {CODE}/releases/*/web/version").split()
    assert sorted(kept) == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize("replica", [1, 2])
def test_every_replica_answers_on_its_own_port(host: Host, replica: int) -> None:
    environment = host.file(f"{CODE}/environment/slipway-shop.molecule.web.green/{replica}").content_string
    port = dict(line.split("=", 1) for line in environment.splitlines())["PORT"].strip('"')
    assert host.check_output(f"curl --silent --fail http://127.0.0.1:{port}/version") == "1.1.0"


def test_directives_of_a_service_arrive(host: Host) -> None:
    limits = {unit.partition("@")[0]: about["MemoryMax"] for unit, about in units(host, "green").items()}
    assert limits["slipway-shop.molecule.web.green"] == str(64 * 1024 * 1024)


def test_the_journal_says_which_model_it_was(host: Host) -> None:
    lines = host.file("/var/lib/slipway/shop/molecule/journal.jsonl").content_string.splitlines()
    specs = [record["data"]["spec"] for record in map(json.loads, lines) if record["event"] == "decision"]
    assert {spec["model_role"] for spec in specs} == {"slipway.deploy.process_deploy"}
