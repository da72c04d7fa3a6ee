# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leased, fenced lock of one machine: what its file says and who may take it (private to the collection).

The fence is the highest token this machine ever granted. It never goes back, so a holder that was replaced can never
act again, however late it comes. A lease only decides how long *others* must wait. Wall clocks decide nothing.
"""

from __future__ import annotations

import json
import time
import typing as t
import zlib

from ..errors import SlipwayError
from .journal import Record

SCHEMA = 1


class ReleaseToken(t.NamedTuple):
    """Who acts: the release, its fencing token, and the controller process that holds the lease."""

    id: str
    token: int
    holder: dict[str, t.Any]  # host, user, pid, pid_start, boot_id, command, since (wall)

    @classmethod
    def parse(cls, option: t.Mapping[str, t.Any]) -> ReleaseToken:
        """From a module's C(release) option (C(id), C(token), C(holder); the rest is passed over).

        :raises SlipwayError: C(invalid).
        """
        try:
            parsed = cls(str(option["id"]), int(option["token"]), dict(option.get("holder") or {}))
        except (KeyError, TypeError, ValueError):
            parsed = cls("", 0, {})
        if parsed.token < 1 or not parsed.id or "/" in parsed.id or parsed.id.startswith("."):
            raise SlipwayError(
                "not a release",
                obj="release",
                actual={key: option.get(key) for key in ("id", "token")},
                wanted="an id without a slash, and a token of 1 or more",
                remedy="Pass on what the grant was made with.",
                cause="invalid",
            )
        return parsed


class Lease(t.NamedTuple):
    """A machine's promise to one controller process. C(granted) and C(expires) are seconds of CLOCK_BOOTTIME."""

    token: int
    release_id: str
    holder: dict[str, t.Any]
    boot_id: str  # of this machine, when the lease was granted or last renewed
    granted: float
    expires: float

    def remaining(self, boot_id: str, boottime: float) -> float:
        """Seconds that the lease still lives; zero or less when it has lapsed.

        After a reboot nobody knows for how long the machine was down; but whatever was left of the lease, it was not
        more than its whole duration, and this boot's clock has run since. So it is over, at the latest, when this
        boot is as old as the lease was long.
        """
        if boot_id == self.boot_id:
            return self.expires - boottime
        return (self.expires - self.granted) - boottime

    def belongs_to(self, release: ReleaseToken) -> bool:
        """Whether this controller process took the lease.

        The token alone does not tell: two controllers that read at the same time try for the same one, and each may
        have got it on some machines. The release does not count: whoever repairs an older release acts for both.
        """
        return self.token == release.token and same_process(self.holder, release.holder)

    def times(self) -> dict[str, t.Any]:
        """What a renewal changes."""
        return {"boot_id": self.boot_id, "granted": self.granted, "expires": self.expires}

    def who(self) -> str:
        """The holder, for people."""
        holder = self.holder
        return (
            f"{holder.get('user') or '?'} on {holder.get('host') or '?'} "
            f"(process {holder.get('pid') or '?'}, {holder.get('command') or 'unknown command'})"
        )


class Lock(t.NamedTuple):
    """Fence and lease of a machine, and where that was read."""

    fence: int
    lease: Lease | None
    source: str  # file, journal (the file is missing or unreadable), none (never granted)


class UnreadableError(Exception):
    """The lock's file is cut, altered or not a lock."""


def same_process(one: t.Mapping[str, t.Any], other: t.Mapping[str, t.Any]) -> bool:
    """Whether two holders are the same process of the same boot of the same controller."""
    return all(str(one.get(key) or "") == str(other.get(key) or "") for key in ("host", "boot_id", "pid", "pid_start"))


def encode_lock(fence: int, lease: Lease | None) -> bytes:
    """The content of lock.json."""
    body = {"schema": SCHEMA, "fence": fence, "lease": lease._asdict() if lease else None}
    return _text({**body, "crc": zlib.crc32(_text(body))}) + b"\n"


def decode_lock(content: bytes) -> tuple[int, Lease | None]:
    """Fence and lease out of lock.json.

    :raises UnreadableError: when it is cut or altered.
    :raises SlipwayError: C(journal_newer).
    """
    try:
        body = json.loads(content)
        crc = body.pop("crc")
        if crc != zlib.crc32(_text(body)):
            raise UnreadableError("the checksum does not match")
        if body["schema"] <= SCHEMA:
            return int(body["fence"]), Lease(**body["lease"]) if body["lease"] else None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableError(str(error)) from None
    raise SlipwayError(
        "the lock was written by a newer version of the collection",
        obj="lock.json",
        actual=body["schema"],
        wanted=SCHEMA,
        remedy="Upgrade slipway.deploy on the controller to the version that wrote it, or a later one.",
        cause="journal_newer",
    )


def _text(body: t.Mapping[str, t.Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")


def resolve(content: bytes | None, records: list[Record]) -> Lock:
    """The lock by its file and by the journal, which every change of the lock is written to first.

    The fence is the higher of the two, so neither a lost nor an old file can take it back. When the file is missing
    or unreadable the lease, too, is read from the journal: a live holder stays protected, and nobody waits for ever.
    """
    journaled = max((record.token for record in records), default=0)
    if content is not None:
        try:
            fence, lease = decode_lock(content)
            return Lock(max(fence, journaled), lease, "file")
        except UnreadableError:
            pass
    lease = _lease_of(records)
    return Lock(journaled, lease, "journal" if records or content is not None else "none")


def _lease_of(records: list[Record]) -> Lease | None:
    lease: Lease | None = None
    for record in records:
        if record.event == "granted":
            lease = Lease(**record.data["lease"])
        elif record.event in ("begin", "end") and lease is not None:
            lease = lease._replace(**record.data["lease"])
        elif record.event in ("withdrawn", "released", "unlocked"):
            lease = None
    return lease


def check_grant(
    lock: Lock, release: ReleaseToken, remaining: float, takeover: t.Sequence[t.Mapping[str, t.Any]]
) -> None:
    """Whether the lease may be given to a release.

    :param remaining: seconds that the present lease still lives.
    :param takeover: leases as they were read, whose holders the controller proved to be gone (or breaks on purpose).
    :raises SlipwayError: C(lock_held), C(fence_conflict).
    """
    lease = lock.lease
    if lease and lease.belongs_to(release) and release.token == lock.fence:
        return
    if lease and remaining > 0 and not _own(lease, release) and not any(_names(entry, lease) for entry in takeover):
        raise held(lease, remaining)
    if release.token <= lock.fence:
        raise SlipwayError(
            "the token was given out before",
            obj=f"release {release.id}",
            actual=release.token,
            wanted=f"more than {lock.fence}",
            remedy="Read all machines again; the next token is the highest fence of all, plus one.",
            cause="fence_conflict",
            evidence={"fence": lock.fence, "token": release.token},
        )


def _own(lease: Lease, release: ReleaseToken) -> bool:
    """Whether this very process took the lease, with an earlier token (it read again after a conflict)."""
    return bool(lease.holder.get("pid")) and same_process(lease.holder, release.holder)


def _names(entry: t.Mapping[str, t.Any], lease: Lease) -> bool:
    """Whether a lease as it was read is this one still (it may have changed hands since)."""
    return str(entry.get("token")) == str(lease.token) and same_process(entry.get("holder") or {}, lease.holder)


def held(lease: Lease, remaining: float) -> SlipwayError:
    """The refusal that names who, from where, since when and until when."""
    return SlipwayError(
        f"the lock is held by {lease.who()} for release {lease.release_id}{_since(lease)}; "
        f"it ends in {remaining:.0f} s unless it is renewed",
        obj="lock",
        remedy="Wait for that release to end. When its controller is gone for good and cannot wait, "
        "run the playbook slipway.deploy.unlock.",
        cause="lock_held",
        evidence={
            "release_id": lease.release_id,
            "token": lease.token,
            "holder": lease.holder,
            "since": lease.holder.get("since"),
            "remaining": round(remaining, 1),
        },
    )


def _since(lease: Lease) -> str:
    since = lease.holder.get("since")
    if not isinstance(since, (int, float)):
        return ""
    return time.strftime(" since %Y-%m-%d %H:%M:%S UTC", time.gmtime(since))


def check_stage(lock: Lock, release: ReleaseToken, stage: str, remaining: float) -> None:
    """Whether a release may act on this machine, now.

    A lapsed lease that is still the one of the fence may be used again: had anybody else been granted this machine
    since, the fence would be higher. Not to shift or settle, though: those need every machine, and while the lease had
    lapsed another controller may have been granted the rest of them.

    :raises SlipwayError: C(lost_lock), C(lease_lapsed).
    """
    lease = lock.lease
    if release.token != lock.fence or lease is None or not lease.belongs_to(release):
        raise SlipwayError(
            "this release does not hold the lock of this machine (any more)",
            obj=f"release {release.id}",
            actual=f"token {lease.token} of {lease.who()}" if lease else "no lease",
            wanted=f"token {release.token}",
            remedy="Nothing was done. Run the release again: it reads what is there and takes the lock anew.",
            cause="lost_lock",
            evidence={"fence": lock.fence, "token": release.token, "lease": lease._asdict() if lease else None},
        )
    if remaining <= 0 and stage in ("shift", "settle"):
        raise SlipwayError(
            f"the lease ran out {-remaining:.0f} s ago, and {stage} needs one that never lapsed",
            obj=f"release {release.id}",
            remedy="Nothing was done. Run the release again: it finishes or reverts what was begun.",
            cause="lease_lapsed",
            evidence={"stage": stage, "lapsed_for": round(-remaining, 1)},
        )
