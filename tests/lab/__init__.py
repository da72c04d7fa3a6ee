# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: machines made out of containers, for the demo, molecule, the acceptance tests and the benchmarks.

Read README.md beside this file first. ``Lab`` is the whole interface; ``Registry`` serves images to its machines.
"""

from __future__ import annotations

from .engine import LabError, ensure_engine
from .image import base_image, build_all, ensure_image
from .machines import Lab
from .registry import Registry

__all__ = ["Lab", "LabError", "Registry", "base_image", "build_all", "ensure_engine", "ensure_image"]
