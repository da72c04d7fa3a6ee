# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables that old versions make by themselves are those that the first migration makes."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest


def plain(sql: str) -> str:
    """Without what the program adds so that several of it may begin at once."""
    sql = re.sub(r"^--.*$", "", sql, flags=re.MULTILINE).replace(" IF NOT EXISTS", "")
    return " ".join(sql.replace("ON CONFLICT (id) DO NOTHING", "").split()).replace(" ;", ";")


def test_the_first_migration_makes_what_old_versions_make(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = types.ModuleType("asyncpg")  # which is in the images alone
    for name in ("PostgresError", "InterfaceError"):
        setattr(driver, name, type(name, (Exception,), {}))
    monkeypatch.setitem(sys.modules, "asyncpg", driver)
    from shop.database import SCHEMA

    assert plain((Path(__file__).parents[1] / "migrations/V1__shop.sql").read_text(encoding="utf-8")) == plain(SCHEMA)
