# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database, and a store for it."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order, Outcome
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.postgresql import PostgreSQL
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

ZSTD = Codec()


class Target:
    """A database, and a store for it."""

    def __init__(self, url: str, store: pathlib.Path, scratch: pathlib.Path, **engine: t.Any) -> None:
        self.system = System()
        self.store = LocalStore(str(store), self.system)
        self.engine = PostgreSQL(
            url, self.system, scratch_dir=str(scratch), closed_file=str(store.parent / "closed"), **engine
        )

    def keeper(self, codec: Codec = ZSTD) -> Keeper:
        return Keeper(self.engine, self.store, codec, self.system, notes=self.engine.closed_file)

    def back_up(self, verify: str = "restore", codec: Codec = ZSTD) -> Outcome:
        return self.keeper(codec).present(Order(verify, 0, retention.Policy()))

    def fails(self, cause: str, words: str, verify: str = "restore") -> None:
        """Nothing new is there afterwards, and nothing of it."""
        before = self.store.entries()
        with pytest.raises(SlipwayError, match=words) as caught:
            self.back_up(verify)
        assert caught.value.cause == cause
        assert self.store.entries() == before
        assert self.store.leftovers(remove=False) == []
