# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database, and a store for it."""

from __future__ import annotations

import concurrent.futures
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.engine import Facts
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order, Outcome
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql import MariaDB
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

ZSTD = Codec()
PROGRAMS = ("mariadb-dump", "mariadb", "mariadbd", "mariadb-install-db", "mariadb-tzinfo-to-sql")


class Target:
    """A database, and a store for it."""

    def __init__(self, url: str, store: pathlib.Path, scratch: pathlib.Path, **engine: t.Any) -> None:
        self.system = System()
        self.store = LocalStore(str(store), self.system)
        closed = str(store.parent / "closed")
        self.engine = MariaDB(url, self.system, scratch_dir=str(scratch), closed_file=closed, **engine)

    def keeper(self, codec: Codec = ZSTD) -> Keeper:
        return Keeper(self.engine, self.store, codec, self.system)

    def back_up(self, verify: str = "restore", codec: Codec = ZSTD) -> Outcome:
        return self.keeper(codec).present(Order(verify, 0, retention.Policy()))

    def replace(self, *, safety: bool = True) -> list[str]:
        return self.keeper().restored("latest", "", confirm=self.engine.database, safety=safety).actions

    def fails(self, cause: str, words: str, verify: str = "none") -> SlipwayError:
        """Nothing new is there afterwards, and nothing of it."""
        before = self.store.entries()
        with pytest.raises(SlipwayError, match=words) as caught:
            self.back_up(verify)
        assert caught.value.cause == cause
        assert self.store.entries() == before
        assert self.store.leftovers(remove=False) == []
        return caught.value

    def taken(self) -> tuple[list[bytes], Facts]:
        """A dump, and what a restored copy of it must have."""
        with self.engine.snapshot() as snapshot, concurrent.futures.ThreadPoolExecutor(1) as pool:
            facts = pool.submit(snapshot.facts)
            dump = list(snapshot.dump())
            return dump, snapshot.completed(facts.result())


def programs(directory: pathlib.Path, **scripts: str) -> str:
    """The programs of MariaDB, some of them replaced; of an empty one nothing is there."""
    directory.mkdir()
    for name in PROGRAMS:
        path = real(name)
        script = scripts.get(name.replace("-", "_"))
        if script is None:
            (directory / name).symlink_to(path)
        elif script:
            (directory / name).write_text(f"#!/bin/sh\n{script}\n")
            (directory / name).chmod(0o755)
    return str(directory)


def real(name: str) -> str:
    """The path of one of them."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    assert path is not None
    return path
