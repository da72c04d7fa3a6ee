# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL cluster of this machine on something like a storage with snapshots, and the module's own entry to them."""

from __future__ import annotations

import contextlib
import pathlib
import sys
import typing as t

import psycopg2

from tests.integration_local.physical.lab import Cluster, WholeCluster, cluster_in

STORAGE = pathlib.Path(__file__).with_name("storage.py")


class Lab(Cluster):
    """The cluster, and its snapshots beside it."""

    initdb = ("--wal-segsize=1",)  # MiB: little to copy

    @property
    def data(self) -> pathlib.Path:
        return self.directory / "data"

    @property
    def snapshots(self) -> pathlib.Path:
        return self.directory / "snapshots"

    def start(self) -> None:
        super().start()
        self.snapshots.mkdir()

    def command(self, *words: str) -> list[str]:
        return [sys.executable, str(STORAGE), str(self.data), str(self.snapshots), *words]

    def change(self, name: str, database: str, *statements: str) -> None:
        """Let a snapshot be another one, by a server that is started in it."""
        data, sockets = self.snapshots / name, self.directory / "s"
        sockets.mkdir(exist_ok=True)
        (data / "postmaster.pid").unlink()
        with (
            cluster_in(data, sockets),
            contextlib.closing(psycopg2.connect(host=str(sockets), user="admin", dbname=database)) as link,
            link.cursor() as cursor,
        ):
            link.autocommit = True
            for statement in statements:
                cursor.execute(statement)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.snapshots.iterdir())


class Target(WholeCluster):
    """A database of it, backed up by snapshots."""

    def __init__(self, lab: Lab, database: str, path: pathlib.Path, scratch: pathlib.Path) -> None:
        super().__init__(lab, database, path, scratch)
        self.lab = lab

    def params(self, **changes: t.Any) -> dict[str, t.Any]:
        commands = {
            "create": self.lab.command("create", "{name}"),
            "clone": self.lab.command("clone", "{name}", "{path}"),
            "unclone": self.lab.command("unclone", "{path}"),
            "remove": self.lab.command("remove", "{name}"),
            "list": self.lab.command("list"),
            "data": "main",
            "timeout": 60.0,
            **changes.pop("snapshot", {}),
        }
        store = {"kind": "local", "path": str(self.path / "store")}
        return super().params(**{"snapshot": commands, "store": store, "method": "snapshot", **changes})

    def named(self, snapshot: str) -> str:
        return f"slipway-shop-test-{snapshot}"

    def kept(self) -> list[str]:
        """What is known of snapshots, by id."""
        return sorted(
            {path.name.partition(".")[0] for path in (self.path / "store" / "shop-test.snapshots").glob("2*")}
        )

    def left(self) -> pathlib.Path:
        """The note of what was begun and not ended."""
        return self.path / "root" / "backups" / "shop-test.snapshot.json"
