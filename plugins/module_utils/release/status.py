# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is live where, for a terminal; controller-only (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from .fleet import Fleet, Read
from .maintenance import paused_of

RECENT = 5  # releases shown


def lines(config: t.Mapping[str, t.Any], fleet: Fleet) -> list[str]:
    """The whole picture, read back: what is live, weights, lock, what one can go back to, last releases."""
    live = fleet.live()
    where = f"{config['platform']}/{config['environment']}"
    text = [
        f"{where}: {live.version} is live on {live.side}, release {live.release}"
        if live.side
        else f"{where}: nothing is live yet"
    ]
    for machine, reason in sorted(fleet.unreadable().items()):
        text.append(f"  {machine}: cannot be read ({reason})")
    for machine, read in sorted(fleet.readable().items()):
        text += [f"  {machine}: {line}" for line in _machine(read, live.side)]
    text += [f"  ! {line}" for line in fleet.disagreements()]
    text += lock(fleet)
    text += _ready(fleet)
    text += _recent(fleet)
    return text


def lock(fleet: Fleet) -> list[str]:
    """Who holds the lock, from where, since when and until when."""
    text = []
    for machine, read in sorted(fleet.readable().items()):
        lease = read["lease"]
        if lease["live"]:
            who = lease["holder"]
            text.append(
                f"  lock on {machine}: release {lease['release_id']}, {who.get('user')} on {who.get('host')} "
                f"(process {who.get('pid')}, {who.get('command')}{', which is gone' if lease.get('holder_gone') else ''}), "
                f"since {_when(who.get('since'))}, ends in {float(lease['remaining']):.0f} s"
            )
    return text or ["  lock: free"]


def _machine(read: Read, live_side: str) -> t.Iterator[str]:
    for side, about in sorted(((read.get("container") or {}).get("sides") or {}).items()):
        running = [
            f"{name} {sum(replica['running'] for replica in replicas)}/{len(replicas)}"
            for name, replicas in sorted(about["services"].items())
        ]
        if running:
            mark = "live" if side == live_side else "idle"
            yield f"{side} ({mark}) {about['version']}: {', '.join(running)} running"
    traffic = read.get("traffic") or {}
    for service, weights in sorted((traffic.get("weights") or {}).items()):
        yield f"traffic of {service}: blue {weights['blue']} %, green {weights['green']} %"
    closed = traffic.get("closed")
    if closed:
        yield f"closed for maintenance since {_when(closed['since'])} ({closed['seconds']:.0f} s)"
    paused = paused_of(read)
    if paused:
        yield f"workers paused for maintenance since {_when(paused['since'])} ({paused['seconds']:.0f} s)"
    if read.get("backup"):
        yield str(read["backup"]["said"])
    for problem in traffic.get("problems") or []:
        yield f"! {problem['message']}"


def _ready(fleet: Fleet) -> list[str]:
    """The releases that every machine could go back to at once."""
    good = {release["id"] for release in fleet.succeeded()}
    ready: dict[str, int] = {}
    versions: dict[str, str] = {}
    for machine in fleet.hosts:
        for release in ((fleet.reads[machine] or {}).get("container") or {}).get("releases", []):
            ready[release["release"]] = ready.get(release["release"], 0) + bool(release["ready"])
            versions[release["release"]] = release["version"]
    specs = {release["id"]: release["decision"] for release in fleet.succeeded()}
    names = sorted(
        name
        for name, count in ready.items()
        if count == len(fleet.hosts) and name != fleet.live().release and name in good
    )
    barred = {name: gone for name in names if (gone := fleet.barred(name, specs[name]))}
    free = [f"{versions[name]} ({name})" for name in names if name not in barred]
    return [
        f"  ready to go back to: {', '.join(free) or 'nothing'}",
        *(f"  no way back to {versions[name]} ({name}), since {', '.join(gone)}" for name, gone in barred.items()),
    ]


def _recent(fleet: Fleet) -> list[str]:
    text = []
    for release in reversed(fleet.history()[-RECENT:]):
        text.append(
            f"  {_when(release['started'])}  {release['outcome'] or 'open':<10} {release['version']:<12} {release['id']}"
        )
    return ["  last releases:", *text] if text else []


def _when(wall: t.Any) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(wall or 0)))
