# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a timer of systemd starts: one call of database_backup, its words for the journal (private to the collection)."""

from __future__ import annotations

import json
import os
import sys
import typing as t

from ..backup import factory, freshness
from ..system import System
from .database_backup import perform

# What each state adds to the order. A proof that was made once, however long ago, is enough for C(proved).
NEWEST = {"state": "verified", "id": "latest", "verify": "restore"}
ADDED: dict[str, dict[str, t.Any]] = {
    "present": {"state": "present"},
    "proved": {**NEWEST, "max_age": 10 * 366 * 86400.0},
    "verified": NEWEST,
}


def main(path: str, state: str) -> int:
    """Back up (C(present)), prove the newest backup (C(proved)) or drill (C(verified)) by an order on disk; the exit status.

    :param path: of the order: the parameters of the module, and C(textfile_dir).
    """
    with open(path, encoding="utf-8") as stream:
        order = json.load(stream)
    textfile_dir = order.pop("textfile_dir", "")
    result = perform({**order, **ADDED[state]}, False)
    for line in result.get("actions", []):
        sys.stdout.write(f"{line}\n")
    if result.get("failed"):
        sys.stderr.write(f"{result['msg']}\n")
    if textfile_dir:
        publish(System(), order, textfile_dir)
    return 1 if result.get("failed") else 0


def publish(system: System, order: t.Mapping[str, t.Any], directory: str) -> None:
    """Write the figures where the node exporter looks for them."""
    known = freshness.read(system, os.path.join(order["root"], factory.STATE), order["name"])
    if known is not None:
        text = freshness.metrics(known, order["platform"], order["environment"])
        system.replace_file(os.path.join(directory, f"slipway_backup_{order['name']}.prom"), text.encode(), mode=0o644)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2]))
