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
  - With O(refused=true) it fails, for that is how a refused release ends.
  - Runs on the controller only; use it with C(run_once).
options:
  target:
    description: The target of the release, see RV(slipway.deploy.release_plan#module:target).
    type: dict
    required: true
  stages:
    description: Name of every stage, in their order, with the name of the variable in which each machine has its result.
    type: dict
    required: true
  batches:
    description: Name of the variable in which each machine keeps what became of the batches of a rolling release.
    type: str
  directory:
    description: Directory of the site. The default is the working directory.
    type: path
  refused:
    description: Whether the release was refused.
    type: bool
    default: false
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
    directory: "{{ playbook_dir }}"
    stages: {prepare: container_deploy_prepare, shift: blue_green_cutover_shift}
  run_once: true
"""

RETURN = r"""
msg:
  description: The report in words.
  returned: always
  type: str
  sample: "shop/production: 1.1.0 is live on green (was 1.0.0), in 3.1 s on 3 machines"
"""

# This file holds the documentation; the code is the action plugin of the same name and runs on the controller.
