#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_verdict
short_description: Judge one stage of a release over all machines
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - Reads the registered result of one stage of every machine of the inventory, whether or not the play still knows it, and
    passes or fails for all of them at once.
  - Runs on the controller only; use it with C(run_once).
options:
  stage:
    description: Name of the stage.
    type: str
    required: true
  register:
    description: Name of the variable in which every machine has its result.
    type: str
    required: true
  machines:
    description: Every machine that has to pass.
    type: list
    elements: str
    required: true
  majority:
    description: Whether more than half of the machines is enough, as for putting something back.
    type: bool
    default: false
  passed:
    description: Machines on which the version has passed in an earlier batch, so that it is not blamed.
    type: list
    elements: str
    default: []
  read:
    description:
      - Name of the variable in which every machine has what was read of it before it granted the lock (its result of
        M(slipway.deploy.release_state)).
      - A machine whose journal has gained more than the grant since then is named in RV(moved).
    type: str
attributes:
  check_mode:
    description: Can run in check mode and returns the same as without it.
    support: full
  diff_mode:
    description: Has nothing to show, because it changes nothing on a machine.
    support: none
  idempotent:
    description: The same results give the same answer.
    support: full
"""

EXAMPLES = r"""
- name: Verdict of prepare
  slipway.deploy.release_verdict:
    stage: prepare
    register: container_deploy_prepare
    machines: [app1, app2, lb1]
  register: verdict
  run_once: true
"""

RETURN = r"""
stage_name:
  description: Name of the stage.
  returned: always
  type: str
  sample: prepare
seconds:
  description: Time from the first machine's start to the last machine's end, in seconds.
  returned: always
  type: float
  sample: 1.42
refused:
  description: Whether a machine did not pass; as RV(ignore:failed), for a play that decides by itself what follows.
  returned: always
  type: bool
  sample: false
blames_version:
  description: Whether any cause speaks against the version itself, rather than against the infrastructure.
  returned: always
  type: bool
  sample: false
moved:
  description: Machines on which something else was recorded between the reading and the grant.
  returned: with O(read)
  type: list
  elements: str
  sample: []
"""

# This file holds the documentation; the code is the action plugin of the same name and runs on the controller.
