#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: platform_removal
short_description: Remove all that a platform has on one machine
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
extends_documentation_fragment:
  - slipway.deploy.platform
  - slipway.deploy.runs_as
  - slipway.deploy.stage
description:
  - Takes a platform in one environment off a machine - its part of the balancer, its containers or processes, the images that only
    it has, its code, its secrets, the timers of its backups, and last of all its state directory with journal and lock.
  - Databases, backups, named volumes, what processes share between releases, and logs of requests are never removed; what is there
    of them is in RV(stays).
  - The playbook C(slipway.deploy.remove) uses it on all machines, under the lock, after it was confirmed. By hand it asks nobody.
options:
  state:
    description:
      - V(removed) removes everything; V(unrouted) only the platform's part of the balancer.
      - Either may be repeated after it was cut off.
    type: str
    choices: [unrouted, removed]
    default: removed
  parts:
    description: The parts of a platform that this machine has. Timers and state are looked for everywhere.
    type: list
    elements: str
    choices: [app, proxy, db]
    default: []
  provider:
    description: With V(proxy) among O(parts), what moves the traffic there.
    type: str
    choices: [haproxy, nginx, caddy, traefik]
    default: haproxy
attributes:
  check_mode:
    support: full
    description: Names all that would be removed, in RV(removes).
  diff_mode:
    support: full
    description: Shows all that is removed.
  idempotent:
    support: full
    description: Where nothing is left, nothing is done.
seealso:
  - module: slipway.deploy.release_state
"""

EXAMPLES = r"""
- name: Name what a platform has on this machine
  slipway.deploy.platform_removal:
    platform: shop
    environment: staging
    parts: [app, proxy]
  check_mode: true
  register: shop
"""

RETURN = r"""
removes:
  description: All that was removed, or would be, each in one line.
  returned: success
  type: list
  elements: str
  sample: [/etc/haproxy/slipway.d/shop-staging.cfg, container slipway-shop-staging-backend-1.0.0-1, /var/lib/slipway/shop/staging]
stays:
  description: What stays because it may be precious.
  returned: success
  type: list
  elements: str
  sample: [volume shop_uploads]
actions:
  description: Each removal, in words.
  returned: success
  type: list
  elements: str
  sample: [remove /var/lib/slipway/shop/staging]
error:
  description: What failed.
  returned: failure
  type: dict
  sample: {cause: not_removed, object: /srv/slipway/shop/staging/releases, what: cannot be removed}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.platform_removal import perform
from ansible_collections.slipway.deploy.plugins.module_utils.stages.removal_arguments import PLATFORM_REMOVAL


def main() -> None:
    run_module(PLATFORM_REMOVAL, perform)


if __name__ == "__main__":
    main()
