# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the two sides share."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

STATES = ("prepared", "decided", "settled")
OLD_LIVE = {
    "web-r1-1": ("running", "always"),
    "web-r1-2": ("running", "always"),
    "job-r1-1": ("running", "always"),
}
NEW_LIVE = {name.replace("r1", "r2"): value for name, value in OLD_LIVE.items()}
OLD_KEPT = dict.fromkeys(OLD_LIVE, ("exited", "no"))
NEW_KEPT = dict.fromkeys(NEW_LIVE, ("exited", "no"))


def refused(world, *args, **kwargs):
    with pytest.raises(SlipwayError) as caught:
        world.run(*args, **kwargs)
    return caught.value
