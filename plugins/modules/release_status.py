#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_status
short_description: Show what is live where
version_added: 0.1.0
author: Slipway maintainers (@slipway)
extends_documentation_fragment: slipway.deploy.fleet
description:
  - Prints what M(slipway.deploy.release_state) has read of every machine. What is live where, the weights, who holds the
    lock, what one could go back to, and the last releases.
  - Runs on the controller only; use it with C(run_once).
"""

EXAMPLES = r"""
- name: Show what is live
  slipway.deploy.release_status:
    config: "{{ site.config }}"
    register: read
  run_once: true
"""

RETURN = r"""
live:
  description: Side, release and version that serve now; empty when nothing does.
  returned: always
  type: dict
  sample: {side: green, release: 1.1.0-20261123T121400Z-3fa9, version: 1.1.0}
locks:
  description: The live lease of every machine that has one.
  returned: always
  type: dict
  sample: {}
unreadable:
  description: Machines that could not be read, with the reason.
  returned: always
  type: dict
  sample: {}
"""

# This file holds the documentation; the code is the action plugin of the same name and runs on the controller.
