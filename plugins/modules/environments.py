#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file documents the action plugin of the same name, which runs on the controller; there is no module to run.

from __future__ import annotations

DOCUMENTATION = r"""
module: environments
short_description: Read the environments of other inventories beside this one
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - Inventories of environments have the same groups and variables, so several of them in one run (C(-i staging -i production))
    become one mixture. This reads each by itself, validates it as M(slipway.deploy.config) does, and returns the machine that
    migrates as a host to be added to this run, of the group C(slipway_environments).
  - Variables of the command line (C(-e)) and the passwords of the vault are those of this run, for every environment.
  - What is wrong with an environment is part of the result, and hides no other one.
  - The result has secrets, because hosts have. Use it with C(no_log).
  - Runs on the controller only; use it with C(run_once).
options:
  inventories:
    description:
      - Inventories on the controller beside that of the run, each a file, a script or a directory. Relative ones start at
        C(slipway_site_dir), or the working directory. Commas separate several in one text.
    type: list
    elements: str
    default: []
  variable:
    description: Name of the variable in which each host gets what is known of its environment.
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
    description: The same inventories give the same result.
    support: full
"""

EXAMPLES = r"""
- name: Read this environment and another one
  slipway.deploy.environments:
    inventories: [staging]
    variable: site
  register: read
  run_once: true
  no_log: true # connection strings and passwords are among the variables of hosts

- name: Add them
  ansible.builtin.add_host: "{{ item }}"
  loop: "{{ read.hosts }}"
  changed_when: false
  no_log: true
"""

RETURN = r"""
hosts:
  description:
    - The hosts, that of the run's own inventory first, each with C(name), C(groups), its variables for the connection, those
      of the site that stages read, and the variable that O(variable) names.
    - That one has C(inventory); C(config), as M(slipway.deploy.config) returns it; and C(error) where one of them is in no
      state to be used.
  returned: success
  type: list
  elements: dict
  sample:
    - name: shop-staging
      groups: [slipway_environments]
      ansible_host: 10.0.1.11
      site: {inventory: staging, config: {platform: shop, environment: staging}}
"""
