# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of what was found, decided and done with containers (private to the collection)."""

from __future__ import annotations

from ..side import report


class Report(report.Report):
    """What a state found, decided and did."""

    items_are = "containers"
