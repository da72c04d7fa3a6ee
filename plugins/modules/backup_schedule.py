#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_schedule
short_description: Back a database up by a timer of systemd, and drill its restore by another one
version_added: "0.1.0"
author:
  - Slipway maintainers (@slipway)
description:
  - Keeps timers on a machine, which O(part) names. One takes a backup and proves it by restoring it, as
    M(slipway.deploy.database_backup) with O(ignore:state=present) does; the other restores the newest backup again and records
    the result.
  - What they say is in the journal of systemd. How fresh the backups are is shown by the playbook C(status), and with
    O(textfile_dir) by Prometheus.
  - The connection string stays on the machine, in a file that only its owner can read; with O(part=prove) there is none.
options:
  state:
    description: Whether there are such timers. Backups are never deleted by this.
    type: str
    choices: [present, absent]
    default: present
  platform:
    description: The platform whose database this is.
    type: str
    required: true
  environment:
    description: Its environment.
    type: str
    required: true
  root:
    description: Directory of Slipway's state.
    type: path
    default: /var/lib/slipway
  schedule:
    description: When a backup is taken, as a calendar event of systemd.
    type: str
    default: "*-*-* 03:00"
  drill:
    description: When the newest one is restored again.
    type: str
    default: monthly
  jitter:
    description: Seconds, of which each timer waits for a random part.
    type: float
    default: 900
  part:
    description:
      - V(take) keeps the timer that takes backups alone, and V(prove) two others on another machine that sees the same store.
        One looks every quarter of an hour whether the newest backup was restored, and restores it if not; the other is the
        drill. V(whole) is for a machine that does both.
      - Timers of another part are removed.
    type: str
    choices: [whole, take, prove]
    default: whole
  textfile_dir:
    description: Directory of the textfile collector of Prometheus' node exporter.
    type: path
  backup:
    description: Options of M(slipway.deploy.database_backup), which V(present) needs.
    type: dict
    default: {}
  url:
    description: Connection string of the database; without it C(slipway_database.url) of the site is used.
    type: str
    default: ""
  program:
    description: Directory of the engines on the machine; filled in by the action plugin.
    type: path
    default: ""
attributes:
  check_mode:
    support: full
    description: Says which files would be written, and writes nothing.
  diff_mode:
    support: full
    description: Shows the units; of the order only that it changes, since the connection string is in it.
"""

EXAMPLES = r"""
- name: Back the database up every night, and restore the newest backup every month
  slipway.deploy.backup_schedule:
    platform: shop
    environment: production
    url: "{{ vault_database_url }}"
    backup:
      name: shop-production
      store: {path: /var/backups/slipway}
      retention: {last: 3, daily: 14}
"""

RETURN = r"""
actions:
  description: Each file that was written or removed.
  returned: success
  type: list
  elements: str
  sample: [write /etc/systemd/system/slipway-backup-shop-production.timer]
error:
  description: What failed.
  returned: failure
  type: dict
  sample: {"cause": "bad_input", "object": "schedule or drill", "actual": "tomorrow-ish"}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.backup_schedule import perform
from ansible_collections.slipway.deploy.plugins.module_utils.stages.schedule_arguments import BACKUP_SCHEDULE


def main() -> None:
    run_module(BACKUP_SCHEDULE, perform)


if __name__ == "__main__":
    main()
