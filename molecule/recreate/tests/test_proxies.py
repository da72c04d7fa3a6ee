# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The balancer is open again, and its journal says for how long it was not."""

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


def test_the_journal_says_for_how_long_it_was_closed(host: Host) -> None:
    assert [one["closed_seconds"] > 0 for one in notes(host, "opened")] == [True]
