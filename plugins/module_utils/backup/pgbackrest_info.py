# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest says, read (private to the collection). Pure.

Its C(info --output=json) is documented in its command reference, and so are its labels: C(20261124-031500F) is a full
backup, C(…F_20261125-031500D) a differential and C(…F_20261125-031500I) an incremental one on top of it.
"""

from __future__ import annotations

import json
import re
import typing as t

from ..errors import SlipwayError
from .model import DUMP, Backup, Manifest, Part, Proof

LABEL = re.compile(r"\d{8}-\d{6}F(?:_\d{8}-\d{6}[DI])?")
_SEGMENT = re.compile(r"(?:.*/)?([0-9A-F]{24})-[0-9a-f]{40}(?:\.\w+)?")
_VERDICT = re.compile(r"^\s*backup: (\S+), status: (.*?)(?:, total files checked: .*)?$", re.MULTILINE)
_STATUS = re.compile(r"^status: (\S+)", re.MULTILINE)

# Of a stanza (pgBackRest, src/command/info/info.c).
READY = (0, 2)  # there; 2 without any backup yet
MISSING = (1, 3)  # no path, or nothing in it

Record = dict[str, t.Any]


class Stanza(t.NamedTuple):
    """What a repository has of one cluster.

    :param status: its code, and in words.
    :param system: identifier of the cluster that it is of; empty where there is none.
    :param backups: oldest first.
    :param archives: ids under which its WAL is kept, such as C(15-1).
    """

    code: int
    status: str
    system: str
    backups: list[Record]
    archives: list[str]


def stanza_of(text: str, name: str, repo: int) -> Stanza:
    """What C(info --output=json) says.

    :param repo: the repository whose backups count; 0 for all.
    :raises SlipwayError: C(unreadable) where it is something else.
    """
    try:
        found: Record = next(one for one in json.loads(text) if one["name"] == name)
        status = found["status"]
        if repo:
            status = next((one["status"] for one in found["repo"] if one["key"] == repo), status)
        backups = [one for one in found["backup"] if not repo or one["database"]["repo-key"] == repo]
        return Stanza(
            int(status["code"]),
            str(status["message"]),
            str(found["db"][-1]["system-id"]) if found["db"] else "",
            sorted(backups, key=lambda one: (one["timestamp"]["stop"], one["label"])),
            list(dict.fromkeys(str(one["id"]) for one in found["archive"])),
        )
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise SlipwayError(
            "said something that is not understood",
            obj="pgbackrest info",
            actual=f"{type(error).__name__} in {text[:200]}",
            wanted=f"JSON with the stanza {name}",
            remedy="Run it by hand, and compare its version with those that are supported.",
            cause="unreadable",
        ) from None


def backup_of(record: Record, number: int, where: t.Mapping[str, str], versions: t.Mapping[int, str]) -> Backup:
    """One backup in the words of all engines; what pgBackRest itself found to be wrong with it is its first proof.

    :param where: host and database that it is of, for people.
    :param versions: of the server, by the id that pgBackRest has given the cluster's history.
    """
    times, sizes = record["timestamp"], record["info"]
    stored = int(sizes["repository"]["delta"])
    manifest = Manifest(
        id=record["label"],
        number=number,
        engine="postgresql",
        format=f"pgbackrest {record['type']}",
        taken=float(times["stop"]),
        seconds=float(times["stop"] - times["start"]),
        source={**where, "size": int(sizes["size"])},
        server=versions.get(record["database"]["id"], ""),
        client=str(record["backrest"]["version"]),
        position=str((record.get("lsn") or {}).get("stop") or ""),
        compression="",
        recipients=[],
        facts={},
        parts={DUMP: Part(record["label"], stored, "", int(sizes["delta"]))},
    )
    bad = Proof("read", False, float(times["stop"]), 0.0, "pgBackRest found pages in it whose checksums are wrong")
    return Backup(manifest, (bad,) if record.get("error") else ())


def versions_of(text: str, name: str) -> dict[int, str]:
    """The server's version of each part of a stanza's history, from what C(info --output=json) says."""
    return {
        int(one["id"]): str(one["version"])
        for found in json.loads(text)
        if found["name"] == name
        for one in found["db"]
    }


def verdict_of(text: str, labels: t.Sequence[str]) -> str:
    """What C(verify --output=text --verbose) finds wrong with some backups or with the WAL; empty where nothing.

    Its exit status is 0 whatever it finds, and a backup whose whole directory is gone it does not mention (2.45).
    """
    found = {match[1]: match[2] for match in _VERDICT.finditer(text)}
    problems = [
        f"{label} is {found.get(label, 'not in the repository')}" for label in labels if found.get(label) != "valid"
    ]
    status = _STATUS.search(text)
    if not problems and (status is None or status[1] != "ok"):
        problems.append(" ".join(text.split())[-600:] or "it said nothing")
    return "; ".join(problems)


def is_segment(name: str, segment: str) -> bool:
    """Whether a file of an archive is this segment of the WAL, whole: while it is written it has another ending."""
    match = _SEGMENT.fullmatch(name)
    return match is not None and match[1] == segment


def gap_in(names: t.Iterable[str], first: str, last: str, segment_size: int) -> str:
    """The first WAL segment that is missing between two; empty where none is, or where they are of two timelines.

    :param names: files of an archive.
    :param first, last: names of segments (PostgreSQL manual, "WAL Internals").
    :param segment_size: in bytes.
    """
    if first[:8] != last[:8]:
        return ""
    there = {match[1] for match in map(_SEGMENT.fullmatch, names) if match}
    each = (1 << 32) // segment_size  # of one 4 GiB
    low, high = (int(name[8:16], 16) * each + int(name[16:], 16) for name in (first, last))
    for number in range(low, high + 1):
        name = f"{first[:8]}{number // each:08X}{number % each:08X}"
        if name not in there:
            return name
    return ""
