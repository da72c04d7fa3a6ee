# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others must see in a module's source to run it as one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MODULES = Path(__file__).resolve().parents[4] / "plugins" / "modules"
WITH_CODE = sorted(path for path in MODULES.glob("*.py") if "def main(" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.stem)
def test_mitogen_takes_it_for_a_module_and_not_for_a_script_of_its_own(path):
    """It looks for these words (ansible_mitogen.planner.NewStylePlanner); relative imports alone do not work there."""
    assert re.search(r"from ansible(?:_collections|\.module_utils)\.", path.read_text(encoding="utf-8"))
    assert "from .." not in path.read_text(encoding="utf-8")
