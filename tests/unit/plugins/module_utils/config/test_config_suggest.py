# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.suggest import closest
from hypothesis import given
from hypothesis import strategies as st

KNOWN = ["health", "replicas", "publish_from", "env", "env_secrets"]


@pytest.mark.parametrize(
    "name, wanted",
    [
        ("helth", "health"),
        ("Health", "health"),
        ("publish-from", "publish_from"),
        ("replica", "replicas"),
        ("secrets_env", "env_secrets"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_name_that_was_most_likely_meant_is_found(name, wanted):
    assert closest(name, KNOWN) == wanted


@given(st.text(), st.lists(st.text()))
def test_only_known_names_are_ever_suggested(name, known):
    assert closest(name, known) in [*known, None]
