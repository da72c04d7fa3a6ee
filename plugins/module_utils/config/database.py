# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of a platform, and which machine backs it up (private to the collection)."""

from __future__ import annotations

import re
import typing as t

from ..masking import MASK, mask
from .findings import Findings
from .schema import APP_GROUP, DATABASE_GROUP, GROUPS
from .schema_backup import BACKED_UP, OF_STORE
from .suggest import closest

_PASSWORD = re.compile(r"://[^/\s:@]*:(?P<password>[^\s/]+)@")

_STORE = "slipway_database.backup.store"

Database = t.Optional[dict[str, t.Any]]


def complete_database(database: Database, groups: t.Mapping[str, t.Sequence[str]], findings: Findings) -> str:
    """Find the machine that takes the backups, and put it in as C(backup.host); empty where none are taken."""
    backup = (database or {}).get("backup")
    if database is None or not backup:
        return ""
    _check_engine(database.get("engine"), findings)
    _check_store(backup.get("store") or {}, findings)
    machines = list(dict.fromkeys(machine for group in GROUPS for machine in groups.get(group, ())))
    default = next((groups[name][0] for name in (DATABASE_GROUP, APP_GROUP) if groups.get(name)), "")
    host = str(backup.get("host") or default)
    if host and host not in machines:
        guess = closest(host, machines)
        findings.problem(
            "slipway_database.backup.host",
            f"no machine of the platform{f', did you mean {guess}?' if guess else ''}",
            found=host,
            wanted=f"one of {', '.join(machines) or 'none'}",
            remedy=f"Name a machine of {', '.join(GROUPS[:-1])} or {GROUPS[-1]}.",
        )
        return ""
    backup["host"] = host
    return host


def database_secrets(database: Database) -> dict[str, str]:
    """The database's URL and the password in it, by the name under which messages speak of them."""
    url = (database or {}).get("url")
    if not url or database is None or database.get("engine") == "sqlite":  # a path is no secret
        return {}
    password = _PASSWORD.search(url)
    return {"slipway_database.url": url, **({"in slipway_database.url": password["password"]} if password else {})}


def masked_database(database: Database) -> Database:
    """The database as everybody may read it."""
    if not database:
        return None
    url = database["url"]
    if database.get("engine") == "sqlite":
        return database
    return {**database, "url": mask(url, []) if "://" in url else MASK}


def _check_engine(engine: str | None, findings: Findings) -> None:
    if engine is not None and engine not in BACKED_UP:
        findings.problem(
            "slipway_database.backup",
            "this version of the collection cannot back up this kind of database",
            found=engine,
            wanted=" or ".join(BACKED_UP),
            remedy="Leave it out, and back the database up by other means.",
        )


def _check_store(store: t.Mapping[str, t.Any], findings: Findings) -> None:
    if any(problem.path.startswith(_STORE) for problem in findings.problems):
        return
    kind = store.get("kind", "local")
    for name in OF_STORE.get(kind, ()):
        if not store.get(name):
            findings.problem(
                f"{_STORE}.{name}",
                "missing",
                found="nothing",
                wanted=f"a {name}, for kind: {kind}",
                remedy="Write where the backups are kept: {path: /var/backups/slipway}, or {kind: s3, bucket: NAME}.",
            )
