# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup by the engine, whose process tells how much memory it had: STORE VERIFY [SECONDS], the URL on standard input."""

from __future__ import annotations

import json
import resource
import sys
import time

from ansible_collections.slipway.deploy.plugins.module_utils.backup import retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


def main(store: str, verify: str, seconds: float = 0) -> None:
    """Back up once, or again and again for so many seconds."""
    system, url = System(), sys.stdin.read()
    engine = PostgreSQL(url, system, scratch_dir="/var/tmp", closed_file=f"{store}/closed")
    keeper = Keeper(engine, LocalStore(f"{store}/backups", system), Codec(), system)
    started = time.monotonic()
    while True:
        backup = keeper.present(Order(verify, 0, retention.Policy(last=1))).backup
        assert backup is not None
        if time.monotonic() - started >= seconds:
            break
    about = {
        "seconds": backup.manifest.seconds,
        "restore": backup.restore_seconds or 0.0,
        "whole": time.monotonic() - started,
        "plain": backup.manifest.parts["dump"].plain_size,
        "stored": backup.manifest.size,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(about))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
