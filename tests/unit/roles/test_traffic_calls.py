# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever asks for a structure of the traffic asks for all of it: what is left out is taken away."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
PARTS = {"provider", "listen", "bind", "tls", "routes", "services"}


def tasks(value: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """Every task of a file, those in blocks too."""
    for task in value if isinstance(value, list) else ():
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


def test_every_task_that_moves_traffic_names_all_of_its_structure() -> None:
    asked = {}
    for path in sorted((ROOT / "roles").glob("*/tasks/*.yml")):
        for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            options = task.get("slipway.deploy.traffic_switch") or {}
            if "routes" in options:
                asked[f"{path.relative_to(ROOT)}: {task['name']}"] = PARTS - set(options)
    assert len(asked) > 3
    assert {where: missing for where, missing in asked.items() if missing} == {}
