#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: container_deploy
short_description: Run one side of a platform in containers of the Docker Engine
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
extends_documentation_fragment:
  - slipway.deploy.platform
  - slipway.deploy.side
description:
  - Brings up, hands over to, settles on or takes back one of the two sides (V(blue) and V(green)) of a platform on one
    host; all services of the host in one call.
  - Containers are recognised by their labels. A label with the hash of the specification decides what has to change; a
    container that was kept from before and has exactly this specification is started again instead of made anew.
  - Nothing of a side is visible to users before the traffic is moved, see M(slipway.deploy.traffic_switch).
  - The live side is never touched by O(state=prepared).
options:
  state:
    description:
      - V(observed) reads what is there, and never fails because of the Docker Engine.
      - V(prepared) pulls the images, writes the secrets, lays out the assets, creates the containers of the side,
        starts those with traffic, waits for their health and runs the smoke tests. Workers are created, not started.
      - V(decided) gives the containers of the side their restart policy and hands the work over. The workers of the
        other side stop, then those of this side start and must stay up for a second.
      - V(settled) stops the other side and keeps it, and removes what is beyond O(keep).
      - V(fetched) brings images and assets here and makes no container, so that V(prepared) need not wait for them. The other side
        serves the assets, too, from then on.
      - V(paused) stops the other side, first its workers, and leaves its restart policies; V(reverted) starts it again.
      - V(workers_paused) stops the workers of the other side alone, and they stay stopped until V(workers_resumed), also after a
        reboot, and when a release is put back meanwhile. V(settled) ends that, because the work is this side's then.
      - V(reverted) restores the other side (restart policy, workers), then stops this side and keeps it. The last
        lines of its logs are in the result.
      - V(rebuilt) writes anew what this machine remembers of the release O(kept_release), whose images are here still, and starts
        and stops nothing. Where O(side) is O(live_side) what runs must be of exactly that specification.
    type: str
    choices: [observed, fetched, prepared, decided, settled, paused, reverted, workers_paused, workers_resumed, rebuilt]
    default: prepared
  publish:
    description: Address of the host that the ports are published on.
    type: str
    default: 0.0.0.0
  services:
    description:
      - The services of this host, by name. With an empty mapping only the stage of the O(release) is opened and closed.
      - Each takes C(image); C(command); C(replicas) (1); C(port), the port inside the container; C(ports), the host
        ports of each side, one a replica; C(traffic), false for a worker;
        C(singleton) (false), of a worker of which there is one in the whole fleet; C(env); C(secrets), names that become files
        C(/run/secrets/NAME) with C(NAME_FILE) in the environment; C(env_secrets), names that become environment
        variables, which everyone who may talk to Docker can read; C(health) and C(smoke), see
        M(slipway.deploy.health_probe); C(assets) with C(path) and C(keep) in seconds; C(container), keyword arguments
        of the docker SDK's C(containers.create); C(stop_grace) in seconds (10); and C(pull) (V(missing), V(always) or
        V(never)).
      - A restart policy in C(container) is refused, because after a reboot exactly the live side may come back.
    type: dict
    default: {}
  kept_release:
    description:
      - Run the images that this kept release ran with, without a registry. For a rollback.
    type: str
    default: ""
  images:
    description: With O(state=observed), image references to look for.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Predicts the actions without doing any. Health, smoke tests and a pull's outcome are not predicted.
  diff_mode:
    support: full
    description: Shows status, restart policy and specification of every container before and after.
  idempotent:
    support: full
    description: A second run of any state changes nothing.
requirements:
  - Docker Engine 19.03 or newer
  - The Docker SDK for Python 5.0.3 or newer (on Debian and Ubuntu the package python3-docker)
seealso:
  - module: slipway.deploy.traffic_switch
  - module: slipway.deploy.health_probe
"""

EXAMPLES = r"""
- name: Prepare the green side
  slipway.deploy.container_deploy:
    platform: shop
    environment: production
    state: prepared
    side: green
    version: 1.1.0
    services:
      backend:
        image: registry.example.com/shop/backend:1.1.0
        replicas: 2
        port: 8080
        ports: {blue: [20000, 20001], green: [20010, 20011]}
        health: {path: /health}
        smoke: [{path: /api/products, status: 200}]
        secrets: [DATABASE_URL]
        container: {mem_limit: 256m}
      worker:
        image: registry.example.com/shop/backend:1.1.0
        command: [python, -m, shop.worker]
        traffic: false
    secrets:
      DATABASE_URL: "{{ vault_database_url }}"

- name: What is there
  slipway.deploy.container_deploy:
    platform: shop
    environment: production
    state: observed
"""

RETURN = r"""
actions:
  description: Each decision, in words; with check mode those that would be taken.
  returned: success
  type: list
  elements: str
  sample: ["create and start slipway-shop-production-backend-1.1.0-1 (no container of this specification on this side)"]
containers:
  description: What was done to each container, and what was read back, by name.
  returned: success
  type: dict
  sample: {"slipway-shop-production-backend-1.1.0-1": {"action": "create", "healthy": true, "port": 20010}}
handed_over:
  description:
    - For how many seconds there was no instance of a singleton, by service; not C(exact) where its start, or the end of the
      other, was not seen.
  returned: when an instance of a singleton was started after another had ended
  type: dict
  sample: {"scheduler": {"seconds": 0.213, "exact": true}}
timings:
  description: Milliseconds that each step took.
  returned: success
  type: dict
  sample: {"read": 30.1, "create": 60.2, "start": 250.3, "verify": 500.4}
said:
  description: The most of it in a few words.
  returned: with O(state=workers_paused) and O(state=workers_resumed), where something was done
  type: str
  sample: workers at work again after 214.6 s
observed:
  description:
    - What is there. C(engine) with C(ok) and, if not, C(problem); C(sides) with release, version, identity and the
      replicas of each service; C(releases) that are kept, each with C(ready) for a rollback without any network;
      C(live_side) as this machine wrote it down; C(workers_paused) with C(since) and C(seconds), or null; C(images).
  returned: with O(state=observed)
  type: dict
  sample: {"engine": {"ok": true}, "sides": {}, "releases": [], "live_side": "", "images": {}}
error:
  description:
    - What failed. Under C(evidence) a key C(containers) has cause, message and the last log lines of each container.
  returned: failure
  type: dict
  sample: {"cause": "exited", "what": "the container does not run", "remedy": "See its log.", "evidence": {}}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import CONTAINER_DEPLOY
from ansible_collections.slipway.deploy.plugins.module_utils.stages.container_deploy import perform


def main() -> None:
    run_module(CONTAINER_DEPLOY, perform)


if __name__ == "__main__":
    main()
