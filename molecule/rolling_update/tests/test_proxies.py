# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where requests go after the last batch, and what the journal has of each."""

from __future__ import annotations

import json
import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://slipway_proxy"]
JOURNAL = "/var/lib/slipway/shop/molecule/journal.jsonl"


def notes(host: Host, name: str) -> list[dict[str, t.Any]]:
    """What the journal notes under a name, oldest first."""
    records = [json.loads(line) for line in host.file(JOURNAL).content_string.splitlines()]
    return [one["data"] for one in records if one["event"] == "note" and one["data"]["name"] == name]


def test_every_request_goes_to_the_new_version(host: Host) -> None:
    for _request in range(10):
        assert '"1.1.0"' in host.check_output("curl --silent --fail 127.0.0.1/version")


def test_the_journal_has_every_batch(host: Host) -> None:
    assert [one["machines"] for one in notes(host, "batch")] == [["app1"], ["app2"]]
