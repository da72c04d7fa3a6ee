# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project of plain SQL on SQLite: its files, its database, and a runner for both."""

from __future__ import annotations

import pathlib
import sqlite3
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration.database import Fence, Settings
from ansible_collections.slipway.deploy.plugins.module_utils.migration.model import Report
from ansible_collections.slipway.deploy.plugins.module_utils.migration.placeholders import Placeholders
from ansible_collections.slipway.deploy.plugins.module_utils.migration.runner import Patience, SqlRunner
from ansible_collections.slipway.deploy.plugins.module_utils.migration.scripts import Reader, Scripts
from ansible_collections.slipway.deploy.plugins.module_utils.migration.sqlite import SQLite, opener
from ansible_collections.slipway.deploy.plugins.module_utils.migration.states import Rules
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Order
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

HISTORY = "SELECT installed_rank, version, type, success FROM flyway_schema_history ORDER BY installed_rank"


class Project:
    """A database of its own, and the files of a program."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.path = directory / "shop.db"
        self.files = directory / "sql"
        self.files.mkdir()
        sqlite3.connect(self.path).close()
        self.path.touch()

    def write(self, **files: str) -> None:
        """Files by their names without the ending."""
        for name, text in files.items():
            (self.files / f"{name}.sql").write_text(text)

    def runner(self, *, token: int = 0, **rules: t.Any) -> SqlRunner:
        """A new one, which has read nothing yet."""
        fence = Fence("shop/production", token) if token else None
        database = SQLite(opener(str(self.path)), Settings(fence=fence), System())
        scripts = Scripts([str(self.files)], Reader("sqlite", Placeholders({})))
        return SqlRunner(database, scripts, System(), Rules(**rules), Patience(lock=1.0, retry=0.0))

    def run(self, state: str = "latest", target: str = "", phase: str = "all", **options: t.Any) -> Report:
        """Do what is wanted."""
        return self.runner(**options).apply(Order(state, target, phase))

    def refuses(
        self, cause: str, words: str, state: str = "latest", target: str = "", **options: t.Any
    ) -> SlipwayError:
        """It does nothing at all."""
        before = self.dump()
        with pytest.raises(SlipwayError, match=words) as caught:
            self.run(state, target, **options)
        assert caught.value.cause == cause
        assert self.dump() == before
        return caught.value

    def ask(self, question: str) -> list[tuple[t.Any, ...]]:
        """Behind the runner's back."""
        link = sqlite3.connect(self.path)
        try:
            with link:
                return link.execute(question).fetchall()
        finally:
            link.close()

    def dump(self) -> list[str]:
        """All that is in the database."""
        link = sqlite3.connect(self.path)
        try:
            return list(link.iterdump())
        finally:
            link.close()

    def states(self, **rules: t.Any) -> dict[str, str]:
        """Script to state; of several lines of one script the last."""
        return {one.script: one.state for one in self.runner(**rules).status().migrations}
