# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is live where, for a terminal; controller-only (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from . import drain, freeze, rebuild
from .fleet import Fleet, Read, of_model
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
    text += rebuild.lines(fleet)
    text += drain.lines(fleet)
    text += lock(fleet)
    text += freeze.lines(fleet, time.time())
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
    for side, about in sorted((of_model(read).get("sides") or {}).items()):
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
    for one in traffic.get("certificates") or []:
        yield f"certificate for {', '.join(one['hosts']) or one['name']}: good until {_when(one['until'])}"
    closed = traffic.get("closed")
    if closed:
        yield f"closed for maintenance since {_when(closed['since'])} ({closed['seconds']:.0f} s)"
    paused = paused_of(read)
    if paused:
        yield f"workers paused for maintenance since {_when(paused['since'])} ({paused['seconds']:.0f} s)"
    if read.get("backup"):
        yield str(read["backup"]["said"])
    if read["facts"].get("reboot"):
        yield "wants to be rebooted: " + "; ".join(read["facts"]["reboot"])
    for problem in traffic.get("problems") or []:
        yield f"! {problem['message']}"
    for message in traffic.get("refused_certificates") or []:
        yield f"! {message}"


def _ready(fleet: Fleet) -> list[str]:
    """The releases that every machine could go back to at once."""
    ready: dict[str, set[str]] = {}
    versions: dict[str, str] = {}
    for machine in fleet.hosts:
        for release in of_model(fleet.reads[machine]).get("releases", []):
            ready.setdefault(release["release"], set()).update([machine] if release["ready"] else [])
            versions[release["release"]] = release["version"]
    specs = {release["id"]: release["decision"] for release in fleet.succeeded()}
    needs = {name: {machine for machine in fleet.hosts if machine in specs[name]["services"]} for name in specs}
    names = sorted(name for name, on in ready.items() if name in specs and needs[name] <= on and on)
    names = [name for name in names if name != fleet.live().release]
    without = {name: sorted(set(fleet.hosts) - ready[name]) for name in names}
    barred = {name: gone for name in names if (gone := fleet.barred(name, specs[name]))}
    free = [
        f"{versions[name]} ({name}{', without ' + ', '.join(without[name]) if without[name] else ''})"
        for name in names
        if name not in barred
    ]
    return [
        f"  ready to go back to: {', '.join(free) or 'nothing'}",
        *(f"  no way back to {versions[name]} ({name}), since {', '.join(gone)}" for name, gone in barred.items()),
    ]


def _recent(fleet: Fleet) -> list[str]:
    text = []
    for release in reversed(fleet.history()[-RECENT:]):
        urgent = (release["about"].get("emergency") or {}).get("why")
        text.append(
            f"  {_when(release['started'])}  {release['outcome'] or 'open':<10} {release['version']:<12} {release['id']}"
            f"{_under_way(release)}" + (f"  (emergency: {urgent})" if urgent else "")
        )
    return ["  last releases:", *text] if text else []


def _under_way(release: Read) -> str:
    """Where an open release is, and which batch of a rolling one has moved."""
    if release["outcome"]:
        return ""
    moved = [note for note in release.get("notes") or () if note["name"] == "batch"]
    last = moved[-1] if moved else None
    batch = f", batch {last['number']} of {last['of']} has moved ({', '.join(last['machines'])})" if last else ""
    return f", in {release['stage']}{batch}" if release.get("stage") else batch


def _when(wall: t.Any) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(wall or 0)))
