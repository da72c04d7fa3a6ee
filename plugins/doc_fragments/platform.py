# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module takes that acts on one platform of one machine (C(stages.arguments.PLATFORM))."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  platform:
    description: Name of the platform. Small letters, digits and hyphens.
    type: str
    required: true
  environment:
    description: Name of the environment of the platform. Small letters, digits and hyphens.
    type: str
    required: true
  root:
    description: Directory of all that Slipway remembers on this machine, of all platforms.
    type: path
    default: /var/lib/slipway
"""
