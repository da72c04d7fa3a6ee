#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: migration_runner
short_description: Apply the migrations of a database's schema, each exactly once
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
description:
  - Applies migrations that are pending, in order, one run at a time on a database however many begin at once. Each is applied
    together with its line in the history, both or neither, where its statements can be in a transaction.
  - A migration that cannot (C(CREATE INDEX CONCURRENTLY), every change of a table in MySQL) is written down as begun before it
    begins. One that failed or was cut off is dirty then, and nothing more is applied until O(state=repaired).
  - With O(tool=sql), files, checksums and history are those of Flyway 10, so a project can move from one to the other and back.
    What Flyway skips without a word (misnamed files, callbacks, programs) is an error here.
  - Runs on the machine that the task runs on, which needs the Python package C(psycopg2) for PostgreSQL and C(PyMySQL) for MySQL
    and MariaDB.
options:
  state:
    description:
      - V(latest) applies all that is pending, V(target) those up to and with the version O(target).
      - V(status) tells what is applied and pending, and changes nothing.
      - V(undone) runs the undo scripts of all versions above O(target), or without one of the last version alone. Nothing is
        undone where one of them has no script.
      - V(baselined) begins the history of a database that has tables already, at the version O(target), or 1.
      - V(repaired) takes back the lines of what failed or was cut off, takes the checksums of the files for true, and notes
        migrations whose files are gone as deleted. Look first what of a dirty migration is in the database.
    type: str
    choices: [latest, target, status, undone, baselined, repaired]
    default: latest
  tool:
    description: What the migrations are written for. V(sql) is plain SQL with the names of Flyway.
    type: str
    choices: [sql]
    default: sql
  engine:
    description: The kind of database.
    type: str
    choices: [postgresql, mysql, mariadb, sqlite]
    default: postgresql
  url:
    description:
      - Connection string of the database (C(postgresql://…), C(mysql://…)), or the path of a SQLite file. By default
        C(slipway_database.url).
      - It must lead to the server itself. A pooler that lends out connections for a transaction each is noticed and refused,
        since a lock of a session means nothing there.
    type: str
  locations:
    description: Directories with migrations, those below them included.
    type: list
    elements: path
    required: true
  target:
    description: A version, such as V(1.2), for O(state).
    type: str
  phase:
    description:
      - Only those of one phase.
      - >-
        A migration is of phase V(expand) unless C(-- slipway: phase=contract) is written above its first statement.
    type: str
    choices: [expand, contract, all]
    default: all
  out_of_order:
    description: Whether versions below the highest one that is applied may still be applied.
    type: bool
    default: false
  compatible:
    description:
      - Scripts that a later version of the program has applied and this one can live with, beside those above all files here,
        which are always taken for that. Others that are applied and have no file are errors.
    type: list
    elements: str
    default: []
  schema:
    description: The schema to work in; by default the connection's own. For MySQL and MariaDB it is the database.
    type: str
  table:
    description: Name of the history's table.
    type: str
    default: flyway_schema_history
  encoding:
    description: Of the files, unless a C(.conf) beside one says another.
    type: str
    default: UTF-8
  placeholders:
    description: Values by the names of placeholders such as C(${name}). One without a value is an error.
    type: dict
    default: {}
  placeholder_prefix:
    description: What a placeholder begins with, C(${) by default.
    type: str
  placeholder_suffix:
    description: What a placeholder ends with, C(}) by default.
    type: str
  lock_wait:
    description: Seconds to wait for another run on the same database.
    type: float
    default: 60
  lock_timeout:
    description:
      - Seconds that a statement may wait for a lock, as all that comes after it waits behind it. 0 for the server's own.
    type: float
    default: 1
  retry:
    description:
      - Seconds for which a migration that waited too long for a lock is tried again, after pauses that grow.
    type: float
    default: 60
  statement_timeout:
    description: Seconds that a statement may take; 0 for no limit. MySQL (not MariaDB) ends only what reads.
    type: float
    default: 0
  timeout:
    description: Seconds after which a migration that waits for a lock is not tried again; 0 for no limit.
    type: float
    default: 0
  platform:
    description: The platform whose database this is.
    type: str
  environment:
    description: Its environment.
    type: str
  root:
    description: Directory of Slipway's state.
    type: path
    default: /var/lib/slipway
  release:
    description:
      - The release that this is a stage of. Needs O(platform) and O(environment). Its token is written into the database, and
        a release with an older one may change nothing there any more.
    type: dict
    suboptions:
      id:
        description: Its id.
        type: str
        required: true
      token:
        description: Its fencing token.
        type: int
        required: true
      holder:
        description: Who runs it; the action plugin says.
        type: dict
        default: {}
      stage:
        description: Name of the stage.
        type: str
        default: migrate
      deadline:
        description: Seconds for the stage.
        type: float
        required: true
attributes:
  check_mode:
    description: Can run without changing anything; tells the exact SQL as RV(sql). Not even the history's table is made.
    support: full
  diff_mode:
    description: Shows the SQL that would run.
    support: full
"""

EXAMPLES = r"""
- name: Apply all that is pending
  slipway.deploy.migration_runner:
    url: "{{ vault_database_url }}"
    locations: [/srv/shop/migrations]

- name: Tell what is pending
  slipway.deploy.migration_runner:
    state: status
    url: "{{ vault_database_url }}"
    locations: [/srv/shop/migrations]
  register: migrations

- name: Begin with a database that has tables already
  slipway.deploy.migration_runner:
    state: baselined
    target: "12"
    url: "{{ vault_database_url }}"
    locations: [/srv/shop/migrations]

- name: Undo all after 1.4
  slipway.deploy.migration_runner:
    state: undone
    target: "1.4"
    url: "{{ vault_database_url }}"
    locations: [/srv/shop/migrations]
"""

RETURN = r"""
current_before:
  description: The highest version that was applied before; empty when none was.
  returned: success
  type: str
  sample: "11"
current_after:
  description: The highest version that is applied now.
  returned: success
  type: str
  sample: "12"
applied:
  description: What was applied, or undone, in order.
  returned: success
  type: list
  elements: dict
  contains:
    version:
      description: Its version; empty for a repeatable one.
      type: str
    description:
      description: Its description.
      type: str
    script:
      description: Its file.
      type: str
    checksum:
      description: Of its file.
      type: int
    ms:
      description: Milliseconds.
      type: int
    transactional:
      description: Whether it was applied as a whole.
      type: bool
  sample:
    - {version: "12", description: add price, script: V12__add_price.sql, checksum: -569408438, ms: 4, transactional: true}
pending:
  description: What is to be applied, described as RV(migrations).
  returned: success
  type: list
  elements: dict
  sample: []
ahead:
  description: What a later version of the program has applied.
  returned: success
  type: list
  elements: dict
  sample: []
dirty:
  description: What was begun outside a transaction and did not end well.
  returned: success
  type: list
  elements: dict
  sample: []
problems:
  description: Why nothing can be applied as it is.
  returned: success
  type: list
  elements: dict
  sample: []
migrations:
  description: All that files or history know, the applied ones first.
  returned: success
  type: list
  elements: dict
  sample:
    - {kind: versioned, version: "12", description: add price, script: V12__add_price.sql, state: success, rank: 14}
recorded:
  description: Whether there is a history.
  returned: success
  type: bool
  sample: true
lock_wait_ms:
  description: Milliseconds that others who migrate the same database were waited for.
  returned: success, not in check mode
  type: int
  sample: 0
sql:
  description: The SQL that would run.
  returned: in check mode
  type: str
  sample: "-- V12__add_price.sql\nALTER TABLE item ADD COLUMN price integer;\n"
error:
  description: What failed. Its evidence has the script, the line, the database's own code, and what was applied before.
  returned: failure
  type: dict
  sample: {"cause": "migration_failed", "object": "V12__add_price.sql line 3", "actual": "relation \"item\" does not exist"}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform


def main() -> None:
    run_module(MIGRATION_RUNNER, perform)


if __name__ == "__main__":
    main()
