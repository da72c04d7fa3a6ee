#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_logs_shown
short_description: Show the logs of several machines by their time
version_added: 0.1.0
author: Slipway maintainers (@slipway)
extends_documentation_fragment: slipway.deploy.fleet
description:
  - Prints what M(slipway.deploy.service_logs) has read of every machine as one text, ordered by the time of each line, and
    says which machine could not be asked.
  - Runs on the controller only; use it with C(run_once).
options:
  logs:
    description: Name of the variable in which every machine has its result of M(slipway.deploy.service_logs).
    type: str
    required: true
  title:
    description: What the lines are of, for the first line.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show them by their time
  slipway.deploy.service_logs_shown:
    config: "{{ site.config }}"
    register: read
    logs: logs
    title: 1.1.0 on green
  run_once: true
"""

RETURN = r"""
lines:
  description: How many lines there were.
  returned: always
  type: int
  sample: 42
"""

# This file holds the documentation; the code is the action plugin of the same name and runs on the controller.
