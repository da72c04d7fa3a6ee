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
from .schema_backup import OF_STORE
from .suggest import closest

_PASSWORD = re.compile(r"://[^/\s:@]*:(?P<password>[^\s/]+)@")

_STORE = "slipway_database.backup.store"

# Backups of a whole cluster, by the option that names them: what they are, what it takes, and how that is written.
WHOLE_CLUSTER = {
    "physical": ("physical backups", "a stanza of pgBackRest", "{stanza: NAME}"),
    "snapshot": ("snapshots", "the commands of the storage", "{create: …, clone: …, unclone: …, remove: …, list: …}"),
}

Database = t.Optional[dict[str, t.Any]]


def complete_database(database: Database, groups: t.Mapping[str, t.Sequence[str]], findings: Findings) -> list[str]:
    """Find the machine that takes the backups and the one that proves dumps, and put them in as C(host) and C(verify_host).

    :return: both, or the one that they are; nothing where no backups are taken.
    """
    backup = (database or {}).get("backup")
    if database and database.get("replicas") and database.get("engine") == "sqlite":
        findings.problem(
            "slipway_database.replicas", "SQLite has none", found="sqlite", wanted="none", remedy="Leave it out."
        )
    if database is None or not backup:
        return []
    _check_whole_cluster(backup, database.get("engine"), findings)
    _check_format(backup, database.get("engine"), findings)
    _check_run_in(backup, findings)
    if backup.get("store") is not None or not backup.get("physical") or backup.get("method") == "logical":
        _check_store(backup.get("store"), findings)
    backup["host"] = str(backup.get("host") or default_host(groups))
    backup["verify_host"] = str(backup.get("verify_host") or backup["host"])
    _check_verify_host(backup, findings)
    named = {backup[name]: name for name in ("verify_host", "host") if backup[name]}
    return [
        machine
        for machine, name in named.items()
        if is_known(f"slipway_database.backup.{name}", machine, groups, findings)
    ]


def database_secrets(database: Database) -> dict[str, str]:
    """The database's URL and the password in it, by the name under which messages speak of them."""
    if not database or database.get("engine") == "sqlite":  # a path is no secret
        return {}
    found = url_secrets("slipway_database.url", database.get("url"))
    found.update(url_secrets("slipway_database.direct_url", database.get("direct_url")))
    for number, url in enumerate(database.get("replicas") or ()):
        found.update(url_secrets(f"slipway_database.replicas[{number}]", url))
    return found


def masked_database(database: Database) -> Database:
    """The database as everybody may read it."""
    if not database:
        return None
    if database.get("engine") == "sqlite":
        return database
    urls = {name: masked_url(database[name]) for name in ("url", "direct_url") if database.get(name)}
    replicas = [masked_url(url) for url in database.get("replicas") or ()]
    return {**database, **urls, **({"replicas": replicas} if replicas else {})}


def url_secrets(path: str, url: str | None) -> dict[str, str]:
    """A connection string and the password in it, by the name under which messages speak of them."""
    password = _PASSWORD.search(url) if url else None
    return {**({path: url} if url else {}), **({f"in {path}": password["password"]} if password else {})}


def masked_url(url: str) -> str:
    """A connection string as everybody may read it."""
    return mask(url, []) if "://" in url else MASK


def default_host(groups: t.Mapping[str, t.Sequence[str]]) -> str:
    """The machine that works with the database where nobody says which; empty where there is none."""
    return next((groups[name][0] for name in (DATABASE_GROUP, APP_GROUP) if groups.get(name)), "")


def is_known(path: str, machine: str, groups: t.Mapping[str, t.Sequence[str]], findings: Findings) -> bool:
    """Whether it is one of the platform; else that is a problem of an option.

    :param path: of the option that names it.
    """
    machines = list(dict.fromkeys(machine for group in GROUPS for machine in groups.get(group, ())))
    if machine in machines:
        return True
    guess = closest(machine, machines)
    findings.problem(
        path,
        f"no machine of the platform{f', did you mean {guess}?' if guess else ''}",
        found=machine,
        wanted=f"one of {', '.join(machines) or 'none'}",
        remedy=f"Name a machine of {', '.join(GROUPS[:-1])} or {GROUPS[-1]}.",
    )
    return False


def _check_verify_host(backup: t.Mapping[str, t.Any], findings: Findings) -> None:
    elsewhere = backup["verify_host"] != backup["host"]
    if elsewhere and (backup.get("store") is None or backup.get("method") in ("physical", "snapshot")):
        snapshots = backup.get("method") == "snapshot"
        findings.problem(
            "slipway_database.backup.verify_host",
            "is for dumps, and none are taken",
            found="only snapshots" if snapshots else "only physical backups",
            remedy="Leave it out: a snapshot is cloned on the machine that it was made on."
            if snapshots
            else "Leave it out: pgBackRest restores wherever it reaches the repository, so name that machine as host.",
        )


def _check_whole_cluster(backup: t.Mapping[str, t.Any], engine: str | None, findings: Findings) -> None:
    named = [option for option in WHOLE_CLUSTER if backup.get(option)]
    for option in named:
        if engine != "postgresql":
            findings.problem(
                f"slipway_database.backup.{option}",
                "is for PostgreSQL only",
                found=str(engine),
                wanted="postgresql",
                remedy="Leave it out.",
            )
    if len(named) > 1:
        findings.problem(
            "slipway_database.backup.snapshot",
            "cannot be together with physical",
            found="both",
            wanted="one of them",
            remedy="Leave one out: a release leans on one kind of backup.",
        )
    if backup.get("method") == "incremental" and engine not in ("mysql", "mariadb"):
        findings.problem(
            "slipway_database.backup.method",
            "incremental is for MySQL and MariaDB only",
            found=str(engine),
            wanted="auto, logical, physical or snapshot",
            remedy="Correct it: what incremental is for them, physical is for PostgreSQL.",
        )
    method = backup.get("method")
    if method in WHOLE_CLUSTER and not backup.get(method):
        what, wanted, written = WHOLE_CLUSTER[method]
        findings.problem(
            f"slipway_database.backup.{method}",
            f"missing, so there are no {what} for method: {method}",
            found="nothing",
            wanted=wanted,
            remedy=f"Write {method}: {written}, or leave method out.",
        )


def _check_run_in(backup: t.Mapping[str, t.Any], findings: Findings) -> None:
    given = [name for name in ("image", "container") if (backup.get("run_in") or {}).get(name)]
    if backup.get("run_in") is not None and len(given) != 1:
        findings.problem(
            "slipway_database.backup.run_in",
            "names neither an image nor a container" if not given else "names two places",
            remedy="Write {image: NAME}, or {container: NAME} of one that runs.",
        )


def _check_format(backup: t.Mapping[str, t.Any], engine: str | None, findings: Findings) -> None:
    if backup.get("format") == "directory" and engine != "postgresql":
        findings.problem(
            "slipway_database.backup.format",
            "directory is for PostgreSQL only",
            found=str(engine),
            wanted="postgresql",
            remedy="Leave it out.",
        )


def _check_store(store: t.Mapping[str, t.Any] | None, findings: Findings) -> None:
    if any(problem.path.startswith(_STORE) for problem in findings.problems):
        return
    if store is None:
        findings.problem(_STORE, "missing", remedy="Write where the backups are kept: {path: /var/backups/slipway}.")
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
