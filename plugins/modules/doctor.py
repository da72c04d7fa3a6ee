#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: Examine a machine for what releases need
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - Looks at Python, become, systemd, locale, clock, SELinux and AppArmor, control groups, the file system of the state, ports, the
    SSH server, a reboot that is due, names, the database and its programs, and certificates. Nothing is changed.
  - What every release looks at itself (room on disk, memory for two sides, free ports, engine, proxy) is read by
    M(slipway.deploy.release_state), and judged by M(slipway.deploy.doctor_report) with the rules of a release.
  - A machine that cannot be reached, or on which nothing can be run, is a finding and no failure.
options:
  config:
    description:
      - What M(slipway.deploy.config) returned as RV(slipway.deploy.config#module:config). The options below follow from it, where
        they are not given. Without it only what every machine needs is looked at.
    type: dict
    default: {}
  root:
    description: Directory of Slipway's state.
    type: path
    default: /var/lib/slipway
  names:
    description: Names that must have an address.
    type: list
    elements: str
    default: []
  publishes:
    description: Ports that services are published on.
    type: list
    elements: int
    default: []
  reaches:
    description: Addresses with a port, like V(10.1.2.3:5432), of the database.
    type: list
    elements: str
    default: []
  programs:
    description: Programs that must be there; V(mysqldump or mariadb-dump) means that one of them does.
    type: list
    elements: str
    default: []
  engine:
    description: Whether containers run here.
    type: bool
    default: false
  days:
    description: Certificates must still be valid for so many days.
    type: int
    default: 14
attributes:
  check_mode:
    support: full
    description: Only reads, with and without it.
  diff_mode:
    support: none
    description: Has nothing to show, because it changes nothing.
  idempotent:
    support: full
    description: The same machine gives the same answer.
seealso:
  - module: slipway.deploy.doctor_report
"""

EXAMPLES = r"""
- name: Examine the machine
  slipway.deploy.doctor:
    reaches: ["10.1.2.3:5432"]
    programs: [pg_dump, pg_restore, psql]
  register: found
"""

RETURN = r"""
findings:
  description: Everything that is wrong, errors first. C(severity) is V(error) where releases would be refused or fail.
  returned: always
  type: list
  elements: dict
  sample:
    - severity: warning
      topic: clock
      what: nobody keeps it
      actual: not synchronized
      wanted: synchronized with a time server
      why: Reports, backups and certificates bear its time.
      remedy: Run provision.
facts:
  description: What was read; empty where nothing could be.
  returned: always
  type: dict
  sample: {systemd: 252, locale: C.utf8}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.doctor import DOCTOR, perform


def main() -> None:
    run_module(DOCTOR, perform)


if __name__ == "__main__":
    main()
