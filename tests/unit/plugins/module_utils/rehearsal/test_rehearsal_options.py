# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rehearsal refuses to begin with, and what it does where it has nothing to do."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_rehearsal import perform
from ansible_collections.slipway.deploy.plugins.module_utils.stages.rehearsal_arguments import MIGRATION_REHEARSAL


def params(**given):
    usual = {name: option.get("default") for name, option in MIGRATION_REHEARSAL.options.items()}
    backup = {"engine": "postgresql", "id": "latest", "url": None}
    return {**usual, "backup": backup, "migrations": {"files": None, "state": "latest"}, **given}


@pytest.mark.parametrize("name", ["max_lock", "max_duration"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_budget_that_is_none(name, value):
    error = perform(params(**{name: value}), check=False)["error"]
    assert (error["cause"], error["object"]) == ("bad_input", name)


@pytest.mark.parametrize("given", [{"release": {"id": "r1"}}, {"old": {"services": {"web": {}}}}])
def test_a_release_and_a_live_version_are_of_a_platform(given):
    assert perform(params(**given), check=False)["error"]["cause"] == "invalid"


def test_secrets_that_cannot_be_read_are_not_shown():
    result = perform(params(old={"services": {}, "secrets": "hunter22"}), check=False)
    assert result["error"]["cause"] == "invalid" and "hunter22" not in str(result)


def test_on_another_machine_and_in_check_mode_nothing_is_done():
    assert perform(params(here=False), check=False) == {"changed": False, "actions": []}
    assert perform(params(), check=True)["actions"] == ["restore latest and try the pending migrations on it"]
