# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with a HAProxy made of a dictionary, for each test."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import World


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)
