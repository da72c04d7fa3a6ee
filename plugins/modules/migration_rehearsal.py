#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: migration_rehearsal
short_description: Try pending migrations on a restored copy of the database
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
description:
  - Restores a backup into a throw-away server, applies the migrations that are pending there, measures what they do, judges it, and
    drops the copy whatever happens. The live database is neither asked nor touched.
  - A backup that was never proven by a restore is compared with what was backed up, and the proof is written, as with
    C(verify=restore) of M(slipway.deploy.database_backup). So a release restores once.
  - With PostgreSQL, measured are the time of each migration, the locks that it holds on tables that were there before and for
    how long, and the tables that are written anew. MySQL, MariaDB and SQLite do not tell who holds what; there the time of a
    statement is the upper limit of its lock, and only O(max_duration) is judged.
  - The throw-away server and a tool that is a program of its own have no network, where this is root; the copy is all that they
    reach.
  - With O(old), the services of the version that is live are started on the copy, asked before the migrations, and asked again
    after them, on the connections that they had opened and on new ones.
  - Needs on the machine what M(slipway.deploy.database_backup) needs to restore, and what M(slipway.deploy.migration_runner) needs
    to migrate.
options:
  here:
    description: Whether this is the machine that rehearses. In a release the others only renew their lease.
    type: bool
    default: true
  backup:
    description:
      - Options of M(slipway.deploy.database_backup) that find a backup and restore it, such as C(name), C(engine), C(store), C(id),
        C(encryption), C(scratch_dir), C(run_in), C(physical) and C(snapshot). C(id) is V(latest) by default.
      - Of physical backups V(latest) is the newest that was restored before.
      - With a C(target), as the release has it, those that are left out are taken from that.
    type: dict
    required: true
  migrations:
    description:
      - Options of M(slipway.deploy.migration_runner) that name the migrations, such as C(tool), C(locations), C(path), C(project),
        C(phase), C(schema) and C(placeholders). C(url) has no meaning, the copy is what is migrated.
      - C(lint) means what it means there; what it refuses is refused before anything is tried.
    type: dict
    required: true
  role:
    description:
      - The role of PostgreSQL that applies the migrations, as it does on the live database. By default the user of C(admin_url) of
        C(slipway_migrations), or of C(slipway_database.url). Its password is not needed.
      - Where there is no such role in the backup, a superuser applies them. Accounts of MySQL and MariaDB are no part of a dump, so
        there it is always C(root).
    type: str
    default: ""
  old:
    description:
      - The version that is live, whose services are tried against the migrated copy. Without it they are not. Needs O(platform)
        and O(environment).
    type: dict
    suboptions:
      services:
        description: Its services on this machine, as O(slipway.deploy.container_deploy#module:services).
        type: dict
        default: {}
      side:
        description: The side that it is on.
        type: str
        default: ""
      release:
        description: The id of the release that has made it live.
        type: str
        default: ""
      secrets:
        description:
          - Values of the secrets that they name, by name; the site's by default. Only those that hold a connection string are used,
            and lead to the copy. All others are replaced by dummies.
        type: str
        default: ""
      database_secrets:
        description: Names of the secrets with a connection string of the database. By default those that look like one.
        type: list
        elements: str
        default: []
      env:
        description: Variables that they get instead of, or beside, their own.
        type: dict
        default: {}
  max_lock:
    description:
      - Seconds for which one lock may keep reads or writes from a table that has rows. The default is as long as a migration waits
        for a lock, so that a request waits for at most the two together.
    type: float
    default: 1
  max_duration:
    description: Seconds that all migrations together may take. What is not done by then is ended.
    type: float
    default: 300
extends_documentation_fragment:
  - slipway.deploy.stage
  - slipway.deploy.stage.perhaps
attributes:
  check_mode:
    support: full
    description: Says what would be tried, and restores nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Try the pending migrations on the newest backup
  slipway.deploy.migration_rehearsal:
    backup:
      name: shop
      store: {path: /var/backups/slipway}
    migrations:
      locations: [/srv/shop/migrations]
      phase: expand
    role: shop

- name: The same with a window in which the shop is slow
  slipway.deploy.migration_rehearsal:
    backup:
      name: shop
      store: {path: /var/backups/slipway}
    migrations:
      locations: [/srv/shop/migrations]
      phase: expand
    role: shop
    max_lock: 20
    max_duration: 1800
"""

RETURN = r"""
backup:
  description: The backup that was restored, as RV(slipway.deploy.database_backup#module:backup), and its C(age) in seconds.
  returned: success, not in check mode
  type: dict
  sample: {"id": "20261124T031500Z-5f1c2a", "age": 840}
pending:
  description: The migrations that were pending, in order.
  returned: success, not in check mode
  type: list
  elements: str
  sample: ["V13__stock.sql"]
applied:
  description: Those that were applied, as RV(slipway.deploy.migration_runner#module:applied) tells them.
  returned: success, not in check mode
  type: list
  elements: dict
  sample: [{"version": "13", "description": "stock", "script": "V13__stock.sql", "ms": 120, "transactional": true}]
seconds:
  description: That all of them took.
  returned: success, not in check mode
  type: float
  sample: 0.12
locks:
  description:
    - Locks that were held on tables that were there before, the longest first. A failure has them as C(evidence.rehearsal.locks) of
      RV(error).
  returned: success, not in check mode
  type: list
  elements: dict
  contains:
    relation:
      description: The table.
      type: str
    mode:
      description: The mode of the lock, as PostgreSQL calls it.
      type: str
    keeps_out:
      description: What others cannot do meanwhile.
      type: str
    seconds:
      description: For how long it was seen; see RV(resolution).
      type: float
    script:
      description: The migration; empty where the tool does not tell.
      type: str
    statement:
      description: What it was at when the lock was seen first.
      type: str
  sample:
    - relation: public.item
      mode: AccessExclusiveLock
      keeps_out: reads and writes
      seconds: 0.05
      script: V13__stock.sql
      statement: ALTER TABLE item ADD COLUMN stock integer
locks_measured:
  description: Whether locks are seen at all; with PostgreSQL they are.
  returned: success, not in check mode
  type: bool
  sample: true
resolution:
  description: Longest time between two looks in seconds. A lock may have been held for up to twice as much longer.
  returned: success, not in check mode
  type: float
  sample: 0.012
rewritten:
  description: Tables that were written anew, or emptied, and the bytes that their rows had.
  returned: success, not in check mode
  type: list
  elements: dict
  sample: [{"table": "public.item", "bytes": 81920}]
old_version:
  description: Where the version that is live could not be tried, and why. What it cannot live with is an error.
  returned: success, not in check mode
  type: list
  elements: dict
  sample: []
lint:
  description: What the lint says, as RV(slipway.deploy.migration_runner#module:lint).
  returned: success, not in check mode
  type: list
  elements: dict
  sample: []
actions:
  description: What was found, in words.
  returned: success
  type: list
  elements: str
  sample: ["1 migrations took 0.1 s on a copy restored from 20261124T031500Z-5f1c2a, 0.2 h old"]
error:
  description:
    - Why a release must not go on. C(cause) is V(rehearsal_failed), V(rehearsal_lock), V(rehearsal_slow), V(old_version_broken), or
      says why nothing could be tried.
  returned: failure
  type: dict
  sample: {"cause": "rehearsal_lock", "object": "V13__stock.sql", "wanted": "at most 1 s"}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_rehearsal import perform
from ansible_collections.slipway.deploy.plugins.module_utils.stages.rehearsal_arguments import MIGRATION_REHEARSAL


def main() -> None:
    run_module(MIGRATION_REHEARSAL, perform)


if __name__ == "__main__":
    main()
