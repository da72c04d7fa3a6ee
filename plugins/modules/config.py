#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file documents the action plugin of the same name, which runs on the controller; there is no module to run.

from __future__ import annotations

DOCUMENTATION = r"""
module: config
short_description: Validate everything that a site has written about its platform
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - Reads every C(slipway_*) variable of every machine in the groups C(slipway_app), C(slipway_proxy) and C(slipway_db),
    and compares it with the schema. What can be written is described in C(docs/configuration.md).
  - Reports all problems at once, each with its full path, what was found, what is wanted and a remedy. Unknown names
    are refused at every level.
  - Returns one configuration with every default filled in, machines and ports allocated, durations in seconds and sizes
    in bytes. No secret is in it.
  - Runs on the controller only; use it with C(run_once).
options:
  goal:
    description:
      - What the configuration is needed for. Only V(deploy) needs C(slipway_version). Without a version, templates that
        use it see the text C(unreleased), and RV(config.identity) is null.
    type: str
    choices:
      - deploy
      - rollback
      - status
      - unlock
      - backup
      - restore
      - maintenance
      - migrate
      - contract
      - migrations
      - freeze
      - thaw
      - remove
      - rebuild
      - adopt
      - drain
      - undrain
      - remove_machine
      - logs
      - run
    default: deploy
attributes:
  check_mode:
    description: Can run in check mode and return the same as without it.
    support: full
  diff_mode:
    description: Has nothing to show, because it changes nothing.
    support: none
  idempotent:
    description: The same variables give the same result.
    support: full
notes:
  - Every variable but C(slipway_address) and C(slipway_publish) must be the same on all machines; a machine that does
    not have it agrees with the others.
"""

EXAMPLES = r"""
- name: Validate the configuration
  slipway.deploy.config:
  register: site
  run_once: true

- name: Validate it for a rollback, which needs no version
  slipway.deploy.config:
    goal: rollback
  register: site
  run_once: true
"""

RETURN = r"""
config:
  description: The whole configuration, with every default filled in.
  returned: success
  type: dict
  sample:
    platform: shop
    environment: production
    version: 1.4.2
    proxies: [lb1]
  contains:
    platform:
      description: C(slipway_platform).
      returned: success
      type: str
      sample: shop
    environment:
      description: C(slipway_environment).
      returned: success
      type: str
      sample: production
    version:
      description: C(slipway_version), or null.
      returned: success
      type: str
      sample: 1.4.2
    model:
      description: C(slipway_model).
      returned: success
      type: str
      sample: container
    strategy:
      description: C(slipway_strategy).
      returned: success
      type: str
      sample: blue_green
    process:
      description: C(slipway_process); null with another model.
      returned: success
      type: dict
      sample: {manager: systemd, code_root: /srv/slipway}
    services:
      description:
        - The services with their ports, in the words of M(slipway.deploy.container_deploy) or
          M(slipway.deploy.process_deploy).
      returned: success
      type: dict
      sample:
        backend:
          image: registry.example.com/shop/backend:1.4.2
          port: 8080
          ports: {blue: [23700], green: [23710]}
    secrets:
      description: The names of the secrets that the services use.
      returned: success
      type: list
      elements: str
      sample: [DATABASE_URL]
    traffic:
      description: Provider, address and routes; null when nothing is shifted.
      returned: success
      type: dict
      sample: {provider: haproxy, listen: 80, bind: "*", routes: [{path: /, service: backend}]}
    machines:
      description:
        - Every machine of the platform, with its part, its addresses, its services, their ports and secrets, and the
          programs and users that they need there; interpreters whose versions matter.
      returned: success
      type: dict
      sample:
        app1:
          parts: [app]
          address: 10.0.0.11
          publish: 0.0.0.0
          services: [backend]
          ports: [23700, 23710]
          secrets: [DATABASE_URL]
          programs: []
          users: []
          interpreters: []
    builders:
      description:
        - The services that one machine builds for all, C(on) which and C(for) which others.
      returned: success
      type: dict
      sample: {backend: {"on": app1, for: [app2]}}
    proxies:
      description: The balancers that shift the traffic.
      returned: success
      type: list
      elements: str
      sample: [lb1]
    closed:
      description: C(slipway_closed).
      returned: success
      type: dict
      sample: {retry_after: 60.0, hold: 0.0, workers: pause}
    freeze_why:
      description: C(slipway_freeze_why), or null.
      returned: success
      type: str
      sample: Christmas sale
    freeze_until:
      description: C(slipway_freeze_until), or null.
      returned: success
      type: str
      sample: 12h
    freeze_who:
      description: C(slipway_freeze_who), or null.
      returned: success
      type: str
      sample: ann
    drain_why:
      description: C(slipway_drain_why), or null.
      returned: success
      type: str
      sample: its disk is failing
    drain_who:
      description:
        - C(slipway_drain_who), or null. With O(goal=drain), O(goal=undrain) and O(goal=remove_machine) the user of this run by
          default.
      returned: success
      type: str
      sample: ann on ctl
    machine_lost:
      description: C(slipway_machine_lost).
      returned: success
      type: bool
      sample: false
    freeze:
      description: What is to be written down, C(who), C(why) and C(until) in seconds since the epoch.
      returned: with O(goal=freeze)
      type: dict
      sample: {who: ann, why: Christmas sale, until: 1798358400.0}
    emergency:
      description: C(slipway_emergency), or null.
      returned: success
      type: str
      sample: orders are lost
    service:
      description: C(slipway_service).
      returned: success
      type: str
      sample: backend
    side:
      description: C(slipway_side).
      returned: success
      type: str
      sample: green
    release:
      description: C(slipway_release).
      returned: success
      type: str
      sample: 1.4.2
    since:
      description: C(slipway_since).
      returned: success
      type: float
      sample: 600.0
    lines:
      description: C(slipway_lines).
      returned: success
      type: int
      sample: 100
    grep:
      description: C(slipway_grep).
      returned: success
      type: str
      sample: status=5
    follow:
      description: C(slipway_follow).
      returned: success
      type: bool
      sample: false
    follow_for:
      description: C(slipway_follow_for).
      returned: success
      type: float
      sample: 0.0
    command:
      description: C(slipway_command).
      returned: success
      type: list
      elements: str
      sample: [python, -m, shop.report]
    machine:
      description: C(slipway_machine).
      returned: success
      type: str
      sample: app1
    run_timeout:
      description: C(slipway_run_timeout).
      returned: success
      type: float
      sample: 3600.0
    remove:
      description: C(slipway_remove).
      returned: success
      type: str
      sample: shop/staging
    fence:
      description: C(slipway_fence).
      returned: success
      type: int
      sample: 1795490100000
    adopt:
      description: C(slipway_adopt).
      returned: success
      type: dict
      sample: {backend: ["10.0.0.1:8080"]}
    maintenance:
      description: C(slipway_maintenance).
      returned: success
      type: str
      sample: status
    rolling:
      description: C(slipway_rolling), durations in seconds.
      returned: success
      type: dict
      sample: {batch: "1", max_surge: 100%, pause: 0.0, order: hosts}
    watch:
      description: C(slipway_watch).
      returned: success
      type: dict
      sample: {bake: 10.0, interval: 0.5, max_error_ratio: 0.02, min_requests: 50}
    drain:
      description: C(slipway_drain).
      returned: success
      type: dict
      sample: {deadline: 10.0}
    gate:
      description: C(slipway_gate), in seconds.
      returned: success
      type: float
      sample: 30.0
    keep:
      description: C(slipway_keep).
      returned: success
      type: int
      sample: 3
    preflight:
      description: C(slipway_preflight), in bytes and seconds.
      returned: success
      type: dict
      sample: {min_free_disk: 1073741824, min_free_memory: 67108864, max_clock_skew: 30.0}
    lock_wait:
      description: C(slipway_lock_wait), in seconds.
      returned: success
      type: float
      sample: 0.0
    site_dir:
      description: C(slipway_site_dir), absolute.
      returned: success
      type: str
      sample: /home/me/my-site
    state_root:
      description: C(slipway_state_root).
      returned: success
      type: str
      sample: /var/lib/slipway
    database:
      description: C(slipway_database), with the password in its URL masked; or null.
      returned: success
      type: dict
      sample: {engine: postgresql, url: "postgresql://shop:********@db/shop"}
    migrations:
      description:
        - C(slipway_migrations), or null. C(host) and C(service) are filled in; C(options) is all of it in the words of
          M(slipway.deploy.migration_runner).
      returned: success
      type: dict
      sample: {tool: sql, path: migrations/, host: db1, options: {tool: sql, path: migrations/}}
    migrate_to:
      description: C(slipway_migrate_to), or null.
      returned: success
      type: str
      sample: "1.4"
    migrate_undo:
      description: C(slipway_migrate_undo).
      returned: success
      type: bool
      sample: false
    migrate_phase:
      description: C(slipway_migrate_phase).
      returned: success
      type: str
      sample: expand
    migrate_baseline:
      description: C(slipway_migrate_baseline), or null.
      returned: success
      type: str
      sample: "1.2"
    migrate_repair:
      description: C(slipway_migrate_repair).
      returned: success
      type: bool
      sample: false
    also:
      description: C(slipway_also), or null.
      returned: success
      type: list
      elements: str
      sample: [staging]
    let_go:
      description: C(slipway_let_go), or null.
      returned: success
      type: list
      elements: str
      sample: [1.3.0]
    rollback_to:
      description: C(slipway_rollback_to), or null.
      returned: success
      type: str
      sample: 1.3.0
    allow_bad:
      description: C(slipway_allow_bad).
      returned: success
      type: bool
      sample: false
    break_glass:
      description: C(slipway_break_glass).
      returned: success
      type: bool
      sample: false
    balancer_forget:
      description: C(slipway_balancer_forget), or null.
      returned: success
      type: list
      elements: str
      sample: null
    waive_backup:
      description: C(slipway_waive_backup), or null.
      returned: success
      type: str
      sample: the database is empty still
    waive_replicas:
      description: C(slipway_waive_replicas), or null.
      returned: success
      type: str
      sample: db2 is being rebuilt
    backup:
      description: C(slipway_backup).
      returned: success
      type: str
      sample: latest
    restore_into:
      description: C(slipway_restore_into), or null.
      returned: success
      type: str
      sample: shop_look
    restore_over:
      description: C(slipway_restore_over), or null.
      returned: success
      type: str
      sample: shop
    restore_dir:
      description: C(slipway_restore_dir), or null.
      returned: success
      type: str
      sample: /srv/look
    restore_time:
      description: C(slipway_restore_time), or null.
      returned: success
      type: str
      sample: "2026-11-24 03:15:00+00:00"
    restore_point:
      description: C(slipway_restore_point), or null.
      returned: success
      type: str
      sample: slipway_1.4.2-20261124T031500Z-3fa9
    configuration_hash:
      description: SHA-256 of that part of the configuration that matters to what runs.
      returned: success
      type: str
      sample: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    secrets_hash:
      description: Slow, salted hash of the secrets that the services use; empty when they use none.
      returned: success
      type: str
      sample: fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9
    identity:
      description: Hash of version, configuration and secrets; the same again is no release. Null without a version.
      returned: success
      type: str
      sample: baa5a0964d3320fbc0c6a922140453c8513ea24ab8fd0577034804a967248096
    warnings:
      description: What may well be a mistake.
      returned: success
      type: list
      elements: str
      sample: []
    notes:
      description: What is unusual and allowed, such as a balancer that is somebody else's.
      returned: success
      type: list
      elements: str
      sample: []
problems:
  description: Everything that is wrong.
  returned: failure
  type: list
  elements: dict
  sample:
    - path: slipway_services.backend.helth
      what: unknown, did you mean health?
      found: ""
      wanted: ""
      remedy: ""
      text: "slipway_services.backend.helth: unknown, did you mean health?"
"""
