# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All machines of the platform as one, out of what each of them said of itself; controller-only (private to the collection)."""

from __future__ import annotations

import calendar
import time
import typing as t

from ..errors import SlipwayError
from ..traffic.model import machine_of
from .recover import Ended, OpenRelease, Traces
from .shipped import has
from .spared import without
from .target import OTHER, Live, Target

Read = t.Mapping[str, t.Any]  # what release_state state=read returned for one machine


def of_model(read: Read | None) -> Read:
    """What a machine says of the containers or processes that run on it; nothing of one that has none."""
    return (read or {}).get("container") or (read or {}).get("process") or {}


def comes_back(replica: Read) -> bool:
    """Whether what a machine says of a replica means that it runs after a reboot, if it does not now."""
    return bool(replica.get("boot")) or replica.get("restart", "no") not in ("no", "")


class Fleet:
    """What was read of every machine.

    :param reads: machine to the result of C(release_state) with C(state=read), None where there is none.
    :param hosts: the machines that services run on.
    :param proxies: the balancers.
    """

    def __init__(self, reads: t.Mapping[str, Read | None], *, hosts: t.Sequence[str], proxies: t.Sequence[str]) -> None:
        self.reads = reads
        self.hosts = hosts
        self.proxies = proxies

    # Who answered -------------------------------------------------------------------------------------------

    def readable(self) -> dict[str, Read]:
        """The machines that answered, with what they said."""
        return {
            machine: read for machine, read in self.reads.items() if read and (read.get("stage") or {}).get("ok", False)
        }

    def unreadable(self) -> dict[str, str]:
        """The machines that did not, with the reason."""
        reasons = {}
        for machine, read in self.reads.items():
            if machine not in self.readable():
                stage = (read or {}).get("stage") or {}
                reasons[machine] = str(stage.get("message") or (read or {}).get("msg") or "no answer")
        return reasons

    # Lock ---------------------------------------------------------------------------------------------------

    def refuse_foreign_lock(self, *, break_glass: bool) -> None:
        """Refuse while somebody else's release is under way anywhere.

        :raises SlipwayError: C(lock_held), with who, from where, since when and until when.
        """
        for machine, lease in self._live_leases():
            if not (lease.get("holder_gone") or lease.get("own") or break_glass):
                who = lease["holder"]
                since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(who.get("since") or 0)))
                raise SlipwayError(
                    f"release {lease['release_id']} is under way: {who.get('user', '?')} on {who.get('host', '?')} "
                    f"(process {who.get('pid', '?')}, {who.get('command', '?')}) since {since}; "
                    f"its lock ends in {float(lease['remaining']):.0f} s unless renewed",
                    obj=machine,
                    remedy="Wait for it (-e slipway_lock_wait=10m waits for you), or break the lock with the playbook "
                    "`unlock`, which says first what it breaks.",
                    cause="lock_held",
                    evidence={"lease": dict(lease)},
                )

    def takeover(self) -> list[dict[str, t.Any]]:
        """The leases that may be taken over: their holder ran on this controller and is gone."""
        return [
            {"token": lease["token"], "holder": dict(lease["holder"])}
            for _machine, lease in self._live_leases()
            if lease.get("holder_gone")
        ]

    def next_token(self) -> int:
        """One more than the highest fence of all machines."""
        return 1 + max([int(read["lease"]["fence"]) for read in self.readable().values()] or [0])

    def _live_leases(self) -> list[tuple[str, t.Mapping[str, t.Any]]]:
        return [(machine, read["lease"]) for machine, read in self.readable().items() if read["lease"]["live"]]

    # Releases -----------------------------------------------------------------------------------------------

    def traces(self) -> dict[str, Traces]:
        """What every machine that answered remembers of releases."""
        return {machine: _traces(read["journal"]) for machine, read in self.readable().items()}

    def live(self) -> Live:
        """What serves now: the side by the balancers (or by the containers), the release by the journals."""
        sides = {read["traffic"]["live_side"] for read in self._parts("traffic") if read["traffic"].get("live_side")}
        last = self._last_good()
        side = str(last.get("side", "")) if last else ""
        if len(sides) == 1 and sides <= {"blue", "green"}:
            side = sides.pop()
        target = (last or {}).get("decision")
        if last is None or target is None:
            return Live("", "", "", None)
        return Live(side, str(last["id"]), str(last["version"]), target, self.drained())

    def drained(self) -> dict[str, Read]:
        """The machines that are out of traffic: who has done it, why and since when."""
        return {machine: said for machine, said in sorted(self._taken_out().items()) if said["drained"]}

    def _taken_out(self) -> dict[str, Read]:
        """What became last of each machine that was taken out of traffic or removed: of all journals the highest token is right."""
        newest: dict[str, Read] = {}
        for read in self.readable().values():
            for machine, said in (read["journal"].get("drained") or {}).items():
                if machine not in newest or said["token"] > newest[machine]["token"]:
                    newest[machine] = said
        return newest

    def with_traffic(self, proxy: str, side: str) -> dict[str, bool]:
        """The machines whose servers of a side a balancer knows, and whether any of them has traffic."""
        found: dict[str, bool] = {}
        for server in ((self.readable().get(proxy) or {}).get("traffic") or {}).get("servers") or ():
            machine = machine_of(server["name"])
            if server["side"] == side and machine:
                found[machine] = found.get(machine, False) or bool(server["weight"])
        return found

    def disagreements(self) -> list[str]:
        """Balancers whose live side is not the one that the journals name."""
        last = self._last_good()
        if last is None:
            return []
        return [
            f"{machine}: the balancer sends traffic to {read['traffic'].get('live_side')}, the journal names {last['side']}"
            for machine, read in self.readable().items()
            if read.get("traffic") and read["traffic"].get("live_side") not in (last["side"], None)
        ]

    def serves(self, live: Live, target: Target) -> bool:
        """Whether the live side is what the journals say, on every machine: nothing stopped, missing or elsewhere."""
        if self.unreadable() or self.disagreements():
            return False
        return all(self._runs(machine, live, target) for machine in target["services"]) and all(
            (self.reads[machine] or {}).get("traffic", {}).get("live_side") == live.side
            and all(has != (name in live.drained) for name, has in self.with_traffic(machine, live.side).items())
            for machine in self.proxies
            if target["traffic"]["services"]
        )

    def _runs(self, machine: str, live: Live, target: Target) -> bool:
        found = of_model(self.reads[machine])
        sides, services = found.get("sides", {}), target["services"][machine]
        side, idle = sides.get(live.side, {}), sides.get(OTHER.get(live.side, ""), {})
        resting = {name for name, one in services.items() if found.get("workers_paused") and not one["traffic"]}
        running = {
            name: sum(replica["running"] for replica in replicas)
            for name, replicas in side.get("services", {}).items()
            if name not in resting
        }
        wanted = {name: service["replicas"] for name, service in services.items() if name not in resting}
        return side.get("release") == live.release and running == wanted and not idle.get("running")

    def kept(self, wanted: str | None, live: Live, problems: list[str]) -> Target | None:
        """The specification of the release to go back to: by id or version, by default the one before the live one."""
        for release in reversed(self.succeeded()):
            if release["id"] == live.release or release["decision"].get("adopted"):
                continue  # nobody can start again what was made by hand
            # By default to another version; the same version with another configuration only when it is named.
            if wanted in (release["id"], release["version"]) or (wanted is None and release["version"] != live.version):
                return self._ready(release, problems)
        if live.target is not None and not live.target.get("adopted") and wanted in (live.release, live.version):
            return dict(live.target)
        others = [one for one in self.succeeded() if one["id"] != live.release and not one["decision"].get("adopted")]
        known = ", ".join(f"{release['version']} ({release['id']})" for release in others) or "none"
        problems.append(
            f"there is no release {wanted or 'before the live one'} to go back to; kept beside it are: {known}. "
            "Name one with -e slipway_rollback_to=VERSION, or deploy the version anew."
        )
        return None

    def _ready(self, release: t.Mapping[str, t.Any], problems: list[str]) -> Target | None:
        for machine in self.hosts:
            kept = of_model(self.reads[machine]).get("releases", [])
            found = next((item for item in kept if item["release"] == release["id"]), None)
            if machine in release["decision"]["services"] and (found is None or not found["ready"]):
                missing = ", ".join(found["missing"]) if found else "no record of it"
                problems.append(
                    f"{machine}: release {release['id']} is not ready to go back to ({missing}). "
                    f"Deploy {release['version']} anew."
                )
        gone = self.barred(str(release["id"]), release["decision"])
        if gone:
            problems.append(
                f"release {release['id']} needs the schema as it was before {', '.join(gone)}, which was applied in the "
                f"contract phase. Deploy a version that has it; or restore the database as it was, with the playbook restore."
            )
        return None if problems else dict(release["decision"])

    def marked_bad(self, identity: str) -> str:
        """Why an identity was marked bad, or nothing."""
        for read in self.readable().values():
            mark = read["journal"]["bad"].get(identity)
            if mark:
                return str(mark.get("why") or "no reason was kept")
        return ""

    def history(self) -> list[Read]:
        """All releases of all machines, oldest first, each once."""
        found: dict[str, Read] = {}
        for read in self.readable().values():
            for release in read["journal"]["releases"]:
                if release["id"] not in found or (release["outcome"] and not found[release["id"]]["outcome"]):
                    found[release["id"]] = release
        return sorted(found.values(), key=lambda release: release["token"])

    def succeeded(self) -> list[Read]:
        """The releases that went out well and can be gone back to by their specification, oldest first.

        Each as if a machine that was removed since had never had a part in it.
        """
        gone = {machine: said["token"] for machine, said in self._taken_out().items() if said.get("removed")}
        good = [release for release in self.history() if release["outcome"] == "succeeded" and release["decision"]]
        if not gone:
            return good
        since = {one["id"]: [machine for machine, token in gone.items() if token > one["token"]] for one in good}
        return [{**one, "decision": without(one["decision"], since[one["id"]])} for one in good]

    # Migrations ---------------------------------------------------------------------------------------------

    def migrated(self) -> list[str]:
        """The scripts that releases have applied, by whichever machine wrote it down."""
        return list(dict.fromkeys(script for _id, note in self._migrations() for script in note["scripts"] if script))

    def contracted(self) -> dict[str, str]:
        """The migrations of phase contract that are in force, or may be, by their versions: each with its script."""
        return {key: script for key, (script, _since) in self._contracted().items()}

    def _contracted(self) -> dict[str, tuple[str, float]]:
        """The same, and when what applied each has begun; 0 where a baseline says that it was there before."""
        noted: dict[str, list[Read]] = {}
        for release_id, note in self._migrations():
            noted.setdefault(release_id, []).append(note)
        found: dict[str, tuple[str, float]] = {}
        for release in self.history():
            since = float(release["started"])
            if not noted.get(release["id"]) and self._began(
                release["id"], "migrate"
            ):  # cut off: some of it may be there
                found.update(_at(release["about"].get("contracting"), since))
            for note in noted.get(release["id"], ()):
                found = {**_at(note.get("covered"), 0.0), **_at(note.get("contracted"), since), **found}
                found = {key: one for key, one in found.items() if key not in (note.get("open") or ())}
            if release["outcome"] == "restored":
                until = _as_of(release["about"].get("restore") or {})
                found = {key: one for key, one in found.items() if until is None or one[1] < until}
        return found

    def unreplayed(self) -> bool:
        """Whether replicas may lack something that was applied: nobody has waited for it to the end. What contracts need not be
        there."""
        owed = False
        for release in self.history():
            notes = [note for noted, note in self._notes() if noted == release["id"]]
            applied = [note for note in notes if note["name"] == "migrated"]
            cut_off = not applied and self._began(release["id"], "migrate")
            if cut_off or any(note["scripts"] and note.get("phase") != "contract" for note in applied):
                owed = True
            if any(note["name"] == "replayed" for note in notes):
                owed = False
        return owed

    def ships(self, release_id: str, spec: t.Mapping[str, t.Any]) -> dict[str, str] | None:
        """The migrations of phase contract that the version of a release has, as RV(has) reads them; None where nobody has
        written that down."""
        if spec.get("ships") is not None:
            return dict(spec["ships"])
        ids = (release_id, spec.get("kept_release"))
        noted = [note["ships"] for known, note in self._migrations() if known in ids and note.get("ships") is not None]
        return dict(noted[-1]) if noted else None

    def barred(self, release_id: str, spec: t.Mapping[str, t.Any]) -> list[str]:
        """The migrations that took away what a release needs: in force, of phase contract, and not among its own.

        Where nobody knows its own, those before it are no matter: it has gone out with the schema as they left it.
        """
        ours = self.ships(release_id, spec)
        begun = max([float(one["started"]) for one in self.history() if one["id"] == release_id] or [0.0])
        return sorted(
            script
            for key, (script, since) in self._contracted().items()
            if (since >= begun if ours is None else not has(ours, key))
        )

    def version_barred(self, version: str) -> list[str] | None:
        """The same of a version that has been released before; None where none of its releases is known any more."""
        found = [
            self.barred(release["id"], release["decision"])
            for release in self.succeeded()
            if release["version"] == version
        ]
        return min(found, key=len) if found else None

    def retained(self) -> list[Read]:
        """The releases that some machine keeps ready to go back to, the live one among them."""
        kept = {
            item["release"]
            for machine in self.hosts
            for item in of_model(self.reads[machine]).get("releases", [])
            if item["ready"]
        }
        return [
            release for release in self.succeeded() if release["id"] in kept or release["id"] == self.live().release
        ]

    def _migrations(self) -> list[tuple[str, Read]]:
        """What releases have written down of migrations, oldest first, with their ids."""
        return [(release_id, note) for release_id, note in self._notes() if note["name"] == "migrated"]

    def _notes(self) -> list[tuple[str, Read]]:
        """What releases have written down, oldest first, with their ids."""
        found = [
            (release["token"], release["id"], note)
            for read in self.readable().values()
            for release in read["journal"]["releases"]
            for note in release.get("notes") or ()
        ]
        return [(release_id, note) for _token, release_id, note in sorted(found, key=lambda one: one[0])]

    def _began(self, release_id: str, stage: str) -> bool:
        return any(
            begun["name"] == stage
            for read in self.readable().values()
            for release in read["journal"]["releases"]
            for begun in release["stages"]
            if release["id"] == release_id
        )

    def _last_good(self) -> Read | None:
        succeeded = self.succeeded()
        return succeeded[-1] if succeeded else None

    def _parts(self, part: str) -> list[Read]:
        return [read for read in self.readable().values() if read.get(part)]


def _traces(journal: t.Mapping[str, t.Any]) -> Traces:
    begun = [release for release in journal["releases"] if not release["outcome"] and release["stages"]]
    ended = [
        Ended(release["id"], release["outcome"], int(release["token"]))
        for release in journal["releases"]
        if release["outcome"]
    ]
    if not begun:
        return Traces(None, ended)
    release = begun[0]
    stages = {stage["name"] for stage in release["stages"]}
    return Traces(
        OpenRelease(
            id=release["id"],
            token=int(release["token"]),
            stage=release["stages"][-1]["name"],
            decided=bool(release["decision"]),
            settling="settle" in stages,
            reverting=bool(stages & {"revert", "revert_traffic"}),
            spec=release["decision"],
            about=dict(release["about"]),
        ),
        ended,
    )


def _at(scripts: t.Mapping[str, str] | None, when: float) -> dict[str, tuple[str, float]]:
    return {key: (script, when) for key, script in (scripts or {}).items()}


def _as_of(restore: t.Mapping[str, t.Any]) -> float | None:
    """When the backup was taken that a restore has put into the live one's place; None where nobody can tell, or logs led on."""
    if restore.get("time") or restore.get("point"):
        return None
    try:
        return float(calendar.timegm(time.strptime(str(restore.get("id"))[:16], "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return None
