# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dumps whose binary logs are proven with them."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.backup import retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.binlog_points import LogStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.incremental import Incremental
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Order
from ansible_collections.slipway.deploy.plugins.module_utils.backup.progress import Progress

from .conftest import Server
from .target import ZSTD, Target


@contextlib.contextmanager
def by_rows(server: Server) -> t.Iterator[None]:
    """What is logged is rows, as the server's own default is not."""
    server.execute(None, "SET GLOBAL binlog_format = ROW")
    yield
    server.execute(None, "SET GLOBAL binlog_format = MIXED")


def logs(target: Target, *, strict: bool = True, live: bool = True) -> Incremental:
    """As the timers and the playbooks have them; without C(live), as the machine that only proves."""
    keeper, more = target.keeper(), {"strict": strict, "live": live, "system": target.system, "release": "r1"}
    found = Incremental(
        target.engine,
        keeper,
        LogStore(target.store, ZSTD),
        store=target.store,
        progress=Progress("", target.system),
        **more,
    )
    keeper.trail = found
    return found


def taken(target: Target, **how: t.Any) -> list[str]:
    """A dump as a timer takes it; what was done."""
    return logs(target, **how).present(Order("restore", 0, retention.Policy())).actions
