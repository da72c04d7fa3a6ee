#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: process_deploy
short_description: Run one side of a platform as processes of the machine, without containers
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
extends_documentation_fragment: slipway.deploy.platform
description:
  - Brings up, hands over to, settles on or takes back one of the two sides (V(blue) and V(green)) of a platform on one
    host; all services of the host in one call. Each replica is a process with a port of its own.
  - The code of a release is in C(releases/<id>/<service>/) below O(code_root); C(current) links to the release that was
    decided on. What runs is read from that link and from the process manager, never guessed from a time.
  - The roles and playbooks of the collection do not use this module yet. They release containers, see
    M(slipway.deploy.container_deploy), which has the same states.
options:
  state:
    description:
      - V(observed) reads what is there, and never fails because of the process manager.
      - V(prepared) fetches the code, builds it, defines the processes of the side, starts those with traffic, waits for
        their health and runs the smoke tests. Workers are defined, not started.
      - V(decided) lets the side come back after a reboot, switches C(current) to its release, and hands the work over.
        The workers of the other side stop, then those of this side start and must stay up for a second.
      - V(settled) stops the other side and keeps it, and removes what is beyond O(keep).
      - V(paused) stops the other side, first its workers; V(reverted) starts it again.
      - V(reverted) restores the other side (reboot, C(current), workers), then stops this side and keeps it. The last
        lines of its logs are in the result.
    type: str
    choices: [observed, prepared, decided, settled, paused, reverted]
    default: prepared
  side:
    description: The side that is acted on, the new one. Required unless O(state=observed).
    type: str
    choices: [blue, green]
  live_side:
    description:
      - The side that had the traffic when the release began, as read back from whatever moves it; empty when none had.
      - Without it, the side of the release that was last settled on this machine counts as live.
    type: str
  release:
    description:
      - The release that this is a stage of. The stage is fenced and written to the journal of the machine.
      - Without it the module acts alone, under the lock of this machine only.
    type: dict
    suboptions:
      id:
        description: Id of the release.
        type: str
        required: true
      token:
        description: Fencing token of its lease.
        type: int
        required: true
      holder:
        description: Who holds the lease; the action plugin adds it.
        type: dict
        default: {}
      stage:
        description: Name of the stage, for the journal. The default is the O(state).
        type: str
      deadline:
        description: Seconds that the stage may take.
        type: float
        default: 900
      spec:
        description: With O(state=decided), the frozen specification; it goes to the journal before anything else.
        type: dict
      diagnosis:
        description: With O(state=reverted), what failed where; for the journal.
        type: list
        elements: raw
        default: []
      mark_bad:
        description: With O(state=reverted), refuse this version from now on. Not for a failure of the infrastructure.
        type: bool
        default: false
      outcome:
        description:
          - With O(state=reverted), what the journal says of it; V(restored) when a database was restored meanwhile.
          - V(open) says nothing yet and keeps the lock, for the traffic to be confirmed before the release ends.
        type: str
        choices: [reverted, restored, open]
        default: reverted
  version:
    description: Version of the platform, for labels.
    type: str
    default: ""
  identity:
    description:
      - Identity of the release (version, configuration and secrets).
      - The default is a hash of version and services.
    type: str
    default: ""
  publish:
    description: Address of the host at which the processes are asked whether they are healthy.
    type: str
    default: 0.0.0.0
  services:
    description:
      - The services of this host, by name. With an empty mapping only the stage of the O(release) is opened and closed.
      - Code. C(source), a mapping with C(kind). C(directory) has C(path), a directory of the machine. C(archive) has
        C(path) or C(url), C(checksum) (C(sha256:…), required with C(url)) and C(strip), leading directories to leave
        away. C(git) has C(repository), one of C(branch) and C(tag), or C(commit), or a commit with one of them; C(key),
        the name of a secret with a private key; C(known_hosts), lines for ssh; C(submodules) (true). C(code), in the place
        of C(source), is the name of a service whose code this one runs, as a worker does. C(build), a list of steps with
        C(command) (a list), C(name), C(env) and C(timeout) in seconds (600), that run in the release as C(user).
        C(shared) with C(directories) and C(files), paths in the release that all releases share.
      - Process. C(command), the program and its arguments, in which C(${NAME}) is a variable of the environment; a
        relative path with a slash is one of the release. C(user), without which systemd makes one up for as long as the
        process runs; C(build) and C(shared) need one. C(replicas) (1). C(port), if it listens; C(ports), the ports of each
        side, one a replica, which it finds in C(PORT). C(traffic), false for a worker. C(notify) (false), whether it
        tells systemd when it is ready (C(Type=notify)); C(start_limit), seconds that it may take until then (60).
        C(stop_grace), seconds from SIGTERM to SIGKILL (10). C(unit), directives of systemd, such as C(MemoryMax).
      - Configuration. C(env); C(secrets), names that become files with C(NAME_FILE) in the environment; C(env_secrets),
        names that become variables; C(health) and C(smoke), see M(slipway.deploy.health_probe), of the kinds V(http),
        V(tcp) and V(command).
    type: dict
    default: {}
  secrets:
    description:
      - A JSON object of names and values, encoded in base64. The action plugin makes it of C(slipway_secrets) or of a
        mapping given here.
    type: str
    default: ""
  keep:
    description: How many releases are kept for a rollback.
    type: int
    default: 3
  kept_release:
    description:
      - Run the code of this kept release, without fetching or building anything. For a rollback.
    type: str
    default: ""
  code_root:
    description:
      - Directory of the code of all platforms on this machine. Every user must be able to pass through it.
    type: path
    default: /srv/slipway
  manager:
    description: The process manager. V(systemd) has template units, C(slipway-<platform>.<environment>.<service>.<side>@).
    type: str
    choices: [systemd]
    default: systemd
attributes:
  check_mode:
    support: full
    description: Predicts the actions without doing any. Builds, health and smoke tests are not predicted.
  diff_mode:
    support: full
    description: Shows status, start after a reboot and specification of every process before and after.
  idempotent:
    support: full
    description: A second run of any state changes nothing.
requirements:
  - systemd 247 or newer
  - git 2.25 or newer, for sources of that kind
  - setpriv and timeout (util-linux, coreutils), for build steps
seealso:
  - module: slipway.deploy.container_deploy
  - module: slipway.deploy.traffic_switch
  - module: slipway.deploy.health_probe
"""

EXAMPLES = r"""
- name: Prepare the green side
  slipway.deploy.process_deploy:
    platform: shop
    environment: production
    state: prepared
    side: green
    version: 1.1.0
    services:
      backend:
        source: {kind: git, repository: "git@git.example.com:shop/backend.git", tag: v1.1.0, key: DEPLOY_KEY}
        build:
          - {name: environment, command: [python3, -m, venv, .venv]}
          - {name: dependencies, command: [.venv/bin/pip, install, --requirement, requirements.txt]}
        user: shop
        command: [.venv/bin/gunicorn, --bind, "0.0.0.0:${PORT}", "shop:app"]
        replicas: 2
        port: 8080
        ports: {blue: [20000, 20001], green: [20010, 20011]}
        health: {path: /health}
        smoke: [{path: /api/products, status: 200}]
        secrets: [DATABASE_URL]
        shared: {directories: [uploads]}
        unit: {MemoryMax: 512M}
      worker:
        code: backend
        user: shop
        command: [.venv/bin/python, -m, shop.worker]
        traffic: false
    secrets:
      DATABASE_URL: "{{ vault_database_url }}"
      DEPLOY_KEY: "{{ vault_deploy_key }}"

- name: What is there
  slipway.deploy.process_deploy:
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
  sample: ["define and start slipway-shop.production.backend.green (no such specification on this side)"]
processes:
  description: What was done to each process, and what was read back, by name.
  returned: success
  type: dict
  sample: {"slipway-shop.production.backend.green@1.service": {"healthy": true, "start_s": 0.4, "ready_s": 2.1}}
sources:
  description: What the code of each service is, exactly, and where.
  returned: success
  type: dict
  sample: {"backend": {"kind": "git", "commit": "2b66fd261ee5c6cfc8de7fa466bab600bcfe4f69"}}
timings:
  description: Milliseconds that each step took.
  returned: success
  type: dict
  sample: {"read": 30.1, "fetch": 160.2, "build": 5250.3, "start": 250.3, "verify": 500.4}
observed:
  description:
    - What is there. C(manager) with C(ok) and, if not, C(problem); C(current), the release that the link names; C(sides)
      with release, version, identity and the replicas of each service; C(releases) that are kept, each with C(ready) for
      a rollback without any network; C(live_side) as this machine wrote it down.
  returned: with O(state=observed)
  type: dict
  sample: {"manager": {"ok": true}, "current": "r1", "sides": {}, "releases": [], "live_side": ""}
error:
  description:
    - What failed. Under C(evidence) a key C(processes) has cause, message and the last log lines of each process.
  returned: failure
  type: dict
  sample: {"cause": "exited", "what": "the process does not run", "remedy": "See its log.", "evidence": {}}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import PROCESS_DEPLOY
from ansible_collections.slipway.deploy.plugins.module_utils.stages.process_deploy import perform


def main() -> None:
    run_module(PROCESS_DEPLOY, perform)


if __name__ == "__main__":
    main()
