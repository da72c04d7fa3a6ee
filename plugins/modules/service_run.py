#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: service_run
short_description: Run a command once in the code of a service
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
extends_documentation_fragment:
  - slipway.deploy.platform
  - slipway.deploy.runs_as
description:
  - Runs a command in a container of its own, made of the image that the service's replicas run with, with the service's variables,
    secrets, network and keywords, and without its ports. The container is removed afterwards, however it ended.
  - With O(model=process) it is a transient unit of systemd instead, as the replica's own unit says, or with Supervisor and PM2
    the script that starts the replica.
  - What the command writes is shown line by line while it runs, with secrets masked.
  - No release waits for it, and no release ends it.
options:
  service:
    description: The service as it was released; as RV(slipway.deploy.service_chosen#module:run) has it.
    type: dict
    required: true
  image:
    description: Of containers, name or id of the image, which is on this machine. Nothing is pulled. It needs a shell.
    type: str
    default: ""
  replica:
    description: Of processes, the name of the unit of a replica, as which the command is run.
    type: str
    default: ""
  version:
    description: The version, for people.
    type: str
    default: ""
  command:
    description: The words of the command. The image's own entry point is not used.
    type: list
    elements: str
    required: true
  output:
    description: Where it writes meanwhile; the action plugin chooses that.
    type: str
  timeout:
    description: After how many seconds it is ended.
    type: float
    default: 3600
  secrets:
    description: The values of the site's secrets; by default those that the site's variables have.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says what would be run, and runs nothing.
  diff_mode:
    support: none
    description: What the command does is not known beforehand.
  idempotent:
    support: none
    description: It runs each time.
seealso:
  - module: slipway.deploy.service_chosen
  - module: slipway.deploy.service_logs
"""

EXAMPLES = r"""
- name: Make last month's report
  slipway.deploy.service_run:
    platform: shop
    environment: production
    service: "{{ chosen.run.spec }}"
    image: "{{ chosen.run.image }}"
    command: [python, -m, shop.report]
"""

RETURN = r"""
exit_code:
  description: The exit code of the command; null in check mode. With another one than 0 the task fails.
  returned: when it ended by itself
  type: int
  sample: 0
seconds:
  description: How long it took.
  returned: when it ended by itself
  type: float
  sample: 3.4
actions:
  description: What was done, in words.
  returned: when it ended by itself
  type: list
  elements: str
  sample: [python ended with 0]
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.service_arguments import SERVICE_RUN
from ansible_collections.slipway.deploy.plugins.module_utils.stages.service_run import perform


def main() -> None:
    run_module(SERVICE_RUN, perform)


if __name__ == "__main__":
    main()
