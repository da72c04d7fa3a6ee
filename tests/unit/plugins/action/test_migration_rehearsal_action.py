# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller adds to a rehearsal, and what it keeps to itself."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.slipway.deploy.plugins.action.migration_rehearsal import role_of, spread_backup, taken
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP

TARGET = {
    "platform": "shop",
    "environment": "test",
    "state_root": "/state",
    "keep": 3,
    "backup": {
        "engine": "postgresql",
        "method": "auto",
        "physical": {"stanza": "s"},
        "host": "db1",
        "verify_host": "db1",
    },
}


@pytest.mark.parametrize(
    ("url", "role"),
    [
        ("postgresql://mig%40rate:p%3A@db:5432/shop?sslmode=require", "mig@rate"),
        ("postgresql:///shop", ""),
        ("host=db user=migrate password='a b' dbname=shop", "migrate"),
        ("host=db user='migrate' dbname=shop", "migrate"),
        ("host=db dbname=shop", ""),
        ("", ""),
    ],
)
def test_of_the_connection_string_only_the_role_is_sent(url, role):
    assert role_of("postgresql", url) == role


def test_accounts_of_other_engines_are_no_part_of_a_backup():
    assert role_of("mariadb", "mariadb://migrate:p@db/shop") == ""


def test_another_machine_than_the_one_that_takes_the_backups_knows_dumps_alone():
    assert spread_backup({"target": TARGET, "name": "shop"})["physical"] == {"stanza": "s"}
    elsewhere = {**TARGET, "backup": {**TARGET["backup"], "verify_host": "db2"}}
    assert "physical" not in spread_backup({"target": elsewhere, "name": "shop"})


def test_options_of_the_other_module_are_checked_as_there():
    assert taken("backup", {"name": "shop"}, DATABASE_BACKUP)["scratch_dir"] == "/var/tmp"
    with pytest.raises(AnsibleActionFail, match=r"backup: .*scratch"):
        taken("backup", {"name": "shop", "scratch": "/x"}, DATABASE_BACKUP)
