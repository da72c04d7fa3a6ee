# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module takes that decides on the controller, by what was read of all machines."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  config:
    description: What M(slipway.deploy.config) returned as RV(slipway.deploy.config#module:config).
    type: dict
    required: true
  register:
    description: Name of the variable in which every machine has its result of M(slipway.deploy.release_state).
    type: str
    required: true
attributes:
  check_mode:
    description: Can run in check mode and returns the same as without it.
    support: full
  diff_mode:
    description: Has nothing to show, because it changes nothing on a machine.
    support: none
  idempotent:
    description: The same results give the same answer.
    support: full
"""
