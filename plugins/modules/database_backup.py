#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: database_backup
short_description: Back a database up, and prove the backup by restoring it
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
description:
  - Takes a backup of a database in one moment of it, keeps it with checksums and a manifest, and proves that it can be
    restored by restoring it. With O(verify=restore) a throw-away server with a data directory of its own gets the
    restored copy. Its objects, the number of rows of every table and a sample of them are compared with what the
    database had at the very moment of the dump; then it is gone.
  - A backup that was cut off leaves nothing that looks like one, and the next run clears up after it. The backups that
    there were are never touched by one that fails.
  - The retention can never delete the last verified backup, nor one whose manifest is damaged or lost.
  - With O(physical), backups of a whole PostgreSQL cluster are taken by pgBackRest, whose stanza, archive and retention are its
    own. They are proven by restoring them up to a restore point made now, as a throw-away cluster.
  - With O(snapshot), the storage makes snapshots of the whole cluster. They are proven by a throw-away server on a clone.
  - Runs on the machine that the task runs on, which needs the programs of the database, C(zstd) or C(gzip) as
    O(compression) says, C(age) for O(encryption), and the Python package C(psycopg2) for PostgreSQL, C(PyMySQL)
    for MySQL and MariaDB.
extends_documentation_fragment:
  - slipway.deploy.backups.whole_clusters
  - slipway.deploy.backups.stored
  - slipway.deploy.stage
  - slipway.deploy.stage.perhaps
options:
  state:
    description:
      - V(present) sees to it that there is a backup as O(verify) and O(max_age) say, then applies O(retention).
      - V(verified) proves the backup O(id) again, as O(verify) says, unless that was done within O(max_age).
      - V(absent) deletes the backup O(id), unless it is the last verified one or pinned.
      - V(restored) restores the backup O(id) as the new database O(into), or in the place of the live one. Either has its name
        only when the copy is whole and was compared with what was backed up. The live database goes on until the copy is
        ready; then connections are ended, sequences advanced past the live ones, and both names change at once. The replaced
        database stays under another name. Those of MySQL and MariaDB change places by their tables.
      - V(restored) with O(into_dir) brings a whole cluster back to a moment, in a directory of its own; see O(physical) and
        O(snapshot).
      - V(recovered) opens a live database again that a restore had closed to connections before it was cut off.
      - V(reached) sees that backups can be proven on this machine, by leaving RV(mark) in O(store), for a machine that takes
        them. With O(mark) it sees that this machine has the same store.
      - V(listed) only reads.
    type: str
    choices: [present, absent, verified, restored, recovered, reached, listed]
    default: present
  engine:
    description: What kind of database it is. A server of MariaDB is V(mariadb) and none of V(mysql), whatever the url begins with.
    type: str
    choices: [postgresql, mysql, mariadb, sqlite]
    default: postgresql
  name:
    description: Name of the target; its backups are in a place of this name in the store.
    type: str
    required: true
  target:
    description:
      - What the playbooks know of the backups, C(release_plan.target) in a release. It has C(platform), C(environment),
        C(state_root), C(keep), and under C(backup) what C(slipway_database.backup) has. Options that the task leaves out are
        taken from it, but for O(name), O(max_age), O(in_release_max), O(scheduled_max_age) and O(waive).
    type: dict
  here:
    description: Whether this is the machine that takes the backup. In a release the others only renew their lease.
    type: bool
    default: true
  mark:
    description:
      - What O(state=reached) has just returned on the machine that will prove the backups. Where it is not in O(store), the two
        machines do not see the same one, and this fails before anything is taken.
    type: str
  url:
    description:
      - Required wherever the database is asked, which is everywhere but in O(state=reached), and in O(state=verified) without
        O(physical) and O(snapshot). There it is not even sent. Without it C(slipway_database.url) of the site is used.
      - Connection string, for PostgreSQL as C(postgresql://user:password@host:5432/database) or as keywords; for MySQL
        and MariaDB as C(mysql://user:password@host:3306/database), whose query may have C(socket), C(ssl-ca), C(ssl-cert),
        C(ssl-key), C(ssl-verify-server-cert) and C(ssl); for SQLite the path of its file, which C(sqlite:///) may precede.
      - The password is handed to the programs in a file that only this user can read, never on a command line.
    type: str
  method:
    description:
      - What a backup is, where there are others than dumps. V(auto) takes a dump in a release while that and its restore fit
        into O(in_release_max). Beyond that it is V(physical) with O(physical), V(snapshot) with O(snapshot), and V(incremental)
        with MySQL and MariaDB where the newest dump has a place in a binary log of rows.
      - A physical backup is never taken in a release. It leans on the newest one that was restored and is not older than
        O(scheduled_max_age), and makes RV(restore_point). So does V(snapshot), whose restore point is another snapshot.
      - V(incremental) leans on the newest dump that was restored with the binary logs after it replayed, and is not older than
        O(scheduled_max_age). It copies every binary log since into O(store), and makes RV(restore_point). It needs
        C(binlog_format=ROW) and the rights C(REPLICATION SLAVE), C(BINLOG MONITOR) (MySQL C(REPLICATION CLIENT)) and
        C(RELOAD). The logs go with their dump.
    type: str
    choices: [auto, logical, physical, snapshot, incremental]
    default: auto
  id:
    description:
      - A backup, by the id that RV(backups) tells; V(latest) for O(state=verified) and O(state=restored) is the newest.
      - With O(platform) and O(environment) also the id or the version of a release, for the backup that it was made on.
    type: str
  into:
    description: With O(state=restored), the name of a database to make. Without it the live one is replaced.
    type: str
  into_dir:
    description:
      - With O(state=restored) and O(physical), the data directory to make for a cluster of its own. It is started once, on a
        socket of its own, to see that it comes up, and left stopped; it archives no WAL.
      - With O(snapshot), where the clone is made that stays.
      - The live cluster is not touched, and need not run.
    type: path
  target_time:
    description:
      - With O(into_dir), the moment to bring it back to, with its offset from UTC, such as V(2026-11-24 03:15:00+00:00).
      - With MySQL and MariaDB, the moment up to which binary logs bring the restored dump on.
      - Without any target, and with a release as O(id), it is the restore point of that release; else the end of the WAL.
    type: str
  target_name:
    description:
      - With O(into_dir), and with MySQL and MariaDB, the name of a restore point, such as that of RV(restore_point). That of a
        snapshot is its id.
    type: str
  target_lsn:
    description: With O(into_dir), a place in the WAL.
    type: str
  confirm:
    description: With O(state=restored) without O(into), the name of the live database, said once more.
    type: str
  safety_backup:
    description:
      - Take a backup of the live database before it is replaced. Without it a database that cannot be backed up any more
        can be replaced too.
    type: bool
    default: true
  verify:
    description:
      - How a backup is proven. V(none) only that all bytes were written; V(read) that the stored bytes are those that were
        written, can be decrypted and decompressed, and are a dump from beginning to end.
      - V(restore) that it restores to what was backed up. A backup alone never proves that. Of MySQL and MariaDB the binary logs
        since are replayed, too, where O(method) lets a release lean on them, and compared with what the database has at their end.
    type: str
    choices: [none, read, restore]
    default: restore
  max_age:
    description: Seconds. A backup, or a proof, not older than this makes another one needless. By default none is.
    type: float
    default: 0
  bin_dir:
    description:
      - Directory of the database's programs. By default those of the oldest version on the machine that is not older than
        the server.
    type: path
  run_in:
    description:
      - Where the programs of PostgreSQL, MySQL or MariaDB are, unless this machine has them itself. The client of a Docker
        Engine of this very machine must be there. O(bin_dir) is a directory in the image or the container then.
      - The password is handed over by a pipe into the memory of the container. It is in no argument, no environment and no
        file, and C(docker inspect) does not tell it.
      - A program ends with this module, even when that is killed.
      - pgBackRest, compression and encryption are always this machine's.
    type: dict
    suboptions:
      image:
        description:
          - An image, usually the one that the database itself runs from. Each program is run in a container of its own with
            the network of the machine, and so is the throw-away server of O(verify=restore), without a network. Files that
            O(url) names are seen by the container, others such as C(~/.pgpass) are not.
          - It is pulled where the machine does not have it, before anything is written. With check mode it is not, and what
            its programs are is not known then.
        type: str
      container:
        description:
          - A container that runs, usually the database's own. The programs are run in it by C(docker exec), so what O(url)
            names must be right in there, too, such as a port that is published under its own number.
          - What reads or writes files of this machine, such as C(format=directory), and the throw-away server are run in
            containers of their own, out of the same image.
        type: str
  scratch_dir:
    description: Where a restored copy is kept while it is compared; it needs room for the whole database.
    type: path
    default: /var/tmp
  lock_wait:
    description: Seconds to wait for another backup of the same target on this machine.
    type: float
    default: 0
  in_release_max:
    description:
      - Seconds that taking and restoring a backup may take, judged by what earlier ones took. Where it would take longer,
        a scheduled one that was restored and is not older than O(scheduled_max_age) is enough; without one this fails.
      - Without this option a backup may take as long as it takes.
    type: float
  scheduled_max_age:
    description: Seconds, for O(in_release_max).
    type: float
    default: 86400
  waive:
    description: Why no backup is taken at all; with O(release) it is written into the journal.
    type: str
    default: ""
  keep:
    description:
      - With O(platform) and O(environment), backups that so many of the last releases were made on stay, as if O(pinned).
    type: int
    default: 3
attributes:
  check_mode:
    support: full
    description: Looks at the database and the store, says what would be done, and writes nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: A backup from now that has been restored, and what is older than two weeks gone
  slipway.deploy.database_backup:
    name: shop
    url: "{{ vault_database_url }}"
    store: {path: /var/backups/slipway}
    retention: {last: 3, days: 14, monthly: 12}

- name: The same of a MariaDB database
  slipway.deploy.database_backup:
    name: shop
    engine: mariadb
    url: "mariadb://backup:{{ vault_database_password | urlencode }}@127.0.0.1:3306/shop"
    store: {path: /var/backups/slipway}

- name: A database that runs in a container, on a machine without its programs
  slipway.deploy.database_backup:
    name: shop
    url: "{{ vault_database_url }}" # to the port that the container publishes
    store: {path: /var/backups/slipway}
    run_in: {image: "postgres:15"}

- name: Only when there is no verified one of the last hour
  slipway.deploy.database_backup:
    name: shop
    url: "{{ vault_database_url }}"
    store: {path: /var/backups/slipway}
    max_age: 3600

- name: Drill with the newest one
  slipway.deploy.database_backup:
    state: verified
    name: shop
    url: "{{ vault_database_url }}"
    store: {path: /var/backups/slipway}
    id: latest

- name: The same on a machine that has nothing but the store
  slipway.deploy.database_backup:
    state: verified
    name: shop
    store: {kind: s3, bucket: shop-backups}
    id: latest
    max_age: 86400

- name: Look into the newest one, beside the live database
  slipway.deploy.database_backup:
    state: restored
    id: latest
    into: shop_look
    name: shop
    url: "{{ vault_database_url }}"
    store: {path: /var/backups/slipway}

- name: Go back to it
  slipway.deploy.database_backup:
    state: restored
    id: latest
    confirm: shop
    name: shop
    url: "{{ vault_database_url }}"
    store: {path: /var/backups/slipway}

- name: One that another cloud keeps
  slipway.deploy.database_backup:
    name: shop
    url: "{{ vault_database_url }}"
    store: {kind: s3, bucket: shop-backups, endpoint: "https://objects.example.com"}
    encryption: {recipients: ["{{ backup_recipient }}"], identity: /root/backup.key}

- name: A backup of the whole cluster by pgBackRest, proven by restoring it up to now
  slipway.deploy.database_backup:
    name: shop
    url: "{{ vault_database_url }}"
    physical: {stanza: shop}

- name: The cluster as it was then, in a directory of its own
  slipway.deploy.database_backup:
    state: restored
    id: latest
    into_dir: /srv/look
    target_time: "2026-11-24 03:15:00+00:00"
    name: shop
    url: "{{ vault_database_url }}"
    physical: {stanza: shop}

- name: A snapshot that was proven, where a dump would take too long
  slipway.deploy.database_backup:
    name: shop
    url: "{{ vault_database_url }}"
    store: {path: /var/backups/slipway}
    method: snapshot
    snapshot:
      create: [zfs, snapshot, "tank/pg@{name}"]
      clone: [zfs, clone, -o, "mountpoint={path}", "tank/pg@{name}", "tank/{name}"]
      unclone: [zfs, destroy, "tank/{name}"]
      remove: [zfs, destroy, "tank/pg@{name}"]
      list: [zfs, list, -H, -t, snapshot, -o, name, -r, tank/pg]
      data: main

- name: What is there
  slipway.deploy.database_backup:
    state: listed
    name: shop
    url: "{{ vault_database_url }}"
    store: {path: /var/backups/slipway}
"""

RETURN = r"""
actions:
  description: Each thing that was done and why, in words; with check mode what would be done.
  returned: success
  type: list
  elements: str
  sample: ["backed up shop of db1 as 20261124T031500Z-0a1b2c: 73400320 bytes, 9120332 stored"]
backup:
  description: The backup that was taken, proven, or found to be fresh.
  returned: with O(state=present) and O(state=verified)
  type: dict
  sample:
    id: 20261124T031500Z-0a1b2c
    verified_by: restore
    restore_seconds: 4.2
    replayed: ""
    size: 9120332
    plain_size: 73400320
    seconds: 3.1
    throughput: 23677522
    position: 0/1A2B3C4
    server: "15.18"
    client: "15.18"
backups:
  description: All backups of the target, oldest first, described as RV(backup).
  returned: success
  type: list
  elements: dict
  sample: []
damaged:
  description: Backups whose manifest is damaged or lost. They are neither used nor deleted.
  returned: when there are any
  type: list
  elements: dict
  contains:
    id:
      description: Its id.
      type: str
    cause:
      description: C(manifest_damaged), C(manifest_lost) or C(manifest_newer).
      type: str
    message:
      description: What is wrong with it.
      type: str
    remedy:
      description: What to do about it.
      type: str
  sample: []
table:
  description: One line a backup, for a terminal.
  returned: with O(state=listed)
  type: list
  elements: str
  sample: ["20261124T031500Z-0a1b2c  5.2 h old  8.7 MiB  restored in 4.2 s"]
restore_point:
  description: What a release that leans on a physical backup, a snapshot, or binary logs after a dump, can be undone to.
  returned: with O(release) or O(in_release_max), where one of those is leaned on
  type: dict
  sample:
    name: slipway_1.4.2-20261124T101500Z-3fa9
    lsn: 0/1A2B3C4
    segment: "000000010000000000000001"
    at: 1795860012.5
    backup: 20261124-031500F
why:
  description: Why it is a dump, a physical backup, or binary logs after a dump.
  returned: with O(state=present), where there are others than dumps
  type: str
  sample: "physical: a dump and its restore will take about 5120 s (by what b1 took), and a release waits 300 s"
mark:
  description: What was left in the store, for O(mark) on another machine.
  returned: with O(state=reached) without O(mark), not in check mode
  type: str
  sample: mark-1795860012-0a1b2c3d
waived:
  description: Why no backup was taken.
  returned: with O(waive)
  type: str
  sample: the database is empty still
error:
  description: What failed.
  returned: failure
  type: dict
  sample: {"cause": "client_too_old", "object": "pg_dump", "actual": "13.4", "wanted": "15 or newer"}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.stages.database_backup import perform


def main() -> None:
    run_module(DATABASE_BACKUP, perform)


if __name__ == "__main__":
    main()
