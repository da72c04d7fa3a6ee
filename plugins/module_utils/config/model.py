# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The validated configuration, as everything downstream reads it (private to the collection).

Plain dictionaries, so that it passes through Ansible unchanged. An option without value and without default is not in
it. Durations are seconds, sizes are bytes. No secret is in it, only names of secrets.
"""

from __future__ import annotations

import typing as t


class Service(t.TypedDict, total=False):
    """One service, in the words of its model's module: every default filled in, ports allocated."""

    port: int
    ports: dict[str, list[int]]  # of each side, one a replica; only with a port
    replicas: int
    command: list[str]
    traffic: bool
    singleton: bool  # only where it is written
    env: dict[str, str]
    secrets: list[str]
    env_secrets: list[str]
    health: dict[str, t.Any]  # always there with traffic, never without
    smoke: list[dict[str, t.Any]]
    stop_grace: float
    # Of the model container.
    image: str
    assets: dict[str, t.Any]
    pull: str
    container: dict[str, t.Any]
    # Of the model process.
    source: dict[str, t.Any]
    code: str  # the service whose code it runs, in the place of a source
    build: list[dict[str, t.Any]]
    build_on: str
    user: str
    shared: dict[str, list[str]]
    notify: bool
    socket: bool  # only where it is written
    strategy: str  # reload; else it is not there
    start_limit: float
    unit: dict[str, t.Any]


class Machine(t.TypedDict):
    """One machine of the platform."""

    parts: list[str]  # app, proxy, db (takes the backups)
    address: str  # what balancers reach it at
    publish: str  # what ports are published on
    zone: str  # its rack or zone; empty where nobody says
    services: list[str]
    ports: list[int]  # all that its services use, of both sides
    secrets: list[str]  # names that its services use
    programs: list[str]  # that it must have
    users: list[str]  # that it must have
    interpreters: list[str]  # whose versions matter, because another machine builds for it, or it for another


class Config(t.TypedDict):
    """The whole configuration."""

    platform: str
    environment: str
    version: t.Optional[str]  # None where no version is needed
    model: str
    strategy: str
    process: t.Optional[dict[str, t.Any]]  # manager, code_root; None with another model
    services: dict[str, Service]
    secrets: list[str]  # names that the services use
    traffic: t.Optional[dict[str, t.Any]]  # provider, listen, bind, routes; None: nothing is shifted
    closed: t.Optional[dict[str, t.Any]]  # retry_after, page, paths, hold: what maintenance says to customers
    maintenance: str  # on, off, status
    freeze_why: t.Optional[str]
    freeze_until: t.Optional[str]
    freeze_who: t.Optional[str]
    drain_why: t.Optional[str]
    drain_who: t.Optional[str]
    machine_lost: bool
    emergency: t.Optional[str]  # why a run goes ahead on a frozen platform
    service: t.Optional[str]  # what logs and run are about
    side: t.Optional[str]
    release: t.Optional[str]
    since: t.Optional[float]  # seconds
    lines: int
    grep: t.Optional[str]
    follow: bool
    follow_for: float  # seconds; 0 until Ctrl-C
    command: t.Optional[list[str]]
    machine: t.Optional[str]
    run_timeout: float
    rolling: dict[str, t.Any]
    watch: dict[str, t.Any]
    drain: dict[str, t.Any]
    gate: float
    keep: int
    preflight: dict[str, t.Any]
    lock_wait: float
    site_dir: t.Optional[str]
    state_root: str
    database: t.Optional[dict[str, t.Any]]  # the password in its url is masked; backup.host is filled in
    migrations: t.Optional[dict[str, t.Any]]  # the password in its admin_url is masked; host and service are filled in
    migrate_to: t.Optional[str]
    migrate_undo: bool
    migrate_phase: str
    let_go: t.Optional[list[str]]
    migrate_baseline: t.Optional[str]
    migrate_repair: bool
    also: t.Optional[list[str]]
    rollback_to: t.Optional[str]
    allow_bad: bool
    break_glass: bool
    balancer_forget: t.Optional[list[str]]
    waive_backup: t.Optional[str]  # why
    waive_replicas: t.Optional[str]  # why
    backup: str  # what is restored
    restore_into: t.Optional[str]
    restore_over: t.Optional[str]
    restore_dir: t.Optional[str]
    restore_time: t.Optional[str]
    restore_point: t.Optional[str]
    machines: dict[str, Machine]
    proxies: list[str]
    builders: dict[str, dict[str, t.Any]]  # service that one machine builds for all: on which, for which others
    configuration_hash: str
    secrets_hash: str
    identity: t.Optional[str]  # None without a version
    warnings: list[str]
    notes: list[str]


class Inventory(t.TypedDict):
    """Where a site's variables come from: groups of machines, and what each machine says."""

    groups: dict[str, list[str]]
    hosts: dict[str, dict[str, t.Any]]  # the slipway_* variables and ansible_host of each
