# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and their proofs by the engine, in a process that tells how much memory it had: DIRECTORY LAYOUT JOBS [SECONDS].

The URL is on standard input. Without SECONDS it is one backup, else one after the other for so long.
"""

from __future__ import annotations

import json
import sys
import time

from ansible_collections.slipway.deploy.plugins.module_utils.backup import retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from .peak import peak


def main(directory: str, layout: str, jobs: str, seconds: str = "0") -> None:
    """Back up, and print what the last backup took."""
    system, url = System(), sys.stdin.read()
    scratch, closed = f"{directory}/scratch", f"{directory}/closed"
    engine = PostgreSQL(url, system, scratch_dir=scratch, closed_file=closed, layout=layout, jobs=int(jobs))
    keeper = Keeper(engine, LocalStore(f"{directory}/store", system), Codec(), system)
    ends, count, backup = time.monotonic() + float(seconds), 0, None
    while backup is None or time.monotonic() < ends:
        started = time.monotonic()
        backup = keeper.present(Order("restore", 0, retention.Policy(last=1))).backup
        assert backup is not None
        count += 1
    about = {
        "seconds": backup.manifest.seconds,
        "restore": backup.restore_seconds or 0.0,
        "whole": time.monotonic() - started,
        "plain": backup.manifest.parts["dump"].plain_size,
        "stored": backup.manifest.size,
        "memory": peak(),
        "count": count,
    }
    print(json.dumps(about))


if __name__ == "__main__":
    main(*sys.argv[1:])
