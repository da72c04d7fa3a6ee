#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_chosen
short_description: Choose the side whose logs are read, or in whose code a command is run
version_added: 0.1.0
author: Slipway maintainers (@slipway)
extends_documentation_fragment: slipway.deploy.fleet
description:
  - Finds what C(slipway_side), C(slipway_release) and C(slipway_service) name in what M(slipway.deploy.release_state) has
    read of every machine; by default the live side.
  - Runs on the controller only; use it with C(run_once).
options:
  run:
    description: Choose where the command C(slipway_command) is run, too, and say it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Choose the live side
  slipway.deploy.service_chosen:
    config: "{{ site.config }}"
    register: read
  register: chosen
  run_once: true
"""

RETURN = r"""
side:
  description: The side.
  returned: success
  type: str
  sample: green
release:
  description: The release that stands there.
  returned: success
  type: str
  sample: 1.1.0-20261123T121400Z-3fa9
version:
  description: Its version.
  returned: success
  type: str
  sample: 1.1.0
replicas:
  description: Its replicas, by machine.
  returned: success
  type: dict
  sample: {app1: [{service: backend, number: 1, name: slipway-shop-production-backend-1.1.0-1, image: "sha256:…", running: true}]}
run:
  description: Where a command is run, with the specification of the service and the id of its image.
  returned: with O(run=true)
  type: dict
  sample: {machine: app1, service: backend, image: "sha256:…", spec: {}, told: [in the code of backend 1.1.0 (green) on app1]}
"""

# This file holds the documentation; the code is the action plugin of the same name and runs on the controller.
