#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_report
short_description: Say how a release went
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - Prints stages with their durations, how fast the traffic moved and what was watched, and keeps the report as JSON in
    C(.slipway/PLATFORM-ENVIRONMENT/RELEASE.json) of the site.
  - With O(refusal) it fails, for that is how a refused release ends.
  - Runs on the controller only; use it with C(run_once).
options:
  target:
    description: The target of the release, see RV(slipway.deploy.release_plan#module:target).
    type: dict
    required: true
  history:
    description: What the last verdict returned as RV(slipway.deploy.release_verdict#module:history).
    type: list
    elements: dict
    required: true
  refusal:
    description: The verdict that stopped the release.
    type: dict
attributes:
  check_mode:
    description: Can run in check mode and writes no file.
    support: full
  diff_mode:
    description: Has nothing to show, because it changes nothing on a machine.
    support: none
  idempotent:
    description: The same results give the same answer.
    support: full
"""

EXAMPLES = r"""
- name: Report
  slipway.deploy.release_report:
    target: "{{ plan.target }}"
    history: "{{ verdict.history }}"
  run_once: true
"""

RETURN = r"""
report:
  description: The report as it was written.
  returned: always
  type: dict
  sample: {release: 1.1.0-20261123T121400Z-3fa9, outcome: succeeded, seconds: 3.1, switched_ms: 1.2}
"""

# This file holds the documentation; the code is the action plugin of the same name and runs on the controller.
