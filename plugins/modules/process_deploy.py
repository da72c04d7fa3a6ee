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
extends_documentation_fragment:
  - slipway.deploy.platform
  - slipway.deploy.side
description:
  - Brings up, hands over to, settles on or takes back one of the two sides (V(blue) and V(green)) of a platform on one
    host; all services of the host in one call. Each replica is a process with a port of its own.
  - The code of a release is in C(releases/<id>/<service>/) below O(code_root); C(current) links to the release that was
    decided on. What runs is read from that link and from the process manager, never guessed from a time.
  - It has the states of M(slipway.deploy.container_deploy), so a release goes through the same stages with either.
options:
  state:
    description:
      - V(observed) reads what is there, and never fails because of the process manager.
      - V(fetched) fetches the code and builds it, and nothing else, so that V(prepared) need not wait for that.
      - V(built) does what V(fetched) does, and packs the code for other machines; with O(builds), of the services that this
        machine builds. O(services) of the other machines have what is in RV(built) then.
      - V(prepared) fetches the code, builds it, defines the processes of the side, starts those with traffic, waits for
        their health and runs the smoke tests. Workers are defined, not started.
      - V(decided) lets the side come back after a reboot, switches C(current) to its release, and hands the work over.
        The workers of the other side stop, then those of this side start and must stay up for a second.
      - V(settled) stops the other side and keeps it, and removes what is beyond O(keep).
      - V(paused) stops the other side, first its workers; V(reverted) starts it again.
      - V(workers_paused) stops the workers of the other side alone, and they stay stopped until V(workers_resumed), also after a
        reboot, and when a release is put back meanwhile. V(settled) ends that, because the work is this side's then.
      - V(reverted) restores the other side (reboot, C(current), workers), then stops this side and keeps it. The last
        lines of its logs are in the result.
      - V(rebuilt) writes anew what this machine remembers of the release O(kept_release), whose code is here still, and starts and
        stops nothing. Where O(side) is O(live_side) what runs must be of exactly that specification.
    type: str
    choices: [observed, fetched, prepared, decided, settled, paused, reverted, workers_paused, workers_resumed, built, rebuilt]
    default: prepared
  publish:
    description: Address of the host at which the processes are asked whether they are healthy.
    type: str
    default: 0.0.0.0
  services:
    description:
      - The services of this host, by name. With an empty mapping only the stage of the O(release) is opened and closed.
      - Code. C(source), a mapping with C(kind), or C(code), the name of a service whose code this one runs, as a worker does.
        C(build), a list of steps with C(command) (a list), C(name), C(env) and C(timeout) in seconds (600), that run in the
        release as C(user). C(shared) with C(directories) and C(files), paths in the release that all releases share.
      - C(build_on), V(each) or V(one), whether one machine builds for all. With V(one) directories of C(shared) are empty
        meanwhile, and what the steps put there is copied into those of every machine. C(built) is what the action plugin
        says of it, C(by) which machine, C(package), C(source).
      - A C(path) of a source is one of the controller, below C(slipway_site_dir); with C(from=machine) it is on the machine.
      - C(kind=directory) has C(path) and C(exclude), names at any depth or paths from the top that are left out.
      - C(kind=archive) has C(path), or C(url) and C(checksum) (C(sha256:…)); C(strip), leading directories to leave away.
      - C(kind=git) has C(repository), one of C(branch) and C(tag), or C(commit), or a commit with one of them; C(key), the
        name of a secret with a private key; C(known_hosts), lines for ssh; C(submodules) (true).
      - C(kind=wheel) has C(path), or C(package) (C(name==version)) and C(index); C(hashes), C(requirements), further lines as
        pip has them; C(installer), V(pip) or V(uv); C(python). It is in C(.venv) of the release.
      - C(kind=npm) has C(path), or C(package) (C(name@version)), C(registry) and C(integrity). It is in C(node_modules) of the
        release.
      - Process. C(command), the program and its arguments, in which C(${NAME}) is a variable of the environment; a
        relative path with a slash is one of the release. C(user), without which systemd makes one up for as long as the
        process runs; Supervisor, PM2, C(build) and C(shared) need one. C(replicas) (1). C(port), if it listens; C(ports),
        the ports of each side, one a replica, which it finds in C(PORT). C(traffic), false for a worker. C(singleton) (false), of
        a worker of which there is one in the whole fleet. C(socket) (false), whether systemd
        listens for it. C(strategy), V(reload) where both sides have one port, one after the other. C(notify) (false), whether it
        tells its manager when it is ready
        (C(Type=notify) of systemd, C(wait_ready) of PM2); C(start_limit), seconds that it may take until then (60).
        C(stop_grace), seconds from SIGTERM to SIGKILL (10). C(unit), directives of the manager, such as C(MemoryMax).
      - Configuration. C(env); C(secrets), names that become files with C(NAME_FILE) in the environment; C(env_secrets),
        names that become variables; C(health) and C(smoke), see M(slipway.deploy.health_probe), of the kinds V(http),
        V(tcp) and V(command).
    type: dict
    default: {}
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
  packages:
    description:
      - What the action plugin has put on the machine for as long as the task runs, by the hash of its content. A
        directory or file of the controller is handed over once, to machines that do not have that very content.
    type: dict
    default: {}
  builds:
    description:
      - What one machine hands on to others, in a release. The action plugin reads it, tells the other machines what was built,
        and carries it there.
    type: dict
    default: {}
    suboptions:
      services:
        description:
          - The services that one machine builds for all. By name, C(on) which machine it is built and C(for) which others.
        type: dict
        default: {}
      kept:
        description:
          - The packages of releases before that new machines lack. By name, C(on) which machine it is and C(for) which; C(of),
            which code that is, in words; C(whole), whether its name is the hash of the file. With O(state=built) the action
            plugin brings them to the controller; one that cannot be had is a warning.
        type: dict
        default: {}
      register:
        description:
          - The variable in which the results with O(state=built) are registered.
        type: str
        default: ""
      read:
        description:
          - The variable in which all machines have registered what M(slipway.deploy.release_state) read.
        type: str
        default: ""
  manager:
    description:
      - The process manager. V(systemd) has template units, C(slipway-<platform>.<environment>.<service>.<side>@).
      - V(supervisor) has a configuration file of that name, and a program for each replica.
      - V(pm2) has a daemon of its own for each platform and environment, in C(pm2/) below its O(code_root).
    type: str
    choices: [systemd, supervisor, pm2]
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
  - systemd 247 or newer, or Supervisor 4 or newer, or systemd, Node.js and PM2 5 or newer
  - git 2.25 or newer, for sources of that kind
  - setpriv and timeout (util-linux, coreutils), for build steps, Supervisor and PM2
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
built:
  description: Of each service the package, its size in bytes and what it was made of.
  returned: with O(state=built)
  type: dict
  sample: {"backend": {"package": "9f2c…", "size": 8122411, "source": {"kind": "git", "commit": "2b66fd2…"}}}
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
  sample: {"read": 30.1, "fetch": 160.2, "build": 5250.3, "start": 250.3, "verify": 500.4}
said:
  description: The most of it in a few words.
  returned: with O(state=workers_paused) and O(state=workers_resumed), where something was done
  type: str
  sample: workers at work again after 214.6 s
observed:
  description:
    - What is there. C(manager) with C(ok) and, if not, C(problem); C(current), the release that the link names; C(sides)
      with release, version, identity and the replicas of each service; C(releases) that are kept, each with C(ready) for
      a rollback without any network, and C(sources), what its code was made of; C(packages), what was handed over or built
      here; C(live_side) as this machine wrote it down; C(workers_paused) with C(since) and C(seconds), or null.
  returned: with O(state=observed)
  type: dict
  sample: {"manager": {"ok": true}, "current": "r1", "sides": {}, "releases": [], "packages": [], "live_side": ""}
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
