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
  - As a stage of a release (O(release)) it writes the release's token into the database, and one with an older token may change
    nothing there any more.
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
      - V(replayed) applies nothing. It waits until each of O(replicas) has replayed all that the database has committed before. In
        check mode it only looks whether the database is reached past a pooler, and whether each can be asked, and follows it.
    type: str
    choices: [latest, target, status, undone, baselined, repaired, replayed]
    default: latest
  tool:
    description:
      - What the migrations are written for. V(sql) is plain SQL with the names of Flyway, applied by this module itself.
      - The others are programs of their own, started while this module holds the same lock, and read by the same history before and
        after. V(alembic) and V(django) are asked within the project's own Python, V(knex) within Node.js; V(flyway) and
        V(liquibase) by their command lines. V(command) is anything else.
    type: str
    choices: [sql, command, alembic, django, flyway, liquibase, knex]
    default: sql
  project:
    description: Where the migrations of a tool other than V(sql) are, and how it is started.
    type: dict
    suboptions:
      directory:
        description: The directory that the tool works in.
        type: path
      program:
        description:
          - What starts it, as a list of words. By default C(python3) for V(alembic) and V(django), C(node) for V(knex), and
            C(flyway) and C(liquibase) for those.
          - For V(alembic) and V(django) it is the interpreter of the project, such as C(/srv/shop/venv/bin/python).
        type: list
        elements: str
      config:
        description:
          - C(alembic.ini), or the directory of its scripts; the settings module of Django; a file of settings for Flyway, such as
            C(flyway.conf); the changelog of Liquibase; C(knexfile.js).
          - By default C(alembic.ini), C(changelog.xml) and C(knexfile.js), and for Django what C(DJANGO_SETTINGS_MODULE) says.
        type: str
      environment:
        description: Variables for it. They are no place for secrets, which a result would show.
        type: dict
        default: {}
      url_variable:
        description: The variable in which it finds the connection string, as C(postgresql://…).
        type: str
        default: DATABASE_URL
      apply:
        description: For V(command), the command that applies all that is pending, as a list of words. It ends with 0 when it has.
        type: list
        elements: str
      pending:
        description:
          - For V(command), the command that tells whether something is pending. It ends with 0 where nothing is, with one of
            O(project.pending_rc) where something is, and prints a line for each.
        type: list
        elements: str
      pending_rc:
        description: Exit statuses of O(project.pending) that mean that something is pending. Any other one is an error.
        type: list
        elements: int
        default: [1]
      preview:
        description: For V(command), a command that prints the SQL that would run, for check mode.
        type: list
        elements: str
  run_in:
    description:
      - Where the tool is, of those that are programs of their own. V(host) is the machine that the task runs on.
      - V(container) runs it in containers of an image, one after the other, each for a question or for all that is applied. They
        are no side's, and gone afterwards; of a run that failed the last one is kept, named in the message, and removed by the
        next run. It needs the docker SDK and the client of the Docker Engine on the machine, and C(sh) in the image.
    type: str
    choices: [host, container]
    default: host
  container:
    description: What the containers of O(run_in=container) are made of, in the words of a service.
    type: dict
    suboptions:
      image:
        description: That of the new version, with the migrations and their tool. Its entrypoint is not run.
        type: str
        required: true
      pull:
        description: When to pull it. In check mode it never is.
        type: str
        choices: [missing, always, never]
        default: missing
      env:
        description: Variables. Whoever may talk to the Docker Engine can read them.
        type: dict
        default: {}
      secrets:
        description: Names out of O(secrets), each a file C(/run/secrets/NAME) and named by C(NAME_FILE).
        type: list
        elements: str
        default: []
      env_secrets:
        description: Names out of O(secrets), each a variable that only the program itself is told.
        type: list
        elements: str
        default: []
      network:
        description:
          - A network of Docker. By default that of the machine, so that O(url) means the same for this module and for the tool.
          - In another one O(url) must lead to the database from both.
        type: str
      mounts:
        description: Directories of the machine that it may read, under their own names.
        type: list
        elements: path
        default: []
      keywords:
        description: Other keywords of the docker SDK, such as C(mem_limit), C(user) or C(volumes).
        type: dict
        default: {}
  secrets:
    description:
      - A JSON object of the secrets that O(container) names, encoded in base64. The action plugin makes it of C(slipway_secrets)
        or of a dictionary given here.
      - They are in files in memory while the tool runs, and in no argument.
    type: str
    default: ''
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
    description:
      - Directories with migrations, those below them included. O(tool=sql) and O(tool=flyway) need it, or O(path) instead.
    type: list
    elements: path
  path:
    description:
      - A directory on the controller, below C(slipway_site_dir) unless it is absolute. Its files are sent to the machine, which
        has them for as long as it works, and they are what O(locations) or O(project.directory) would name there.
    type: str
  files:
    description: What O(path) holds. The action plugin fills it in.
    type: dict
    suboptions:
      name:
        description: What messages call that directory.
        type: str
        required: true
      content:
        description: The files, packed.
        type: str
        required: true
  site:
    description:
      - What the playbooks know of the migrations, C(release_plan.target) in a release. It has C(platform), C(environment),
        C(state_root), and under C(migrations.options) what C(slipway_migrations) says. Options that the task leaves out are
        taken from it.
    type: dict
  here:
    description: Whether this machine is the one that migrates. The others of a release only renew its lock.
    type: bool
    default: true
  target:
    description:
      - A version, such as V(1.2), for O(state). Of other tools a revision of Alembic, V(app.0003) or V(app.zero) of Django, the id
        of a changeset, or a file's name of Knex.
    type: str
  phase:
    description:
      - Only those of one phase.
      - >-
        A migration is of phase V(expand) unless C(-- slipway: phase=contract) or C(-- slipway: phase=backfill) is written above its
        first statement.
      - With O(tool=sql) a backfill is one statement that is run again and again, each time for as many rows as C(${slipway:batch})
        says, in a transaction of its own, until it changes none. Cut off anywhere, it goes on with the next run.
      - V(contract) is refused while a backfill with a lower version is not done.
    type: str
    choices: [expand, contract, backfill, all]
    default: all
  lint:
    description:
      - What is done about statements of pending migrations that break the version which still runs, or keep others from a table
        for long. They are looked at before anything is applied.
      - V(refuse) applies nothing then, and names the safe way. V(warn) applies and warns. V(off) does not look.
      - By default V(warn) where O(phase) is V(all), and V(refuse) where it is one phase.
      - >-
        C(-- slipway: phase=expand) above the first statement of a migration allows what would break the version that runs,
        C(-- slipway: phase=contract) lets it wait for a run of that phase, and C(-- slipway: allow=RULE reason=…) allows what one
        rule finds. Each is told in RV(lint).
      - With O(state=status) it only tells; in check mode it refuses as the run would. With O(state=undone), O(state=baselined) and
        O(state=repaired) it does not look.
    type: str
    choices: [refuse, warn, 'off']
  lint_squawk:
    description:
      - The program C(squawk), asked as well where O(engine) is V(postgresql). By default the one on the path; where there is none,
        the collection's own rules alone. Empty to do without.
    type: str
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
  contracted:
    description:
      - Migrations of phase contract that have been applied, the name of each by its version, as the journal knows them. A version
        of the program that does not have them needs the schema as it was, and nothing is applied for it.
    type: dict
    default: {}
  proven:
    description: Whether the release leans on a proven backup. Without one it applies nothing, unless O(waive) says why.
    type: bool
    default: true
  waive:
    description:
      - Why there is no backup. It stands in the journal of the release.
      - With O(state=replayed), why replicas that cannot be asked, or are behind after O(replica_wait), are passed over.
    type: str
    default: ''
  schema:
    description: The schema to work in; by default the connection's own. For MySQL and MariaDB it is the database.
    type: str
  table:
    description:
      - Name of the history's table. By default what the tool calls it, C(flyway_schema_history) for O(tool=sql). Alembic's has to
        be named here where C(env.py) gives it another name.
    type: str
  encoding:
    description: Of the files, unless a C(.conf) beside one says another.
    type: str
    default: UTF-8
  placeholders:
    description:
      - Values by the names of placeholders such as C(${name}). One without a value is an error.
      - They are shown in check mode and in what is said of an error, so they are no place for secrets.
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
    description: Seconds that a statement may take before it is ended; 0 for no limit.
    type: float
    default: 0
  timeout:
    description:
      - Seconds for the whole run, waiting for locks included; 0 for no limit. What is at work then is ended, and nothing more is
        begun; what was applied before stays. A tool other than V(sql) is ended with all that it has started.
    type: float
    default: 0
  replicas:
    description:
      - For O(state=replayed), connection strings of replicas that the platform reads from. By default
        C(slipway_database.replicas).
      - Each is asked itself, so one behind another replica is seen as well. The user needs no more than to log in; of MariaDB and
        MySQL more can be said of one that is behind with C(SLAVE MONITOR), C(REPLICATION CLIENT).
    type: list
    elements: str
    default: []
  replica_wait:
    description: For O(state=replayed), seconds until the run fails because of a replica that is still behind, or away.
    type: float
    default: 300
extends_documentation_fragment:
  - slipway.deploy.stage
  - slipway.deploy.stage.perhaps
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

- name: Apply what Django has, as the program's own Python
  slipway.deploy.migration_runner:
    tool: django
    url: "{{ vault_database_url }}"
    project:
      directory: /srv/shop/app
      program: [/srv/shop/venv/bin/python]
      config: shop.settings

- name: Apply what Django has, in the image of the new version
  slipway.deploy.migration_runner:
    tool: django
    run_in: container
    container:
      image: registry.example.com/shop/backend:1.4.2
      secrets: [SECRET_KEY]
    url: "{{ vault_database_url }}"
    project:
      config: shop.settings

- name: Fill what an earlier version has left empty, a thousand rows at a time, for an hour at most
  slipway.deploy.migration_runner:
    phase: backfill
    timeout: 3600
    url: "{{ vault_database_url }}"
    locations: [/srv/shop/migrations]

- name: Wait until a replica has replayed it, for a minute at most
  slipway.deploy.migration_runner:
    state: replayed
    url: "{{ vault_database_url }}"
    replicas: ["{{ vault_replica_url }}"]
    replica_wait: 60

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
    rows:
      description: Rows that a backfill has changed, in all its runs; 0 of others.
      type: int
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
replicas:
  description: Those that have replayed all, each with C(name), the C(position) that it was at, and the C(seconds) that it took.
  returned: O(state=replayed)
  type: list
  elements: dict
  sample: [{name: "db2:5432", position: 0/3000148, seconds: 0.4}]
passed_over:
  description: Those that have not, each with what is wrong with it, where O(waive) says why nobody waits for them.
  returned: O(state=replayed)
  type: list
  elements: str
  sample: []
recorded:
  description: Whether there is a history.
  returned: success
  type: bool
  sample: true
lint:
  description:
    - What the lint has found in the migrations that are pending, in order. With O(state=status) and in check mode as well.
  returned: success
  type: list
  elements: dict
  contains:
    script:
      description: The migration.
      type: str
    line:
      description: Where in it.
      type: int
    rule:
      description: Name of the rule, for C(allow=).
      type: str
    class:
      description: V(contract) for what breaks the version that still runs, V(unsafe_lock) for what keeps others from a table.
      type: str
    message:
      description: What the statement does.
      type: str
    recipe:
      description: The safe way.
      type: str
    overruled:
      description: The annotation that allows it; empty where none does.
      type: str
  sample:
    - script: V13__drop_price.sql
      line: 2
      rule: drop-column
      class: contract
      message: drops the column item.price, which the version that still runs may read or write
      recipe: Release a version that neither reads nor writes price (no SELECT *, either); …
      overruled: phase=contract
lint_by:
  description: Who has looked. Empty where nothing was looked at.
  returned: success
  type: list
  elements: str
  sample: [slipway, squawk 2.70.0]
phases:
  description: What its statements make each pending migration, V(expand) or V(contract), whatever it says of itself.
  returned: success
  type: dict
  sample: {"V13__drop_price.sql": "contract"}
actions:
  description: What was done, or would be, in words.
  returned: success
  type: list
  elements: str
  sample: ["applied V12__add_price.sql in 4 ms"]
table:
  description: The same as RV(migrations), for a terminal.
  returned: with O(state=status)
  type: list
  elements: str
  sample: ["at 12: 1 pending", "  success    V12__add_price.sql", "  pending    V13__stock.sql"]
lock_wait_ms:
  description: Milliseconds that others who migrate the same database were waited for.
  returned: success, not in check mode
  type: int
  sample: 0
history:
  description: What would be done to the history itself, in words.
  returned: in check mode and with O(state=status)
  type: list
  elements: str
  sample: ["V12__add_price.sql: its line is taken back, as if it had not been begun"]
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
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform


def main() -> None:
    run_module(MIGRATION_RUNNER, perform)


if __name__ == "__main__":
    main()
