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
description:
  - Every machine of a platform keeps a journal of its releases, and a lock (a lease, and a fence that never goes back),
    in a directory of its own. This module reads them, together with what is live on the machine and with the facts that
    decide whether a release may begin; and it takes, gives back and repairs them.
  - A lease runs on the machine's own clock since boot, never on the time of day. Whoever was replaced as its holder can
    do nothing more on that machine, however late it comes.
options:
  platform:
    description: Name of the platform.
    type: str
    required: true
  environment:
    description: Name of the environment of the platform.
    type: str
    required: true
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
    type: str
    choices: [read, granted, withdrawn, released, recorded, unlocked, journal_repaired, marked_bad, forgiven]
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
    choices: [succeeded, reverted, failed]
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
    description: With O(state=marked_bad), the reason, for people.
    type: str
    default: ""
  parts:
    description: The parts of a platform that this machine has, to be read back with O(state=read).
    type: list
    elements: str
    choices: [app, proxy]
    default: []
  provider:
    description: With V(proxy) among O(parts), what moves the traffic there.
    type: str
    choices: [haproxy, nginx]
    default: haproxy
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
  root:
    description: Directory of the state of all platforms.
    type: path
    default: /var/lib/slipway
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
      identities.
  returned: success
  type: dict
  sample: {open: "", last_good: 1.0.0-20300101T091200Z-77ab, releases: [], bad: {}, last_seq: 42}
facts:
  description:
    - Facts of the machine. C(disk) by name with C(free) and C(total) in bytes and C(inodes_free) in percent;
      C(memory), with what each running container of the platform holds; C(time) with the wall clock and whether it is
      synchronized (null when not known); C(ports), those of O(ports) that are taken, each with its process; C(python),
      C(uid) and C(platform).
  returned: with O(state=read)
  type: dict
  sample:
    disk: {state: {path: /var/lib, free: 8285184, total: 27055317, inodes_free: 97.2}}
    memory: {available: 24443621376, total: 25276502016, containers: {shop-production-backend-blue-1: 23068672}}
    time: {wall: 1893579300.5, synchronized: true}
    ports: [{port: 20000, address: 127.0.0.1, pid: 312, process: python3}]
    python: 3.11.2
    uid: 0
    platform: {system: Linux, machine: x86_64, kernel: 6.1.0, distribution: debian, version: "12"}
container:
  description: What runs in containers, read back; as C(observed) of M(slipway.deploy.container_deploy).
  returned: with O(state=read) and V(app) among O(parts)
  type: dict
  sample: {engine: {ok: true}, sides: {}, releases: [], live_side: "", images: {}}
traffic:
  description: Where the traffic goes, read back; as M(slipway.deploy.traffic_switch) returns it when it observes.
  returned: with O(state=read) and V(proxy) among O(parts)
  type: dict
  sample: {running: true, version: 2.6.12, problems: [], weights: {}, servers: [], live_side: blue}
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

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import SlipwayError
from ..module_utils.preflight.facts import gather
from ..module_utils.state.history import report
from ..module_utils.state.lease import Lease, ReleaseToken
from ..module_utils.state.machine import Machine, MachineView
from ..module_utils.system import System

RECORDING = 10.0  # seconds that writing an outcome may take

OPTIONS = {
    "platform": {"type": "str", "required": True},
    "environment": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": [
            "read",
            "granted",
            "withdrawn",
            "released",
            "recorded",
            "unlocked",
            "journal_repaired",
            "marked_bad",
            "forgiven",
        ],
        "default": "read",
    },
    "release": {
        "type": "dict",
        "options": {
            "id": {"type": "str", "required": True},
            "token": {"type": "int", "required": True, "no_log": False},
            "holder": {"type": "dict", "default": {}},
        },
    },
    "about": {"type": "dict", "default": {}},
    "duration": {"type": "float", "default": 60},
    "takeover": {"type": "list", "elements": "dict", "default": []},
    "break_glass": {"type": "bool", "default": False},
    "outcome": {"type": "str", "choices": ["succeeded", "reverted", "failed"]},
    "diagnosis": {"type": "dict", "default": {}},
    "identity": {"type": "str"},
    "version": {"type": "str", "default": ""},
    "why": {"type": "str", "default": ""},
    "parts": {"type": "list", "elements": "str", "choices": ["app", "proxy"], "default": []},
    "provider": {"type": "str", "choices": ["haproxy", "nginx"], "default": "haproxy"},
    "images": {"type": "list", "elements": "str", "default": []},
    "ports": {"type": "list", "elements": "int", "default": []},
    "docker_root": {"type": "path", "default": "/var/lib/docker"},
    "wait": {"type": "float", "default": 0},
    "root": {"type": "path", "default": "/var/lib/slipway"},
}

NOBODY = "none"
Params = t.Mapping[str, t.Any]


class Plan(t.NamedTuple):
    """What a state would do: nothing when there is no C(apply)."""

    action: str
    apply: t.Callable[[], t.Any] | None = None
    after: dict[str, t.Any] = {}  # noqa: RUF012 (never changed): what becomes of the outline


class Outline(t.NamedTuple):
    """What a diff compares."""

    fence: int
    lease: str
    outcome: str
    bad: frozenset[str]

    def text(self) -> str:
        lines = [f"fence: {self.fence}", f"lease: {self.lease}", f"outcome: {self.outcome}"]
        return "".join(f"{line}\n" for line in [*lines, *(f"bad: {identity}" for identity in sorted(self.bad))])


def main() -> None:
    module = AnsibleModule(
        argument_spec=OPTIONS,
        supports_check_mode=True,
        required_if=[
            ("state", "recorded", ("outcome",)),
            ("state", "marked_bad", ("identity",)),
            ("state", "forgiven", ("identity",)),
        ],
    )
    try:
        result = run(module.params, System(), module.check_mode)
    except SlipwayError as error:
        module.fail_json(**error.result())
    module.exit_json(**result)


def run(params: Params, system: System, check: bool) -> dict[str, t.Any]:
    """Everything but the exit."""
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    if params["state"] == "read":
        return {"changed": False, "actions": [], **described(machine.read(), system), **live(params, system, machine)}
    if params["state"] == "journal_repaired":
        return repair(machine, system, check)
    before = machine.read()
    plan = PLANS[params["state"]](params, machine, before, check)
    changed = plan.apply is not None
    if plan.apply is not None and not check:
        plan.apply()
    was = outline(before, params)
    diff = {"before": was.text(), "after": was._replace(**plan.after).text()}
    return {"changed": changed, "actions": [plan.action], "diff": diff, **described(machine.read(), system)}


# Reading ------------------------------------------------------------------------------------------------------


def described(view: MachineView, system: System) -> dict[str, t.Any]:
    """Lock and journal as the module returns them."""
    lease = view.lock.lease
    lock: dict[str, t.Any] = {"fence": view.lock.fence, "live": view.remaining > 0, "source": view.lock.source}
    if lease is not None:
        remaining = max(0.0, view.remaining)
        lock.update(
            token=lease.token,
            release_id=lease.release_id,
            holder=lease.holder,
            remaining=round(remaining, 1),
            until=round(system.wall() + remaining, 1),
        )
    return {"lease": lock, "journal": report(view.journal)}


def live(params: Params, system: System, machine: Machine) -> dict[str, t.Any]:
    """Facts, and what the parts of this machine say of themselves."""
    directories = {"state": machine.directory}
    found: dict[str, t.Any] = {}
    names = (params["platform"], params["environment"])
    if "app" in params["parts"]:
        from ..module_utils.container.observe import observe

        directories["docker"] = params["docker_root"]
        found["container"] = observe(*names, system, images=params["images"], root=params["root"])
    if "proxy" in params["parts"]:
        from ..module_utils.traffic.factory import provider

        proxy = provider(params["provider"], system, platform=names[0], environment=names[1])
        found["traffic"] = proxy.observe()
    sides = found.get("container", {}).get("sides", {})
    found["facts"] = gather(system, directories=directories, ports=params["ports"], containers=running(sides))
    return found


def running(sides: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Name and id of every container that runs on one of the sides."""
    services = [replicas for side in sides.values() for replicas in side["services"].values()]
    return {replica["name"]: replica["id"] for replicas in services for replica in replicas if replica["running"]}


def outline(view: MachineView, params: Params) -> Outline:
    """The part of the view that a state may change."""
    known = view.journal.find(params["release"]["id"]) if params["release"] else None
    lease = view.lock.lease
    return Outline(
        fence=view.lock.fence,
        lease=f"{lease.release_id}, {lease.who()}" if lease else NOBODY,
        outcome=known.outcome if known else "",
        bad=frozenset(view.journal.bad),
    )


# Changing -----------------------------------------------------------------------------------------------------


def plan_granted(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    if params["release"] is None and check:
        return Plan("a preview takes no lock")
    release = acting(params)
    terms = {"takeover": params["takeover"], "break_glass": params["break_glass"]}
    new = machine.grantable(release, **terms)

    def apply() -> None:
        machine.grant(release, params["duration"], about=params["about"], **terms)

    if not new:
        if not check:
            apply()  # the same again only renews what this release has
        return Plan(f"release {release.id} holds the lease already")
    lease = before.lock.lease
    instead = f", instead of {lease.who()}" if lease and before.remaining > 0 else ""
    holder = Lease(release.token, release.id, release.holder, "", 0.0, 0.0).who()
    after = {"fence": release.token, "lease": f"{release.id}, {holder}"}
    return Plan(f"grant the lease to release {release.id} for {params['duration']:g} s{instead}", apply, after)


def plan_given_back(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    if params["release"] is None and check:
        return Plan("a preview takes no lock, so there is none to give back")
    release = acting(params)
    lease = before.lock.lease
    if lease is None or not lease.belongs_to(release):
        return Plan(f"release {release.id} holds no lease here")
    give_back = machine.withdraw if params["state"] == "withdrawn" else machine.release
    untouched = [found for found in before.journal.unfinished if found.id == release.id and not found.stages]
    after = {"lease": NOBODY, **({"outcome": "withdrawn"} if untouched else {})}
    return Plan(f"take the lease back from release {release.id}", lambda: give_back(release), after)


def plan_recorded(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    if params["release"] is None and check:
        return Plan("a preview takes no lock, so there is no release to record")
    release = acting(params)
    known, lease = before.journal.find(release.id), before.lock.lease
    mine = lease is not None and lease.belongs_to(release)
    if known is not None and known.outcome == params["outcome"] and not mine:
        return Plan(f"release {release.id} is recorded as {params['outcome']} already")

    def apply() -> None:
        with machine.stage(release, "record", RECORDING) as step:
            step.outcome(params["outcome"], diagnosis=params["diagnosis"], **params["about"])
            step.release_lease()

    after = {"outcome": params["outcome"], "lease": NOBODY}
    return Plan(f"record release {release.id} as {params['outcome']} and give the lease back", apply, after)


def plan_unlocked(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    lease = before.lock.lease
    if lease is None:
        return Plan("nobody holds the lease; there is nothing to break")
    left = f"which has {before.remaining:.0f} s left" if before.remaining > 0 else "which has lapsed"
    release = before.journal.find(lease.release_id)
    at = f" in stage {release.reached}" if release and release.stages and not release.outcome else ""
    return Plan(
        f"remove the lease of release {lease.release_id}{at}, held by {lease.who()}, {left}; "
        "whatever it still has at work ends by itself, and its next stage is refused on this machine",
        machine.unlock,
        {"lease": NOBODY},
    )


def plan_marked_bad(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    identity = params["identity"]
    if identity in before.journal.bad:
        return Plan(f"{identity} is marked bad already")
    release = params["release"]["id"] if params["release"] else ""

    def apply() -> None:
        machine.mark_bad(identity, version=params["version"], why=params["why"], release=release)

    after = {"bad": before.journal.bad.keys() | {identity}}
    return Plan(f"refuse {identity} (version {params['version'] or 'unknown'}) from now on", apply, after)


def plan_forgiven(params: Params, machine: Machine, before: MachineView, check: bool) -> Plan:
    identity = params["identity"]
    if identity not in before.journal.bad:
        return Plan(f"{identity} is not marked bad")
    after = {"bad": before.journal.bad.keys() - {identity}}
    return Plan(f"let {identity} out again", lambda: machine.forgive(identity), after)


PLANS: dict[str, t.Callable[[Params, Machine, MachineView, bool], Plan]] = {
    "granted": plan_granted,
    "withdrawn": plan_given_back,
    "released": plan_given_back,
    "recorded": plan_recorded,
    "unlocked": plan_unlocked,
    "marked_bad": plan_marked_bad,
    "forgiven": plan_forgiven,
}


def acting(params: Params) -> ReleaseToken:
    """The release that acts.

    :raises SlipwayError: C(invalid).
    """
    if params["release"] is None:
        raise SlipwayError(
            "missing", obj="release", wanted=f"id and token for state={params['state']}", cause="invalid",
            remedy="Pass on the release that the lease is for.",
        )  # fmt: skip
    return ReleaseToken.parse(params["release"])


def repair(machine: Machine, system: System, check: bool) -> dict[str, t.Any]:
    """The one state that must not read the journal first."""
    done = machine.damage() if check else machine.repair()
    if done is None:
        action = "the journal is not damaged"
    else:
        action = f"keep every good line, and the damaged file as {done['kept_aside']}; {done['lines_lost']} lines lost"
    view: dict[str, t.Any] = {}
    with contextlib.suppress(SlipwayError):  # in check mode it is damaged still
        view = described(machine.read(), system)
    return {"changed": done is not None, "actions": [action], "repair": done, **view}


if __name__ == "__main__":
    main()
