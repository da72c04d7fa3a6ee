#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file documents the action plugin of the same name, which runs on the controller; there is no module to run.

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_report
short_description: Explain what was found on all machines
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - Prints the findings of M(slipway.deploy.doctor) on every machine, and what the preflight of a release would refuse. What several
    machines have in common is said once.
  - Runs on the controller only; use it with C(run_once).
options:
  machines:
    description: The machines that were examined.
    type: list
    elements: str
    required: true
  register:
    description: Name of the variable in which each has its result of M(slipway.deploy.doctor).
    type: str
    required: true
  site:
    description: The result of M(slipway.deploy.config), also where that failed.
    type: dict
  read:
    description: Name of the variable in which each has its result of M(slipway.deploy.release_state) with C(state=read).
    type: str
attributes:
  check_mode:
    description: Can run in check mode and return the same as without it.
    support: full
  diff_mode:
    description: Has nothing to show, because it changes nothing.
    support: none
  idempotent:
    description: The same results give the same answer.
    support: full
"""

EXAMPLES = r"""
- name: Explain what was found
  slipway.deploy.doctor_report:
    machines: "{{ ansible_play_hosts_all }}"
    register: doctor_found
  run_once: true
"""

RETURN = r"""
findings:
  description: All findings by machine, as M(slipway.deploy.doctor) returns them; those of the site itself under C(the site).
  returned: always
  type: dict
  sample: {app1: []}
errors:
  description: How many of them are errors, with which releases would be refused or fail.
  returned: always
  type: int
  sample: 0
msg:
  description: How it stands, in one line.
  returned: always
  type: str
  sample: "0 errors, 1 warning: the next release can go out."
"""
