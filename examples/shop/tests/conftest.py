# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the programs of the example importable."""

from __future__ import annotations

import sys
from pathlib import Path

SHOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(SHOP), str(SHOP / "src" / "backend"), str(SHOP / "src" / "frontend")]
