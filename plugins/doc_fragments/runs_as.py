# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module takes that must know what the services of a machine run as (C(stages.arguments.RUNS_AS))."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  model:
    description: What the services run as.
    type: str
    choices: [container, process]
    default: container
  manager:
    description: With O(model=process), the process manager.
    type: str
    choices: [systemd, supervisor, pm2]
    default: systemd
  code_root:
    description: With O(model=process), the directory of the code of all platforms.
    type: path
    default: /srv/slipway
"""
