# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of one scenario: ``python molecule/lab.py SCENARIO``; what it asks for is in its ``lab.yml``."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import yaml

from tests.lab import Lab, Registry
from tests.shop import build, push


def up(scenario: str) -> None:
    """Create the machines and write the inventory; with images in a registry and a database, when asked for."""
    wanted: dict[str, t.Any] = yaml.safe_load(
        (Path(__file__).parent / scenario / "lab.yml").read_text(encoding="utf-8")
    )
    lab = Lab()
    lab.create(sorted({name for members in wanted["groups"].values() for name in members}), wanted["image"])
    variables = dict(wanted.get("variables", {}))
    if "versions" in wanted:
        build(wanted["versions"])
        variables["shop_registry"] = push(Registry(lab).start(), wanted["versions"])
    if "database" in wanted:
        variables["vault_database_url"] = lab.setup_database(wanted["database"])
    lab.write_inventory(wanted["groups"], variables, wanted.get("user", "root"))


if __name__ == "__main__":
    up(sys.argv[1])
