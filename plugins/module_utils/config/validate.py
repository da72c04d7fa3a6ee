# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one validation of everything that a user wrote (private to the collection; runs on the controller)."""

from __future__ import annotations

import typing as t

from .database import complete_database, database_secrets, masked_database
from .findings import Findings
from .gather import Gathered, gather
from .identity import configuration_hash, identity_view, release_identity, secrets_hash
from .machines import allocate, check_addresses, check_ports, fill_machines, find_carriers, place
from .migrations import check_model, complete_migrations, masked_migrations, migration_secrets
from .model import Config, Inventory, Machine, Service
from .processes import builders_of, check_processes, source_secrets
from .reader import Reader
from .schema import GROUPS, OPTIONS, PREFIX, PROXY_GROUP
from .schema_process import MODEL as PROCESS_MODEL
from .services import check_leaks, check_secret_names, complete_service
from .suggest import closest
from .tls import tls_secrets
from .traffic import complete_traffic


def nothing(_services: dict[str, t.Any]) -> None:
    """Where no file of the controller has to be looked at."""


def validate(
    variables: t.Mapping[str, t.Any],
    inventory: Inventory,
    *,
    version_required: bool = True,
    add_contents: t.Callable[[dict[str, t.Any]], None] = nothing,
) -> Config:
    """Read a site's variables by the schema, fill in every default, and check them against each other.

    :param variables: C(slipway_*) variables that hold for every machine.
    :param inventory: groups and machines, and the C(slipway_*) variables of each machine of the platform.
    :param version_required: whether C(slipway_version) must be there; without one there is no identity.
    :param add_contents: says in the services, once all is right, what the controller's files are that they are made of; it is
        a part of the identity.
    :raises ConfigError: with everything that is wrong at once.
    """
    findings = Findings()
    reader = Reader(findings)
    gathered = gather(variables, inventory["hosts"], findings)
    site = _read_site(gathered, reader, version_required, findings)
    secrets: dict[str, str] = site.pop("secrets")
    hidden = _hidden(gathered, secrets, site)
    services: dict[str, dict[str, t.Any]] = site["services"] or {}
    for name, service in services.items():
        complete_service(name, service, reader, findings)
    names = _check_secrets(gathered, services, secrets, site, findings)

    groups = inventory["groups"]
    _check_groups(groups, findings)
    proxies = list(groups.get(PROXY_GROUP, ()))
    platform = f"{site['platform']}-{site['environment']}"
    traffic = complete_traffic(site["traffic"], services, proxies, reader, findings, platform=platform, secrets=names)
    proxies = proxies if traffic else []
    carriers = find_carriers(services, groups, findings)
    keepers = complete_database(site["database"], groups, findings)
    migrating = complete_migrations(site["migrations"], site["database"], services, groups, findings)
    check_model(site["migrations"], reader.model, findings)
    machines = place(carriers, groups, gathered.machines, proxies, reader, keepers=keepers, others=migrating)
    receiving = [name for name, service in services.items() if service["traffic"]]
    check_addresses(machines, proxies, receiving, findings)
    slots = allocate(site["platform"] or "", site["environment"] or "", services)
    check_ports(slots, machines, traffic["listen"] if traffic else None, findings)
    if reader.model == PROCESS_MODEL:
        check_processes(services, carriers, (site["process"] or {}).get("manager", "systemd"), findings)
    _check_watch(site["watch"], findings)
    findings.check(hidden)

    add_contents(services)
    typed = t.cast(dict[str, Service], services)
    builders = builders_of(services, carriers)
    fill_machines(machines, typed, builders)
    site.update(traffic=traffic, services=typed, machines=machines, proxies=proxies, builders=builders)
    used = sorted({name for machine in machines.values() for name in machine["secrets"]} | tls_secrets(traffic))
    masked = {"database": masked_database(site["database"]), "migrations": masked_migrations(site["migrations"])}
    site.update(secrets=used, **masked)
    site.update(_identity(site, {name: secrets[name] for name in used}))
    return t.cast(Config, {**site, "warnings": findings.warnings, "notes": findings.notes})


def _read_site(gathered: Gathered, reader: Reader, version_required: bool, findings: Findings) -> dict[str, t.Any]:
    """Every option of the site under its name without prefix; None where there is neither value nor default."""
    site = {}
    for option in OPTIONS:
        if option.host:
            continue
        needed = option.required and (version_required or option.name != "slipway_version")
        written = gathered.site[option.name]
        if written is not None and reader.refuse_other_model(option, option.name):
            written = None
        value = reader.read(option._replace(required=needed), written, option.name)
        site[option.name[len(PREFIX) :]] = value if option.belongs_to(reader.model) else None
        if option.name == "slipway_model" and not findings.about(option.name):
            reader.model = value
    return site


def _hidden(gathered: Gathered, secrets: t.Mapping[str, str], site: t.Mapping[str, t.Any]) -> list[str]:
    """Every text that must appear in no message."""
    written = gathered.site["slipway_secrets"]
    values = written.values() if isinstance(written, dict) else ()
    hidden = [str(value) for value in values if isinstance(value, (str, int, float))]
    hidden += secrets.values()
    return [*hidden, *database_secrets(site["database"]).values(), *migration_secrets(site["migrations"]).values()]


def _check_secrets(
    gathered: Gathered,
    services: dict[str, dict[str, t.Any]],
    secrets: t.Mapping[str, str],
    site: t.Mapping[str, t.Any],
    findings: Findings,
) -> t.Collection[str]:
    """Each that is named exists, and none is written where everybody can see it; the names of all."""
    written = gathered.site["slipway_secrets"]
    names = written if isinstance(written, dict) else ()
    check_secret_names(services, names, findings)
    source_secrets(services, names, findings)
    urls = {**database_secrets(site["database"]), **migration_secrets(site["migrations"])}
    check_leaks(services, {**secrets, **urls}, findings)
    return names


def _check_groups(groups: t.Mapping[str, t.Sequence[str]], findings: Findings) -> None:
    """A group that looks like one of Slipway's and is none is most likely misspelt."""
    for name in groups:
        missing = [group for group in GROUPS if not groups.get(group)]
        guess = closest(name, missing) if name.startswith(PREFIX) and name not in GROUPS else None
        if guess:
            findings.warnings.append(f"The group {name} means nothing to Slipway by itself; did you mean {guess}?")


def _check_watch(watch: t.Mapping[str, t.Any] | None, findings: Findings) -> None:
    if watch and 0 < watch["bake"] < watch["interval"]:
        findings.problem(
            "slipway_watch.interval",
            "longer than the whole watch",
            found=f"{watch['interval']:g} s",
            wanted=f"at most the {watch['bake']:g} s of slipway_watch.bake",
            remedy="Set a shorter interval, or bake: 0 to watch nothing.",
        )


def _identity(site: t.Mapping[str, t.Any], secrets: t.Mapping[str, str]) -> dict[str, str | None]:
    view: dict[str, t.Any] = {
        option.name: identity_view(option, site[option.name[len(PREFIX) :]])
        for option in OPTIONS
        if option.identity and not option.host and option.name != "slipway_version" and option.belongs_to(site["model"])
    }
    # Where backups are taken, or migrations run, does not matter to what runs.
    running = {name: machine for name, machine in site["machines"].items() if set(machine["parts"]) - {"db"}}
    view["machines"] = {name: _placement(machine) for name, machine in running.items()}
    configuration = configuration_hash(view)
    secret = secrets_hash(site["platform"], site["environment"], secrets)
    version = site["version"]
    return {
        "configuration_hash": configuration,
        "secrets_hash": secret,
        "identity": release_identity(version, configuration, secret) if version is not None else None,
    }


def _placement(machine: Machine) -> list[t.Any]:
    """What of a machine matters to what runs; where a mere balancer is reached does not."""
    parts = [part for part in machine["parts"] if part != "db"]
    if not machine["services"]:
        return [parts]
    return [parts, machine["address"], machine["publish"], sorted(machine["services"])]
