# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a backup and restores it, in a process of its own, and prints how many bytes of memory that took.

The programs that it starts are not counted: python -m tests.integration_local.backup.measure ENGINE URL DIRECTORY
"""

from __future__ import annotations

import pathlib
import sys

from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.engine import Engine
from ansible_collections.slipway.deploy.plugins.module_utils.backup.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.backup.sqlite import SQLite

from .faults import Site


def make(site: Site) -> Engine:
    if sys.argv[1] == "sqlite":
        return SQLite(site.url, site.system, scratch_dir=str(site.scratch))
    return PostgreSQL(site.url, site.system, scratch_dir=str(site.scratch), closed_file=str(site.directory / "closed"))


def main() -> None:
    directory = pathlib.Path(sys.argv[3])
    Site(directory, make, sys.argv[2], directory / "scratch", codec=Codec(level=1)).back_up("restore")
    status = pathlib.Path("/proc/self/status").read_text()  # VmHWM (proc(5)): the most that was resident
    print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)


if __name__ == "__main__":
    main()
