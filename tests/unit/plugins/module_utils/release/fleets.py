# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small platform and what its machines say of themselves, for the tests of the decisions."""

from __future__ import annotations

import copy

from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.plugins.module_utils.release.fleet import Fleet
from ansible_collections.slipway.deploy.plugins.module_utils.release.target import Live, from_config

NOW = 1_800_000_000.0
VARIABLES = {
    "slipway_platform": "shop",
    "slipway_environment": "production",
    "slipway_version": "1.1.0",
    "slipway_services": {
        "backend": {"image": "shop/backend:1.1.0", "port": 8080, "replicas": 2, "health": {"path": "/health"}},
        "worker": {"image": "shop/backend:1.1.0", "command": "work", "traffic": False},
    },
    "slipway_traffic": {"routes": [{"path": "/", "service": "backend"}]},
}


def config(**changes):
    """The validated configuration of two application machines and a balancer."""
    hosts = {"app1": {"slipway_address": "10.0.0.1"}, "app2": {"slipway_address": "10.0.0.2"}, "lb1": {}}
    groups = {"slipway_app": ["app1", "app2"], "slipway_proxy": ["lb1"]}
    return validate({**VARIABLES, **changes}, {"groups": groups, "hosts": hosts})


def released(version="1.0.0", side="blue", token=3, *, outcome="succeeded", stages=(), decided=True, about=None):
    """One release of a journal, in the words of release_state."""
    target = from_config(config(slipway_version=version), Live({"blue": "green", "green": "blue"}[side], "", "", None))
    target["id"] = f"{version}-id"
    facts = {"version": version, "identity": target["identity"], "side": side, **(about or {})}
    return {
        "id": f"{version}-id",
        "token": token,
        "version": version,
        "identity": target["identity"],
        "side": side,
        "about": facts,
        "started": NOW,
        "stages": [{"name": name, "ok": True} for name in stages or ("prepare", "decision", "shift", "settle")],
        "decided": decided,
        "decision": target if decided else None,
        "outcome": outcome,
    }


def read(machine, *releases, live="blue", fence=3, version="1.0.0", **changes):
    """What one machine said of itself."""
    replicas = {
        "backend": [{"name": "backend-1", "running": True}, {"name": "backend-2", "running": True}],
        "worker": [{"name": "worker-1", "running": True}],
    }
    said = {
        "stage": {"ok": True, "message": "", "cause": "", "started": NOW, "ended": NOW + 1},
        "lease": {"fence": fence, "live": False},
        "journal": {"releases": [copy.deepcopy(release) for release in releases], "bad": {}},
        "facts": {
            "disk": {"state": {"path": "/var/lib", "free": 50 * 2**30, "inodes_free": 90.0}},
            "memory": {"available": 8 * 2**30, "total": 16 * 2**30, "containers": {}},
            "time": {"wall": NOW + 0.5},
            "ports": [],
        },
    }
    if machine.startswith("app"):
        said["container"] = {
            "engine": {"ok": True, "problem": None},
            "sides": {live: {"release": f"{version}-id", "version": version, "services": replicas}} if live else {},
            "releases": [
                {"release": release["id"], "version": release["version"], "ready": True, "missing": []}
                for release in releases
            ],
        }
    else:
        weights = {"backend": {"blue": 100 * (live == "blue"), "green": 100 * (live == "green")}} if live else {}
        said["traffic"] = {"running": True, "live_side": live or None, "weights": weights, "problems": []}
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = said
        for name in parents:
            place = place[name]
        place[last] = value
    return said


def fleet(*releases, changes=None, **keywords):
    """All three machines; ``changes`` has what is different on one of them (None: no answer)."""
    reads = {}
    for machine in ("app1", "app2", "lb1"):
        own = (changes or {}).get(machine, {})
        reads[machine] = None if own is None else read(machine, *own.pop("releases", releases), **{**keywords, **own})
    return Fleet(reads, hosts=["app1", "app2"], proxies=["lb1"])
