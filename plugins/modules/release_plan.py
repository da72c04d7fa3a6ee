#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_plan
short_description: Decide what a run does, over what was read of all machines
version_added: 0.1.0
author: Slipway maintainers (@slipway)
extends_documentation_fragment: slipway.deploy.fleet
description:
  - Looks at what M(slipway.deploy.release_state) has read of every machine of the inventory, and decides whether an
    interrupted release has to be brought to its end first, whether there is nothing to do, or what is released.
  - Refuses with every problem at once, before anything is touched. Ways of running a play that would reach a part of the
    platform only (C(--limit), C(--tags), C(--start-at-task), a C(serial), another strategy than linear) are refused.
  - Runs on the controller only; use it with C(run_once).
options:
  goal:
    description: What is wanted.
    type: str
    choices: [deploy, rollback, restore, migrate, contract, maintenance, drain, undrain, remove_machine, remove, rebuild, adopt]
    default: deploy
  finished:
    description: The id of the interrupted release that this run has just brought to its end; it must not be open still.
    type: str
  foreseen:
    description:
      - For O(goal=restore), name of the variable in which the machine that takes the backups has a preview of the restore, made
        by M(slipway.deploy.database_backup).
      - For O(goal=remove), name of the variable in which every machine has a preview by M(slipway.deploy.platform_removal).
      - For O(goal=adopt), that of every balancer, by M(slipway.deploy.health_probe).
      - For O(goal=migrate) and O(goal=contract), that of the machine that migrates, made by M(slipway.deploy.migration_runner).
    type: str
  replicas:
    description:
      - Name of the variable in which the machine that migrates has whether the database, and each of C(slipway_database.replicas),
        can be asked, by M(slipway.deploy.migration_runner) with C(state=replayed) in check mode.
    type: str
"""

EXAMPLES = r"""
- name: Decide what this run does
  slipway.deploy.release_plan:
    config: "{{ site.config }}"
    register: read
    goal: deploy
  register: plan
  run_once: true
"""

RETURN = r"""
action:
  description:
    - V(finish) when an interrupted release comes first, V(release), V(restore), V(drain), V(remove_machine), V(remove),
      V(rebuild) or V(nothing).
  returned: success
  type: str
  sample: release
course:
  description: V(forward), V(settle), V(undo), V(drain) or V(close) for an interrupted release; empty when there is none.
  returned: success
  type: str
  sample: ""
target:
  description:
    - All that the stages need, of the interrupted release or of the one asked for. The latter is frozen in the journals
      at its decision.
    - Null with RV(action=nothing).
  returned: success
  type: dict
  sample: {id: 1.1.0-20261123T121400Z-3fa9, version: 1.1.0, side: green, live_side: blue}
takeover:
  description: Leases that may be taken over, because their holder ran on this controller and is gone.
  returned: success
  type: list
  elements: dict
  sample: []
say:
  description: The plan in words.
  returned: success
  type: list
  elements: str
  sample: ["shop/production: 1.0.0 on blue -> 1.1.0 on green"]
error:
  description: Why it was refused; all problems stand under C(evidence.problems).
  returned: failure
  type: dict
  sample: {cause: refused, what: deploy refused before anything was touched, evidence: {problems: []}}
"""

# This file holds the documentation; the code is the action plugin of the same name and runs on the controller.
