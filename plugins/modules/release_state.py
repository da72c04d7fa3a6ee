#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_state
short_description: Read or change what one machine remembers of its releases
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
extends_documentation_fragment:
  - slipway.deploy.platform
  - slipway.deploy.runs_as
  - slipway.deploy.tls
description:
  - Every machine of a platform keeps a journal of its releases, and a lock (a lease, and a fence that never goes back),
    in a directory of its own. This module reads them, together with what is live on the machine and with the facts that
    decide whether a release may begin; and it takes, gives back and repairs them.
  - A lease runs on the machine's own clock since boot, never on the time of day. Whoever was replaced as its holder can
    do nothing more on that machine, however late it comes.
options:
  state:
    description:
      - V(read) reads journal, lock, facts, and what O(parts) names. It writes nothing, waits for nothing that is at
        work on the machine, and works on a machine that never saw a release.
      - V(granted) gives the lease of this machine to O(release), if no other release holds a live one.
      - V(withdrawn) takes a grant back, because other machines refused; V(released) gives the lease back at the end.
        Neither touches a lease of anybody else.
      - V(recorded) writes the O(outcome) of O(release) and gives the lease back. It is for repairs; the last stage of a
        release does this by itself.
      - V(unlocked) breaks the glass, and removes the lease whoever holds it. What it breaks is in RV(actions); with
        check mode it says so and changes nothing.
      - V(journal_repaired) repairs a damaged journal. The damaged file is kept aside, and so is every good line.
      - V(marked_bad) refuses an O(identity) from now on; V(forgiven) lets it out again.
      - V(frozen) writes down that nothing is to be released for now, by O(who), O(why) and O(until) when; V(thawed)
        takes that back. A release is refused while one machine of the platform says so. One that is under way goes on.
      - V(rebuilt) writes the journal anew out of O(memory), as a stage of O(release); what is in it of other releases goes.
    type: str
    choices:
      - read
      - granted
      - withdrawn
      - released
      - recorded
      - unlocked
      - journal_repaired
      - marked_bad
      - forgiven
      - frozen
      - thawed
      - rebuilt
    default: read
  release:
    description:
      - The release that acts. Required for O(state=granted), O(state=withdrawn), O(state=released) and
        O(state=recorded), but for check mode (a preview takes no lock).
    type: dict
    suboptions:
      id:
        description: Id of the release.
        type: str
        required: true
      token:
        description: Fencing token, the highest fence of all machines plus one.
        type: int
        required: true
      holder:
        description: The process on the controller that acts; the action plugin adds it.
        type: dict
        default: {}
  about:
    description: What the journal keeps of the release, for the history; C(version), C(identity) and C(side).
    type: dict
    default: {}
  duration:
    description: Seconds for which the lease is granted. Every stage of the release renews it.
    type: float
    default: 60
  takeover:
    description:
      - Leases as they were read (C(token) and C(holder) of each), whose holders are proved to be gone. They do not
        refuse O(state=granted).
    type: list
    elements: dict
    default: []
  break_glass:
    description: With O(state=granted), take the lease whoever holds it. That is recorded in the journal.
    type: bool
    default: false
  outcome:
    description: How the release ended. Required for O(state=recorded).
    type: str
    choices: [succeeded, reverted, migrated, closed, opened, drained, undrained, removed, rebuilt, adopted, failed]
  memory:
    description:
      - With O(state=rebuilt), what other machines remember - C(releases) that have succeeded, the oldest first, C(bad) and
        C(frozen), as in RV(journal).
    type: dict
    default: {}
  diagnosis:
    description: With O(state=recorded), why it ended so.
    type: dict
    default: {}
  identity:
    description: Identity of a version with its configuration. Required for O(state=marked_bad) and O(state=forgiven).
    type: str
  version:
    description: With O(state=marked_bad), the version, for people.
    type: str
    default: ""
  why:
    description: With O(state=marked_bad), the reason, for people. Required for O(state=frozen).
    type: str
    default: ""
  who:
    description:
      - With O(state=frozen) and O(state=thawed), who says so; by default the user of this run and the controller's name.
    type: str
    default: ""
  until:
    description: With O(state=frozen), when it ends, in seconds since the epoch; V(0) when somebody thaws it.
    type: float
    default: 0
  parts:
    description: The parts of a platform that this machine has, to be read back with O(state=read).
    type: list
    elements: str
    choices: [app, proxy, db]
    default: []
  provider:
    description: With V(proxy) among O(parts), what moves the traffic there.
    type: str
    choices: [haproxy, nginx, caddy, traefik]
    default: haproxy
  listen:
    description:
      - With V(proxy) among O(parts), the port that clients are to connect to. What is in the way of a platform that the balancer
        does not know yet is in RV(traffic), as C(refused_listen).
    type: int
  bind:
    description: With O(listen), the addresses, with commas between them.
    type: str
    default: "*"
  hosts:
    description: With O(tls), the hosts that the certificates must be good for.
    type: list
    elements: str
    default: []
  secrets:
    description: Values of the secrets that O(tls) names. By default those of C(slipway_secrets) that it names.
    type: str
    default: ""
  images:
    description: With V(app) among O(parts), image references to look for.
    type: list
    elements: str
    default: []
  ports:
    description: With O(state=read), TCP ports that ought to be free; who has those that are not is in RV(facts).
    type: list
    elements: int
    default: []
  programs:
    description: With O(state=read), programs that ought to be there; their versions are in RV(facts).
    type: list
    elements: str
    default: []
  users:
    description: With O(state=read), users that ought to be there; whether they are is in RV(facts).
    type: list
    elements: str
    default: []
  docker_root:
    description: Directory that Docker keeps its images in; its free space is in RV(facts).
    type: path
    default: /var/lib/docker
  wait:
    description:
      - With O(state=read), seconds to wait for a live lease of another release to end. The waiting is done on the
        controller, with a countdown that names the holder.
    type: float
    default: 0
attributes:
  check_mode:
    support: full
    description: Says what would be done, and refuses what would be refused.
  diff_mode:
    support: full
    description: Shows fence, holder of the lease, outcome of the release and refused identities before and after.
  idempotent:
    support: full
    description: A second run of any state changes nothing.
seealso:
  - module: slipway.deploy.container_deploy
  - module: slipway.deploy.process_deploy
  - module: slipway.deploy.traffic_switch
"""

EXAMPLES = r"""
- name: Read what this machine remembers, and what is live on it
  slipway.deploy.release_state:
    platform: shop
    environment: production
    parts: [app, proxy]
    provider: haproxy

- name: Say what breaking the lock would break
  slipway.deploy.release_state:
    platform: shop
    environment: production
    state: unlocked
  check_mode: true

- name: Repair a damaged journal
  slipway.deploy.release_state:
    platform: shop
    environment: production
    state: journal_repaired

- name: Let a version out again that was marked bad
  slipway.deploy.release_state:
    platform: shop
    environment: production
    state: forgiven
    identity: 5d41402abc4b2a76b9719d911017c592
"""

RETURN = r"""
actions:
  description: Each decision, in words; with check mode those that would be taken.
  returned: success
  type: list
  elements: str
  sample: ["grant the lease to release 1.1.0-20300102T101500Z-3fa9 for 60 s"]
lease:
  description:
    - The lock of this machine. C(fence) is the highest token ever granted. C(live) says whether somebody holds the
      lease now; then, and after it has lapsed, C(token), C(release_id) and C(holder) say who, C(remaining) for how many
      seconds more, and C(until) until when by this machine's clock. C(source) is V(journal) when the lock's file was
      missing or unreadable, V(none) on a machine that never granted.
  returned: success
  type: dict
  sample:
    fence: 7
    live: true
    token: 7
    release_id: 1.1.0-20300102T101500Z-3fa9
    holder: {host: controller, user: ann, pid: 4711, command: ansible-playbook deploy.yml}
    remaining: 41.5
    until: 1893579342.0
    source: file
journal:
  description:
    - The journal, summarized. C(open) is the id of the release to be finished first, C(last_good) of the last one that
      succeeded; C(releases) are all that are remembered, oldest first, each with C(stages), C(outcome) (empty while it
      is open) and, where it may still be needed, its frozen specification in C(decision); C(bad) has the refused
      identities; C(frozen) says who has frozen it, why, since and until when, and is null while it is not; C(drained) says
      of each machine that was ever taken out of traffic, or removed, whether it is, by whom, why and since when.
  returned: success
  type: dict
  sample: {open: "", last_good: 1.0.0-20300101T091200Z-77ab, releases: [], bad: {}, frozen: null, drained: {}, last_seq: 42}
facts:
  description:
    - Facts of the machine. C(disk) by name with C(free) and C(total) in bytes and C(inodes_free) in percent;
      C(memory), with what each running container or process of the platform holds; C(time) with the wall clock and whether it is
      synchronized (null when not known); C(ports), those of O(ports) that are taken, each with its process;
      C(programs), the versions of O(programs), empty where one is missing; C(users), whether the machine has those of
      O(users); C(python), C(uid) and C(platform); C(reboot), why the machine wants to be rebooted.
  returned: with O(state=read)
  type: dict
  sample:
    disk: {state: {path: /var/lib, free: 8285184, total: 27055317, inodes_free: 97.2}}
    memory: {available: 24443621376, total: 25276502016, containers: {shop-production-backend-blue-1: 23068672}}
    time: {wall: 1893579300.5, synchronized: true}
    ports: [{port: 20000, address: 127.0.0.1, pid: 312, process: python3}]
    programs: {git: 2.39.5}
    users: {shop: true}
    python: 3.11.2
    uid: 0
    platform: {system: Linux, machine: x86_64, kernel: 6.1.0, distribution: debian, version: "12"}
container:
  description: What runs in containers, read back; as C(observed) of M(slipway.deploy.container_deploy).
  returned: with O(state=read), V(app) among O(parts) and O(model=container)
  type: dict
  sample: {engine: {ok: true}, sides: {}, releases: [], live_side: "", images: {}}
process:
  description: What runs as processes, read back; as C(observed) of M(slipway.deploy.process_deploy).
  returned: with O(state=read), V(app) among O(parts) and O(model=process)
  type: dict
  sample: {manager: {ok: true}, current: "", sides: {}, releases: [], live_side: ""}
traffic:
  description: Where the traffic goes, read back; as M(slipway.deploy.traffic_switch) returns it when it observes.
  returned: with O(state=read) and V(proxy) among O(parts)
  type: dict
  sample: {running: true, version: 2.6.12, problems: [], weights: {}, servers: [], live_side: blue}
backup:
  description: How fresh the backups of the database are, as the last run wrote it down; C(said) is that in a line.
  returned: with O(state=read) and V(db) among O(parts)
  type: dict
  sample: {said: "backup 20261124T031500Z-0a1b2c, 5.2 h old, restored in 4.2 s", taken: 1795490100.0, problem: ""}
repair:
  description: What a repair did, or would do; null when nothing was damaged.
  returned: with O(state=journal_repaired)
  type: dict
  sample: {kept_aside: /var/lib/slipway/shop/production/journal.jsonl.damaged-1a2b3c4d, gaps: [[3, 5]], lines_lost: 1}
error:
  description: What failed. For a lock that is held, C(evidence) says by whom, since when, and for how long.
  returned: failure
  type: dict
  sample: {cause: lock_held, object: lock, what: the lock is held, remedy: Wait for that release to end.}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import RELEASE_STATE
from ansible_collections.slipway.deploy.plugins.module_utils.stages.release_state import perform


def main() -> None:
    run_module(RELEASE_STATE, perform)


if __name__ == "__main__":
    main()
