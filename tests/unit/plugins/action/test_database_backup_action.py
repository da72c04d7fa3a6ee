# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site's connection string goes only to a machine that asks the database."""

from __future__ import annotations

import base64
import types

import pytest
from ansible_collections.slipway.deploy.plugins.action import backup_schedule, database_backup

SITE = "postgresql://shop:hunter22@db1/shop"


@pytest.fixture(autouse=True)
def _site(monkeypatch):
    for action in (database_backup, backup_schedule):
        monkeypatch.setattr(action, "read_database_url", lambda *_site: SITE)


def completed(action, args, **attributes):
    plugin = action.ActionModule.__new__(action.ActionModule)
    plugin._templar, plugin._task = None, types.SimpleNamespace(args=args)
    for name, value in attributes.items():
        setattr(plugin, name, value)
    return plugin.completed(args, {})


def plain(found):
    return base64.b64decode(found.get("url") or "").decode()


@pytest.mark.parametrize(
    "args, sent",
    [
        ({}, SITE),
        ({"state": "present"}, SITE),
        ({"state": "recovered"}, SITE),
        ({"state": "reached"}, ""),
        ({"state": "verified"}, ""),
        ({"state": "verified", "physical": {"stanza": "shop"}}, SITE),
        ({"state": "verified", "snapshot": {"create": ["x", "{name}"]}}, SITE),
        ({"state": "verified", "url": "postgresql://other"}, "postgresql://other"),
    ],
)
def test_it_is_not_sent_where_only_a_dump_is_looked_at(args, sent):
    assert plain(completed(database_backup, args)) == sent


@pytest.mark.parametrize("part, sent", [("whole", SITE), ("take", SITE), ("prove", "")])
def test_timers_that_prove_are_without_it(part, sent):
    args = {"part": part, "backup": {"name": "shop", "store": {"path": "/b"}, "verify": "read"}}
    found = completed(backup_schedule, args, _program="/engine")
    assert plain(found) == sent
    assert "hunter22" not in str(found["backup"]) and found["backup"]["verify"] == "read"
