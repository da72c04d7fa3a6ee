#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file documents the action plugin of the same name, which runs on the controller; there is no module to run.

from __future__ import annotations

DOCUMENTATION = r"""
module: migration_comparison
short_description: Show the migrations of several environments side by side
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - Prints a table of all migrations that any of the environments has, and how each stands in every one of them.
  - Runs on the controller only; use it with C(run_once).
options:
  hosts:
    description: The hosts that M(slipway.deploy.environments) returned, by name.
    type: list
    elements: str
    required: true
  variable:
    description: Its O(slipway.deploy.environments#module:variable).
    type: str
    required: true
  register:
    description: Name of the variable in which each host has its result of M(slipway.deploy.migration_runner) with C(state=status).
    type: str
    required: true
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
- name: Show them side by side
  slipway.deploy.migration_comparison:
    hosts: "{{ groups.slipway_environments }}"
    variable: site
    register: status
  run_once: true
"""

RETURN = r"""
environments:
  description:
    - Each environment by its name. C(why) says why its migrations are not known, and is empty where they are.
    - C(pending), C(ahead) and C(dirty) are versions, or scripts of what has none.
  returned: success
  type: dict
  sample:
    staging:
      platform: shop
      environment: staging
      inventory: staging
      host: db1
      why: ""
      current: "1.3"
      pending: []
      ahead: ["1.4"]
      dirty: []
      problems: []
migrations:
  description:
    - Each migration with its state in every environment, in the words of M(slipway.deploy.migration_runner). It is empty where an
      environment has no such migration, and null where its migrations are not known.
  returned: success
  type: list
  elements: dict
  sample:
    - version: "1.3"
      description: rename name
      script: V1.3__rename_name.sql
      phase: expand
      states: {production: pending, staging: success}
      applied: {production: "", staging: "2026-11-20 08:12:44"}
unread:
  description: The environments whose migrations are not known, each with the reason.
  returned: success
  type: list
  elements: str
  sample: []
"""
