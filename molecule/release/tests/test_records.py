# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two releases and a rollback leave on every machine."""

from __future__ import annotations

import json
import typing as t

import pytest

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://all"]
STATE = "/var/lib/slipway/shop/molecule"


@pytest.fixture(scope="module")
def journal(host: Host) -> list[dict[str, t.Any]]:
    """The records of the machine's journal."""
    with host.sudo():
        return [json.loads(line) for line in host.check_output(f"cat {STATE}/journal.jsonl").splitlines()]


def test_every_release_has_one_good_outcome(journal: list[dict[str, t.Any]]) -> None:
    outcomes = [record for record in journal if record["event"] == "outcome"]
    assert [record["data"]["outcome"] for record in outcomes] == ["succeeded"] * 3
    assert len({record["release"] for record in outcomes}) == 3


def test_the_records_are_numbered_without_a_gap(journal: list[dict[str, t.Any]]) -> None:
    assert [record["seq"] for record in journal] == list(range(journal[0]["seq"], journal[0]["seq"] + len(journal)))


def test_later_releases_have_higher_tokens(journal: list[dict[str, t.Any]]) -> None:
    tokens = [record["token"] for record in journal]
    assert tokens == sorted(tokens)
    assert len(set(tokens)) == 3


def test_nobody_holds_the_lock_and_the_fence_is_kept(host: Host, journal: list[dict[str, t.Any]]) -> None:
    with host.sudo():
        lock = json.loads(host.check_output(f"cat {STATE}/lock.json"))
    assert lock["lease"] is None
    assert lock["fence"] == max(record["token"] for record in journal)


def test_only_root_reads_the_records(host: Host) -> None:
    with host.sudo("deploy"):
        assert host.run(f"cat {STATE}/journal.jsonl").rc != 0
    with host.sudo():
        assert oct(host.file(STATE).mode) == "0o700"
        assert {oct(host.file(f"{STATE}/{name}").mode) for name in ("journal.jsonl", "lock.json")} == {"0o600"}
