# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations of a platform, and which machine runs them (private to the collection)."""

from __future__ import annotations

import typing as t

from .database import default_host, is_known, masked_url, url_secrets
from .findings import Findings
from .suggest import closest

FILES = ("sql", "flyway")  # tools whose migrations are files that a directory says all of
# What is passed on to the module as it is written.
_PASSED = (
    *("tool", "path", "lint", "lock_wait", "lock_timeout", "retry", "statement_timeout", "timeout"),
    "replica_wait",
    *("schema", "table", "placeholders", "out_of_order", "encoding"),
)
Migrations = t.Optional[dict[str, t.Any]]
Part = t.Optional[t.Mapping[str, t.Any]]


def complete_migrations(
    migrations: Migrations,
    database: Part,
    services: t.Mapping[str, t.Mapping[str, t.Any]],
    groups: t.Mapping[str, t.Sequence[str]],
    findings: Findings,
) -> list[str]:
    """Find the machine that migrates, and the service whose image does, and put them in as C(host) and C(service); and as
    C(options) what all of it is in the words of migration_runner.

    :return: that machine, where it is not the one that takes the backups; nothing where there are no migrations.
    """
    if not migrations:
        if (database or {}).get("replicas"):
            findings.warnings.append("slipway_database.replicas: nobody waits for them without slipway_migrations.")
        return []
    if not database:
        findings.problem(
            "slipway_database",
            "missing, and slipway_migrations is set",
            remedy="Write which database is migrated: {engine: postgresql, url: …}.",
        )
    _check_place(migrations, findings)
    _check_command(migrations, findings)
    _complete_service(migrations, services, findings)
    backup = (database or {}).get("backup") or {}
    migrations["host"] = host = str(migrations.get("host") or backup.get("host") or default_host(groups))
    migrations["options"] = _options(migrations, str((database or {}).get("engine")), services)
    if not host or host == backup.get("host"):  # which is looked at, and one of the platform's, already
        return []
    return [host] if is_known("slipway_migrations.host", host, groups, findings) else []


def check_model(migrations: Migrations, model: str, findings: Findings) -> None:
    """Only containers have images to migrate by."""
    if (migrations or {}).get("run_in") == "container" and model not in ("", "container"):
        findings.problem(
            "slipway_migrations.run_in",
            "needs the image of a service, which only slipway_model: container has",
            found=f"slipway_model: {model}",
            remedy="Set run_in: host; the tool must be on the machine that migrates.",
        )


def migration_secrets(migrations: Migrations) -> dict[str, str]:
    """The connection string of its own and the password in it, by the name under which messages speak of them."""
    return url_secrets("slipway_migrations.admin_url", (migrations or {}).get("admin_url"))


def masked_migrations(migrations: Migrations) -> Migrations:
    """The migrations as everybody may read them."""
    if not migrations or "admin_url" not in migrations:
        return migrations or None
    return {**migrations, "admin_url": masked_url(migrations["admin_url"])}


def asked_of(goal: str, config: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a run asks of migration_runner: the playbooks contract and migrate what they are told, every release to expand.

    :param config: of the platform, validated.
    """
    proven = bool((config["database"] or {}).get("backup"))
    waive = "" if proven else config["waive_backup"] or ""  # else the stage backup writes it down
    asked = {"state": "latest", "phase": "contract" if goal == "contract" else "expand"}
    if goal == "migrate" and config["migrate_baseline"]:
        asked = {"state": "baselined", "phase": "all", "target": config["migrate_baseline"]}
    elif goal == "migrate" and config["migrate_repair"]:
        asked = {"state": "repaired", "phase": "all"}
    elif goal == "migrate" and config["migrate_undo"]:
        asked = {"state": "undone", "phase": "all", "target": config["migrate_to"] or ""}
    elif goal == "migrate":
        state = "target" if config["migrate_to"] else "latest"
        asked = {"state": state, "phase": config["migrate_phase"], "target": config["migrate_to"] or ""}
    return {**asked, "proven": proven, "waive": waive}


def container_of(service: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What a one-off container of a service's image is made of; of its secrets only their names."""
    keywords = dict(service.get("container") or {})
    network = keywords.pop("network", None)
    found = {name: service[name] for name in ("image", "pull", "env", "secrets", "env_secrets") if service.get(name)}
    return {**found, **({"network": network} if network else {}), **({"keywords": keywords} if keywords else {})}


def _options(
    migrations: t.Mapping[str, t.Any], engine: str, services: t.Mapping[str, t.Mapping[str, t.Any]]
) -> dict[str, t.Any]:
    """For migration_runner, all but what a run asks of it."""
    found = {"engine": engine, **{name: migrations[name] for name in _PASSED if name in migrations}}
    project, directory = dict(migrations.get("project") or {}), migrations.get("directory")
    if directory and migrations.get("tool") in FILES:
        found["locations"] = [directory]
    elif directory:
        project["directory"] = directory
    if project:
        found["project"] = project
    service = services.get(str(migrations.get("service")))
    if service is not None and service.get("image"):
        found.update(run_in="container", container=container_of(service))
    return found


def _check_place(migrations: t.Mapping[str, t.Any], findings: Findings) -> None:
    """One place, where the tool needs one on a machine."""
    named = [name for name in ("path", "directory") if migrations.get(name)]
    inside = migrations.get("run_in") == "container"
    mounted = migrations.get("tool") == "flyway"
    if len(named) > 1:
        findings.problem(
            "slipway_migrations.directory",
            "cannot be together with path",
            found="both",
            wanted="one of them",
            remedy="path is on the controller, directory on the machine that migrates; leave one out.",
        )
    elif inside and migrations.get("path"):
        findings.problem(
            "slipway_migrations.path",
            f"is not for run_in: container, where {'the machine' if mounted else 'the image'} has the files",
            found=str(migrations["path"]),
            remedy="Name the directory on the machine that migrates with directory; the container sees it."
            if mounted
            else "Name the directory in the image with directory, or leave both out.",
        )
    elif inside and mounted and not named:
        findings.problem(
            "slipway_migrations.directory",
            "missing",
            wanted="the directory of the scripts on the machine that migrates, which Flyway in a container sees, too",
            remedy="Write directory: /… where they are.",
        )
    elif not named and not inside and migrations.get("tool") != "command":
        findings.problem(
            "slipway_migrations.path",
            "missing",
            wanted="the directory of the migrations, below slipway_site_dir",
            remedy="Write path: migrations/, or directory: /… where they are on the machine already.",
        )


def _check_command(migrations: t.Mapping[str, t.Any], findings: Findings) -> None:
    project = migrations.get("project") or {}
    for name in ("apply", "pending") if migrations.get("tool") == "command" else ():
        if not project.get(name):
            findings.problem(
                f"slipway_migrations.project.{name}",
                "missing",
                wanted="the words of a command, for tool: command",
                remedy="Write it.",
            )


def _complete_service(
    migrations: dict[str, t.Any], services: t.Mapping[str, t.Mapping[str, t.Any]], findings: Findings
) -> None:
    path, wanted = "slipway_migrations.service", migrations.get("service")
    if migrations.get("run_in") != "container":
        if wanted:
            findings.problem(path, "is for run_in: container", found=str(wanted), remedy="Leave it out.")
        return
    if not wanted and len(services) == 1:
        migrations["service"] = next(iter(services))
    elif not wanted:
        findings.problem(path, "missing", wanted=f"one of {', '.join(services)}", remedy="Name it.")
    elif wanted not in services:
        guess = closest(str(wanted), list(services))
        findings.problem(
            path,
            f"no service of the platform{f', did you mean {guess}?' if guess else ''}",
            found=str(wanted),
            wanted=f"one of {', '.join(services)}",
        )
