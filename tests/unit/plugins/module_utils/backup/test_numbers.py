# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module refuses numbers that make no sense, as the configuration does, before anything is touched."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema_backup import BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.stages.numbers import LEAST

NUMBERS = ("int", "float")


def params(tmp_path, path, value):
    given = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
    given.update(engine="sqlite", name="shop", url="bm93aGVyZQ==", store={"kind": "local", "path": str(tmp_path / "s")})
    given.update(root=str(tmp_path / "root"))
    section, _point, name = path.rpartition(".")
    return {**given, **({section: {name: value}} if section else {name: value})}


@pytest.mark.parametrize("value", [-1, -0.5, float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("path", LEAST)
def test_what_is_below_or_no_number_is_refused_by_its_name(tmp_path, path, value):
    result = database_backup.perform(params(tmp_path, path, value), False)
    assert (result["error"]["cause"], result["error"]["object"]) == ("bad_input", path)
    assert result["error"]["remedy"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [path for path, least in LEAST.items() if least == 1])
def test_none_is_too_few_of_what_one_needs_one_of(tmp_path, path):
    assert database_backup.perform(params(tmp_path, path, 0), False)["error"]["object"] == path


def test_every_number_that_the_module_takes_has_a_bound():
    numbers = set()
    for name, option in DATABASE_BACKUP.options.items():
        of = {f"{name}.{inner}": one for inner, one in option.get("options", {}).items()}
        numbers |= {path for path, one in {name: option, **of}.items() if one["type"] in NUMBERS}
    assert numbers - {"release.token"} == set(LEAST)


def test_the_bounds_are_those_of_the_configuration():
    """Where it has one of this name; what it calls a duration is never below 0."""
    for path, least in LEAST.items():
        option = BACKUP
        for name in path.split("."):  # pylint: disable=use-maxsplit-arg
            option = next((one for one in option.options if one.name == name), None)
            if option is None:
                break
        if option is not None and option.kind != "duration":
            assert option.low == least, path
