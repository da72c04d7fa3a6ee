# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks of a release leave out, they have from what it says of its database's backups."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.slipway.deploy.plugins.module_utils.config import schema_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.plugin_utils.backup_options import BEYOND_DUMPS, OF_DUMPS, spread

TARGET = {
    "platform": "shop",
    "environment": "production",
    "state_root": "/srv/slipway",
    "keep": 0,
    "backup": {
        "engine": "postgresql",
        "name": "shop-production",
        "store": {"path": "/b"},
        "physical": {"stanza": "shop"},
        "method": "auto",
        "jobs": None,
        "retention": {},
        "max_age": 86400.0,
        "in_release_max": 300.0,
        "host": "db1",
    },
}
ROLE = pathlib.Path(__file__).parents[4] / "roles/database_backups/tasks"
# Of the configuration, for tasks alone: when and where it is done, and what not everybody waits for.
OF_TASKS = {"host", "verify_host", "max_age", "in_release_max", "schedule", "drill", "jitter", "textfile_dir"}


def test_what_is_left_out_comes_from_the_target_and_nothing_else_does():
    assert spread({"state": "present", "name": "x", "target": TARGET}) == {
        "state": "present",
        "name": "x",
        "platform": "shop",
        "environment": "production",
        "root": "/srv/slipway",
        "keep": 0,
        "engine": "postgresql",
        "store": {"path": "/b"},
        "physical": {"stanza": "shop"},
        "method": "auto",
    }


def test_what_the_task_says_comes_first():
    assert spread({"keep": 7, "store": {"path": "/c"}, "target": TARGET})["store"] == {"path": "/c"}
    assert spread({"keep": 7, "target": TARGET})["keep"] == 7
    assert spread({"keep": 7}) == {"keep": 7}


def test_who_proves_dumps_is_told_of_nothing_beyond_them():
    assert not {*BEYOND_DUMPS} & {*spread({"target": TARGET}, dumps=True)}
    logs = {**TARGET, "backup": {**TARGET["backup"], "method": "incremental", "physical": None}}
    assert spread({"target": logs}, dumps=True)["method"] == "incremental"  # whose dumps are good with their logs alone


def test_everything_that_a_site_can_say_of_its_backups_has_its_way_to_the_module():
    said = {option.name for option in schema_backup.BACKUP.options}
    assert said - OF_TASKS == {*OF_DUMPS, *BEYOND_DUMPS} - {"engine"}
    assert {*OF_DUMPS, *BEYOND_DUMPS} <= {*DATABASE_BACKUP.options}


@pytest.mark.parametrize("path", sorted(ROLE.glob("*.yml")), ids=lambda path: path.stem)
def test_no_task_repeats_it(path):
    for task in yaml.safe_load(path.read_text()):
        args = task.get("slipway.deploy.database_backup", {})
        assert not args or "target" in args
        assert not {*OF_DUMPS, *BEYOND_DUMPS} & {*args}
