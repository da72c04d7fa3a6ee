#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file documents the action plugin of the same name, which runs on the controller; there is no module to run.

from __future__ import annotations

DOCUMENTATION = r"""
module: reboot_plan
short_description: Decide which machines are rebooted now
version_added: 0.1.0
author: Slipway maintainers (@slipway)
extends_documentation_fragment: slipway.deploy.fleet
description:
  - Refuses while a release is under way, waits to be finished, or a machine cannot be read.
  - Leaves a machine out that alone carries a service, or is the only balancer, and one outside of its window.
  - Runs on the controller only; use it with C(run_once).
options:
  found:
    description: Name of the variable in which every machine has its result of M(slipway.deploy.doctor).
    type: str
    required: true
  window:
    description: When it may be done. C(days) (all by default), C(from) and C(to), in UTC. Always where it is empty.
    type: dict
    default: {}
  all:
    description: Reboot machines that do not want to be, too.
    type: bool
    default: false
  interrupt:
    description: Reboot machines, too, that nobody can stand in for.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Decide which machines are rebooted
  slipway.deploy.reboot_plan:
    config: "{{ site.config }}"
    register: read
    found: examined
    window: {days: [sat, sun], from: "02:00", to: "05:00"}
  run_once: true
"""

RETURN = r"""
order:
  description: The machines that are rebooted, in this order.
  returned: success
  type: list
  elements: str
  sample: [app1, app2, lb2]
msg:
  description: Each machine that wants to be, and why it is rebooted or left alone.
  returned: success
  type: list
  elements: str
  sample: ["app1: updated: linux-image-6.1.0-28-amd64"]
release:
  description: Id and token of the lock to be taken.
  returned: success
  type: dict
  sample: {id: reboot-20261129T021500Z, token: 8}
target:
  description:
    - The specification of the live release, with the machines that are drained in C(apart).
    - Empty where nothing is live or nobody balances.
  returned: success
  type: dict
  sample: {}
without:
  description: By machine, the option C(apart) of M(slipway.deploy.traffic_switch) by which it gets no traffic.
  returned: success
  type: dict
  sample: {app1: {app1: {blue: 0, green: 0}}}
"""
