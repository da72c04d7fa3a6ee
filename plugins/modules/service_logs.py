#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: service_logs
short_description: Read what the replicas of a service write, without any secret
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
extends_documentation_fragment:
  - slipway.deploy.platform
  - slipway.deploy.runs_as
description:
  - Reads the logs of containers of this machine as the Docker Engine has them, or those of processes as the journal of systemd has
    them, each line with its time.
  - The values of C(slipway_secrets), those in the files of this machine, and passwords in connection strings are masked before a
    line leaves the machine; control characters are taken out.
options:
  replicas:
    description: What is read; as RV(slipway.deploy.service_chosen#module:replicas) has it for this machine.
    type: list
    elements: dict
    required: true
    suboptions:
      service:
        description: Name of the service.
        type: str
        required: true
      number:
        description: Number of the replica.
        type: int
        required: true
      name:
        description: Name of its container, or of its unit.
        type: str
        required: true
      image:
        description: Not used.
        type: str
      running:
        description: Not used.
        type: bool
  since:
    description: How many seconds back; V(0) for all.
    type: float
    default: 0
  lines:
    description: How many lines of each replica at most, the last ones.
    type: int
    default: 100
  grep:
    description: Only lines in which this regular expression of Python is found.
    type: str
    default: ""
  cursor:
    description: Go on after these stamps, by the names of the containers; as RV(cursor) of an earlier call has them.
    type: dict
  wait:
    description: Seconds to wait for a line, where there is none yet.
    type: float
    default: 0
  follow:
    description: Go on, and show each line when it comes. This is done on the controller, by one call after the other.
    type: bool
    default: false
  follow_for:
    description: With O(follow), for how many seconds; V(0) until Ctrl-C, or until nothing runs any more.
    type: float
    default: 0
  secrets:
    description: Values that must not show, by any name; by default all that the site's variables have.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: The same as without it; nothing is changed.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Nothing is changed.
seealso:
  - module: slipway.deploy.service_chosen
  - module: slipway.deploy.service_run
"""

EXAMPLES = r"""
- name: Read the last ten lines of each replica
  slipway.deploy.service_logs:
    platform: shop
    environment: production
    replicas: "{{ chosen.replicas[inventory_hostname] }}"
    lines: 10
  register: logs
"""

RETURN = r"""
entries:
  description: The lines, those of one replica in their order; C(stamp) sorts by time.
  returned: success, without O(follow)
  type: list
  elements: dict
  sample: [{stamp: "2026-11-29T06:48:23.123456789Z", replica: backend.1, text: listening on 8080}]
cursor:
  description: By the name of each container, up to where it was read.
  returned: success, without O(follow)
  type: dict
  sample: {slipway-shop-production-backend-1.1.0-1: "2026-11-29T06:48:23.123456789Z"}
running:
  description: The names of the containers that run.
  returned: success, without O(follow)
  type: list
  elements: str
  sample: [slipway-shop-production-backend-1.1.0-1]
followed:
  description: How many lines were shown.
  returned: success, with O(follow)
  type: int
  sample: 42
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.service_arguments import SERVICE_LOGS
from ansible_collections.slipway.deploy.plugins.module_utils.stages.service_logs import perform


def main() -> None:
    run_module(SERVICE_LOGS, perform)


if __name__ == "__main__":
    main()
