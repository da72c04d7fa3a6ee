# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A first release can be previewed; a change of configuration or of a secret alone is a release like any other."""

from __future__ import annotations

import pytest

from . import check
from .fleet import Fleet
from .machines import secret
from .settings import services

pytestmark = pytest.mark.sample(2)


def test_a_preview_of_a_platform_that_is_not_there_yet_touches_nothing(fleet: Fleet) -> None:
    """Guarantee 7: the first release of all can be previewed too, and then does what was predicted."""
    before = fleet.snapshot()
    preview = fleet.deploy("1.0.0", "--check", "--diff")
    check.succeeded(preview)
    check.untouched(before, fleet.snapshot())
    created = "create and start slipway-shop-production-backend-1.0.0"
    for prediction in ("1.0.0 would be live on blue (now nothing)", created, "blue_app1_1"):
        assert prediction in preview.said, preview.output
    check.succeeded(fleet.deploy("1.0.0"))


def test_a_change_of_configuration_alone_and_of_a_secret_alone_are_releases(fleet: Fleet) -> None:
    """Guarantees 5, 6 and 9: each goes out to the other side, and once only."""
    fleet.write_variables(slipway_secrets={"DATABASE_URL": "{{ vault_database_url }}", "API_TOKEN": "first-of-two"})
    wanting = services(worker={"secrets": ["DATABASE_URL", "API_TOKEN"]})
    fleet.write_variables(slipway_services=wanting)
    check.succeeded(fleet.deploy("1.0.0"))
    assert check.sides(fleet) == dict.fromkeys(fleet.apps, {"blue"})

    wanting["backend"]["container"]["mem_limit"] = "200m"
    fleet.write_variables(slipway_services=wanting)
    check.succeeded(fleet.deploy("1.0.0"))
    assert check.sides(fleet) == dict.fromkeys(fleet.apps, {"green"})
    limits = {one.memory for one in fleet.containers("app2") if one.running and one.service == "backend"}
    assert limits == {200 * 2**20}

    fleet.write_variables(slipway_secrets={"DATABASE_URL": "{{ vault_database_url }}", "API_TOKEN": "second-of-two"})
    check.succeeded(fleet.deploy("1.0.0"))
    assert check.sides(fleet) == dict.fromkeys(fleet.apps, {"blue"})
    assert secret(fleet.lab, "app1", "blue/worker/API_TOKEN") == "second-of-two"
    check.all_on(fleet, "1.0.0")
    assert fleet.deploy("1.0.0").changed == 0
