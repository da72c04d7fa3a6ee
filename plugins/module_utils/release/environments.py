# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations of several environments side by side; controller-only (private to the collection)."""

from __future__ import annotations

import re
import typing as t

# The states of module_utils/migration/model.py, for people.
WORDS = {"success": "applied", "out_of_order": "applied", "below_baseline": "in baseline"}
GONE_BY = ("superseded", "undone", "deleted")  # an earlier one of the same migration, unless there is no other
WANTED = ("pending", "outdated", "backfilling")
ALARMING = ("dirty", "missing", "ignored")
QUIET = 3  # the last so many of those that are applied everywhere are shown
UNSEEN, ABSENT = "?", "-"

Read = t.Mapping[str, t.Any]


class Place(t.NamedTuple):
    """One environment.

    :param site: C(inventory), C(config), and C(error) where that is in no state to be used.
    :param status: what migration_runner said there; None where it was not asked.
    """

    site: Read
    status: t.Optional[Read]

    @property
    def config(self) -> Read:
        """Empty where it cannot be used."""
        return self.site.get("config") or {}

    @property
    def why(self) -> str:
        """Why its migrations are not known; empty where they are."""
        if self.site.get("error"):
            return str(self.site["error"])
        stage = (self.status or {}).get("stage") or {}
        return "" if stage.get("ok") else str(stage.get("message") or "it gave no answer")


def compare(places: t.Sequence[Place]) -> dict[str, t.Any]:
    """What each environment has of every migration, plain JSON: C(environments) by name, and C(migrations) in order."""
    named = dict(zip(_labels(places), places))
    seen = {label: _standing(place.status or {}) for label, place in named.items() if not place.why}
    return {
        "environments": {label: _of(place) for label, place in named.items()},
        "migrations": [_row(key, seen, list(named)) for key in _ordered(list(seen.values()))],
    }


def lines(compared: Read) -> list[str]:
    """For a terminal: a table, a line for each environment, and what is wrong."""
    environments, rows = compared["environments"], compared["migrations"]
    platforms = sorted({about["platform"] for about in environments.values() if about["platform"]})
    text = [f"{', '.join(platforms) or 'no platform'}: {len(rows)} migrations in {len(environments)} environments"]
    hidden = _applied_everywhere(rows) - QUIET
    if hidden > 1:
        text.append(f"  the first {hidden}, up to {_name(rows[hidden - 1])}, are applied everywhere")
        rows = rows[hidden:]
    if rows:
        text += _table([["version", "description", *environments], *(_cells(row) for row in rows)])
    return text + [line for label, about in environments.items() for line in _said(label, about)]


def unread(compared: Read) -> list[str]:
    """The environments whose migrations are not known, each with the reason."""
    return [f"{label}: {about['why']}" for label, about in compared["environments"].items() if about["why"]]


def _labels(places: t.Sequence[Place]) -> list[str]:
    """Short names, longer ones where those are the same."""
    of_inventory = [place.site.get("inventory") or "this inventory" for place in places]
    short = [place.config.get("environment") or inventory for place, inventory in zip(places, of_inventory)]
    full = [f"{place.config.get('platform', '?')}/{one}" for place, one in zip(places, short)]
    by_file = [f"{one} ({inventory})" for one, inventory in zip(full, of_inventory)]
    found = []
    for number, names in enumerate(zip(short, full, by_file)):
        others = [column[:number] + column[number + 1 :] for column in (short, full)]
        found.append(next((name for name, other in zip(names, others) if name not in other), names[-1]))
    return [name if found.count(name) == 1 else f"{name} {number}" for number, name in enumerate(found, 1)]


def _of(place: Place) -> dict[str, t.Any]:
    status = place.status if place.status and not place.why else {}
    return {
        "platform": place.config.get("platform") or "",
        "environment": place.config.get("environment") or "",
        "inventory": place.site.get("inventory") or "",
        "host": (place.config.get("migrations") or {}).get("host") or "",
        "why": place.why,
        "current": status.get("current_after") or "",
        **{name: [_name(one) for one in status.get(name) or ()] for name in ("pending", "ahead", "dirty")},
        "problems": list(status.get("problems") or ()),
    }


def _standing(status: Read) -> dict[str, Read]:
    """How each migration stands, by what it is called in every environment."""
    found: dict[str, Read] = {}
    for one in status.get("migrations") or ():
        key = str(one.get("version") or one.get("script") or one.get("description") or "")
        before = found.get(key)
        if one["kind"] == "undo" or (before and one["state"] in GONE_BY):
            continue
        if before is None or before["state"] in GONE_BY or one["state"] not in ("below_baseline", "pending"):
            found[key] = one
    return found


def _ordered(seen: t.Sequence[Read]) -> list[str]:
    """By version, those without one last; as far as versions are no numbers, as each environment has them in order."""
    found: list[str] = []
    for standing in sorted(seen, key=len, reverse=True):
        place = 0
        for key in standing:
            if key in found:
                place = found.index(key) + 1
            else:
                found.insert(place, key)
                place += 1
    versions = {key: _numbers(key) for standing in seen for key, one in standing.items() if one.get("version")}
    if all(versions.values()):
        found.sort(key=lambda key: (key not in versions, versions.get(key) or [], key if key not in versions else ""))
    return found


def _numbers(version: str) -> list[int]:
    parts = [int(part) for part in re.split(r"[._]", version)] if re.fullmatch(r"\d+([._]\d+)*", version) else []
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return parts


def _row(key: str, seen: t.Mapping[str, Read], labels: t.Sequence[str]) -> dict[str, t.Any]:
    known = [standing[key] for standing in seen.values() if key in standing]
    told = next((one for one in known if one["state"] != "baseline"), known[0])
    return {
        **{name: told.get(name) or "" for name in ("version", "description", "script", "phase")},
        "states": {label: _state(label, key, seen) for label in labels},
        "applied": {
            label: standing[key].get("installed_on") or "" for label, standing in seen.items() if key in standing
        },
    }


def _state(label: str, key: str, seen: t.Mapping[str, Read]) -> str | None:
    """The module's own word; empty where there is no such migration, and None where nobody knows."""
    if label not in seen:
        return None
    return str(seen[label][key]["state"]) if key in seen[label] else ""


def _applied_everywhere(rows: t.Sequence[Read]) -> int:
    for number, row in enumerate(rows):
        known = [state for state in row["states"].values() if state is not None]
        if any(WORDS.get(state) not in ("applied", "in baseline") and state != "baseline" for state in known):
            return number
    return len(rows)


def _cells(row: Read) -> list[str]:
    cells = [row["version"] or "R", row["description"] or row["script"]]
    for label, state in row["states"].items():
        word = UNSEEN if state is None else WORDS.get(state, state) or ABSENT
        if word == "applied":
            word = f"{word} {row['applied'].get(label, '')[:10]}".rstrip()
        phase = f", {row['phase']}" if state in WANTED and row["phase"] not in ("", "expand") else ""
        cells.append(f"{'! ' if state in ALARMING else ''}{word}{phase}")
    return cells


def _table(rows: t.Sequence[t.Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _said(label: str, about: Read) -> list[str]:
    if about["why"]:
        first, *others = about["why"].splitlines()
        return [f"  ! {label}: not known: {first}", *(f"      {line}" for line in others)]
    counts = [f"{len(about[name])} {name}" for name in ("pending", "ahead", "dirty") if about[name]]
    text = [f"  {label}: at {about['current'] or 'no version'}, {', '.join(counts) or 'nothing pending'}"]
    return text + [f"  ! {label}: {one['obj']}: {one['what']}. {one['remedy']}" for one in about["problems"]]


def _name(one: Read) -> str:
    return str(one.get("version") or one.get("script") or one.get("description") or "")
