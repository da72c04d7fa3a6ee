# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database, and a store for it."""

from __future__ import annotations

import concurrent.futures
import pathlib
import re
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

if t.TYPE_CHECKING:
    from .conftest import Server

ZSTD = Codec()
RIGHTS = "SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE"  # that a dump needs, without a lock
PROGRAMS = ("mariadb-binlog", "mariadb-dump", "mariadb", "mariadbd", "mariadb-install-db", "mariadb-tzinfo-to-sql")


class Target:
    """A database, and a store for it."""

    def __init__(self, url: str, store: pathlib.Path, scratch: pathlib.Path, **engine: t.Any) -> None:
        self.system = System()
        self.store = LocalStore(str(store), self.system)
        closed = str(store.parent / "closed")
        self.engine = MariaDB(url, self.system, scratch_dir=str(scratch), closed_file=closed, **engine)

    def keeper(self, codec: Codec = ZSTD) -> Keeper:
        return Keeper(self.engine, self.store, codec, self.system, notes=self.engine.closed_file)

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


def named(database: str) -> str:
    return f"`{database.replace('`', '``')}`"


def patterned(database: str) -> str:
    """As C(GRANT) wants it, to whom some signs stand for others."""
    return named(re.sub(r"([_%\\])", r"\\\1", database))


def rows(server: Server, database: str, count: int = 1000) -> None:
    server.execute(database, "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, word varchar(80))")
    server.execute(database, f"INSERT INTO t (word) SELECT CONCAT('x', SHA2(seq, 256)) FROM seq_1_to_{count}")
