# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of two releases on one machine, the second one live."""

from __future__ import annotations

import json
import typing as t

import pytest

Host: t.TypeAlias = t.Any
Containers: t.TypeAlias = "dict[str, list[dict[str, t.Any]]]"

testinfra_hosts = ["ansible://slipway_app"]
STATE = "/var/lib/slipway/shop/molecule"


@pytest.fixture(scope="module")
def containers(host: Host) -> Containers:
    """Version to what the engine says of its containers."""
    ids = host.check_output("docker ps --all --quiet --filter label=slipway.platform=shop")
    found: Containers = {}
    for one in json.loads(host.check_output(f"docker inspect {' '.join(ids.split())}")):
        found.setdefault(one["Config"]["Labels"]["slipway.version"], []).append(one)
    return found


def test_both_versions_are_there_and_the_new_one_alone_runs(containers: Containers) -> None:
    running = {version: [one["State"]["Running"] for one in found] for version, found in containers.items()}
    assert running == {"1.0.0": [False] * 3, "1.1.0": [True] * 3}


def test_they_are_on_different_sides(containers: Containers) -> None:
    sides = {
        version: {one["Config"]["Labels"]["slipway.side"] for one in found} for version, found in containers.items()
    }
    assert sorted(sides.values(), key=sorted) == [{"blue"}, {"green"}]


def test_only_the_live_side_comes_back_after_a_reboot(containers: Containers) -> None:
    policies = {
        version: {one["HostConfig"]["RestartPolicy"]["Name"] or "no" for one in found}
        for version, found in containers.items()
    }
    assert policies["1.0.0"] == {"no"}
    assert "no" not in policies["1.1.0"]


def test_the_old_side_ended_by_itself_and_was_not_killed(containers: Containers) -> None:
    assert {one["State"]["ExitCode"] for one in containers["1.0.0"]} == {0}


def test_every_replica_answers_on_its_own_port(host: Host, containers: Containers) -> None:
    ports = {
        published["HostPort"]
        for one in containers["1.1.0"]
        for bindings in (one["HostConfig"]["PortBindings"] or {}).values()
        for published in bindings
    }
    assert len(ports) == 2
    for port in ports:
        assert (
            json.loads(host.check_output(f"curl --silent --fail http://127.0.0.1:{port}/version"))["version"] == "1.1.0"
        )


def test_keywords_of_the_sdk_arrive(containers: Containers) -> None:
    limits = {
        one["HostConfig"]["Memory"]
        for one in containers["1.1.0"]
        if one["Config"]["Labels"]["slipway.service"] == "backend"
    }
    assert limits == {256 * 1024 * 1024}


def test_a_secret_is_a_file_that_only_the_program_reads(host: Host, containers: Containers) -> None:
    assert oct(host.file(f"{STATE}/secrets").mode) == "0o700"
    source = containers["1.1.0"][0]["Mounts"][0]["Source"]
    assert host.file(f"{source}/DATABASE_URL").mode & 0o077 == 0


def test_a_secret_is_nowhere_else(host: Host, containers: Containers) -> None:
    source = containers["1.1.0"][0]["Mounts"][0]["Source"]
    secret = host.file(f"{source}/DATABASE_URL").content_string.strip()
    password = secret.split(":")[2].split("@")[0]
    assert len(password) >= 8
    for found in containers.values():
        assert password not in json.dumps(found)
    assert host.run(f"grep --recursive --files-with-matches --fixed-strings {password} {STATE}/releases").rc == 1
    assert host.run(f"grep --fixed-strings {password} {STATE}/journal.jsonl").rc == 1
