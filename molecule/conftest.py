# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No machine, no verdict: tests that were collected for other machines than the scenario's prove nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a run that does not look at every machine of the scenario."""
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    groups = yaml.safe_load((scenario / "lab.yml").read_text(encoding="utf-8"))["groups"]
    wanted = {name for members in groups.values() for name in members}
    seen = {
        str(item.callspec.params["_testinfra_host"].backend.host)
        for item in session.items
        if hasattr(item, "callspec") and "_testinfra_host" in item.callspec.params
    }
    if seen != wanted:
        raise pytest.UsageError(f"the tests look at {sorted(seen)}, the scenario has {sorted(wanted)}")
