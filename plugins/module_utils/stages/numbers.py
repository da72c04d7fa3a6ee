# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What numbers database_backup takes (private to the collection).

C(AnsibleModule) knows types and choices but no bounds; a site's configuration has the same ones in its schema, and a playbook of
the user's own comes here without it.
"""

from __future__ import annotations

import math
import typing as t

from ..errors import SlipwayError

# Option to the smallest number that it may be.
LEAST: t.Final[dict[str, float]] = {
    "max_age": 0,
    "lock_wait": 0,
    "in_release_max": 0,
    "scheduled_max_age": 0,
    "keep": 0,
    "jobs": 1,
    "retention.last": 1,
    "retention.days": 0,
    "retention.daily": 0,
    "retention.weekly": 0,
    "retention.monthly": 0,
    "retention.yearly": 0,
    "compression.level": 1,
    "compression.threads": 1,
    "physical.repo": 1,
    "physical.archive_timeout": 0,
    "snapshot.timeout": 0.1,
    "release.deadline": 0,
}


def expect_numbers(params: t.Mapping[str, t.Any]) -> None:
    """That each number that is given is one, and not below what makes sense.

    :raises SlipwayError: C(bad_input), with the option's name.
    """
    for path, least in LEAST.items():
        section, _point, name = path.rpartition(".")
        number = ((params.get(section) or {}) if section else params).get(name)
        if number is not None and not (math.isfinite(number) and number >= least):
            raise SlipwayError(
                "is no number that makes sense here",
                obj=path,
                actual=number,
                wanted=f"{least:g} or more",
                remedy="Correct it, or leave it out for its default.",
                cause="bad_input",
            )
