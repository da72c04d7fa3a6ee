# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of each long matrix a sample."""

from __future__ import annotations

import pytest

from tests import sampling


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", sampling.MARK)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    sampling.leave_a_sample(config, items)


def pytest_report_header() -> str:
    return f"local: {sampling.SIZE}, SEED={sampling.SEED}"
