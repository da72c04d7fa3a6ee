# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two machines look at one store: one leaves a mark, the other finds it (private to the collection).

A directory has the same name on two machines that share nothing, and an empty store looks like any other. So the machine
that will prove a backup leaves a mark before one is taken, which also shows that it may write its proof there.
"""

from __future__ import annotations

import re
import secrets

from ..errors import SlipwayError
from ..system import System
from .store import Store

_KEY = re.compile(r"mark-(\d+)-[0-9a-f]{8}")
KEPT = 86400.0  # seconds; one that nobody has looked for by then is a killed run's


def leave(store: Store, system: System) -> str:
    """Leave a mark; its key."""
    now = system.wall()
    for entry in store.entries():
        match = _KEY.fullmatch(entry.key)
        if match and now - int(match[1]) > KEPT:
            store.delete(entry.key)
    key = f"mark-{now:.0f}-{secrets.token_hex(4)}"
    store.put(key, [key.encode()])
    return key


def expect(store: Store, key: str) -> None:
    """Find the mark that another machine has just left, and take it away.

    :raises SlipwayError: C(not_shared).
    """
    if _KEY.fullmatch(key) is None:
        raise SlipwayError(
            "is no mark", obj="mark", actual=key, wanted="what state: reached returned", cause="bad_input"
        )
    try:
        for _chunk in store.get(key):  # by its name: a list of a mounted directory may be of a moment ago
            pass
    except SlipwayError as error:
        if error.cause != "missing":
            raise
        raise SlipwayError(
            "the machine that is to prove the backups sees another store of this name",
            obj=store.url(""),
            actual="nothing of what it has just written there",
            wanted="one store for both machines",
            remedy="Name a store in a network (s3, gcs, azure), mount one directory on both machines, or leave verify_host out.",
            cause="not_shared",
        ) from None
    store.delete(key)
