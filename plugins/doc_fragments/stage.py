# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules take that may act as a stage of a release (C(stages.arguments.STAGE) and C(PERHAPS_STAGE))."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  release:
    description:
      - The release that this is a stage of. The machine's lock is checked, its lease renewed, and the stage journaled.
    type: dict
    suboptions:
      id:
        description: Its id.
        type: str
        required: true
      token:
        description: Its fencing token.
        type: int
        required: true
      holder:
        description: Who holds the lock; filled in by the action plugin.
        type: dict
        default: {}
      stage:
        description: Name of the stage.
        type: str
        required: true
      deadline:
        description: Seconds that the stage may take.
        type: float
        required: true
"""

    # Not called PLATFORM: stage.platform is then looked for in platform.py beside this file, whose options are required.
    PERHAPS = r"""
options:
  platform:
    description: The platform whose database this is; O(release) needs it.
    type: str
  environment:
    description: Its environment; O(release) needs it.
    type: str
  root:
    description: Directory of Slipway's state.
    type: path
    default: /var/lib/slipway
"""
