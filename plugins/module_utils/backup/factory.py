# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines and stores that there are; a new one is a file and a line here (private to the collection)."""

from __future__ import annotations

import os
import typing as t

from ..database.secrets import MYSQL
from ..errors import SlipwayError
from ..system import System
from .engine import Engine
from .store import Store

if t.TYPE_CHECKING:
    from .codec import Codec
    from .incremental import Incremental
    from .keeper import Keeper
    from .physical import PhysicalKeeper
    from .postgresql import PostgreSQL
    from .progress import Progress
    from .snapshot import SnapshotKeeper
    from .tools import Tools

STATE = "backups"  # below the root: locks, and what a killed run leaves to put back

# What each method beyond dumps needs.
METHODS = "physical and snapshot need what is called so in slipway_database.backup, incremental MySQL or MariaDB."
NOWHERE = "mysql://nowhere/nothing"  # of an engine that restores dumps where nobody knows the database

Options = t.Mapping[str, t.Any]


def engine(params: Options, url: str, system: System) -> Engine:
    """What O(engine) names."""
    _expect_format(params)
    if params["engine"] == "sqlite":
        from .sqlite import SQLite

        return SQLite(url, system, scratch_dir=params["scratch_dir"])
    closed = os.path.join(params["root"], STATE, f"{params['name']}.closed.json")
    server: dict[str, t.Any] = {
        "bin_dir": params["bin_dir"] or "",
        "scratch_dir": params["scratch_dir"],
        "closed_file": closed,
        "tools": _tools(params, system),
    }
    if params["engine"] in MYSQL:
        from .mysql import MariaDB, MySQL

        return {"mysql": MySQL, "mariadb": MariaDB}[params["engine"]](url or NOWHERE, system, **server)
    from .postgresql import PostgreSQL

    return PostgreSQL(url, system, **server, layout=params["format"], jobs=params["jobs"] or 0)


def _tools(params: Options, system: System) -> Tools | None:
    """What O(run_in) names."""
    if not params["run_in"]:
        return None
    plan = params["run_in"].get("plan", False)
    if params["run_in"].get("container"):
        from .tools_running import Running

        return Running(params["run_in"]["container"], system, plan=plan)
    from .tools_container import Image

    return Image(params["run_in"]["image"], system, plan=plan)


def _expect_format(params: Options) -> None:
    """:raises SlipwayError: C(bad_input)."""
    if params["format"] != "custom" and params["engine"] != "postgresql":
        raise SlipwayError(
            f"{params['format']} is for PostgreSQL only",
            obj="format",
            actual=params["engine"],
            remedy="Leave it out.",
            cause="bad_input",
        )
    if params["run_in"] and params["engine"] == "sqlite":
        raise SlipwayError(
            "has no programs", obj="run_in", actual="sqlite", remedy="Leave it out for SQLite.", cause="bad_input"
        )
    if params["jobs"] is not None and params["jobs"] < 1:
        raise SlipwayError(
            "too few", obj="jobs", actual=params["jobs"], wanted="1 or more", remedy="Correct it.", cause="bad_input"
        )


def physical(params: Options, url: str, system: System, progress: Progress) -> PhysicalKeeper:
    """The physical backups that O(physical) names."""
    from .pgbackrest import Order, PgBackRest
    from .physical import PhysicalKeeper
    from .physical_records import Records

    given, live = params["physical"], _whole_cluster(params, url, system, progress, "physical")
    order = Order(
        given["stanza"],
        given.get("config") or "",
        given.get("repo") or 0,
        given.get("type") or "",
        given.get("archive_timeout") or Order("").archive_timeout,
    )
    records = Records(os.path.join(params["root"], STATE, f"{params['name']}.physical"), system)
    release = (params["release"] or {}).get("id") or ""
    return PhysicalKeeper(live, PgBackRest(order, system, progress), records, system, release=release)


def snapshots(params: Options, url: str, system: System, progress: Progress) -> SnapshotKeeper:
    """The snapshots that O(snapshot) names; what is known of them is beside the dumps."""
    from .snapshot import SnapshotKeeper
    from .snapshot_clone import Undone
    from .snapshot_commands import Commands, Storage

    live = _whole_cluster(params, url, system, progress, "snapshot")
    commands = Commands(**{name: value for name, value in params["snapshot"].items() if value is not None})
    known = store({**params, "name": f"{params['name']}.snapshots"}, system)
    undone = Undone(os.path.join(params["root"], STATE, f"{params['name']}.snapshot.json"), system)
    return SnapshotKeeper(live, Storage(commands, params["name"], system), known, undone, system)


def _whole_cluster(params: Options, url: str, system: System, progress: Progress, option: str) -> PostgreSQL:
    """The live database of a cluster that is backed up as a whole.

    :raises SlipwayError: C(bad_input).
    """
    from .postgresql import PostgreSQL

    if params["run_in"]:  # the server's programs are on the machine, to start a copy of the cluster
        params = {**params, "run_in": None, "bin_dir": None}
    live = engine(params, url, system)
    if not isinstance(live, PostgreSQL):
        raise SlipwayError(
            "is for PostgreSQL only",
            obj=option,
            actual=params["engine"],
            remedy="Leave it out.",
            cause="bad_input",
        )
    live.progress = progress
    return live


def beyond(
    params: Options, url: str, system: System, *, dumps: Keeper | None, codec: Codec, progress: Progress
) -> PhysicalKeeper | SnapshotKeeper | Incremental | None:
    """What a release leans on where a dump takes too long; None where there are dumps alone.

    :raises SlipwayError: C(bad_input).
    """
    if params["physical"] and params["snapshot"]:
        raise SlipwayError(
            "cannot be together",
            obj="physical and snapshot",
            wanted="one of them",
            remedy="Leave one out: a release leans on one kind of backup.",
            cause="bad_input",
        )
    if params["physical"]:
        return physical(params, url, system, progress)
    if params["snapshot"]:
        return snapshots(params, url, system, progress)
    if params["engine"] in MYSQL and dumps is not None:
        from .binlog_points import LogStore
        from .incremental import Incremental
        from .mysql import MySQL

        kept, release = store(params, system), (params["release"] or {}).get("id") or ""
        logs, strict = LogStore(kept, codec), params["method"] == Incremental.name
        asked = t.cast(MySQL, engine(params, url, system))
        more: dict[str, t.Any] = {"store": kept, "system": system, "progress": progress, "release": release}
        incremental = Incremental(asked, dumps, logs, strict=strict, live=bool(url), **more)
        if params["method"] != "logical":
            dumps.trail = incremental
        return incremental
    if params["method"] not in ("auto", "logical"):
        raise SlipwayError(
            "is not there for this target",
            obj=f"method {params['method']}",
            wanted="auto or logical",
            remedy=METHODS,
            cause="bad_input",
        )
    return None


def store(params: Options, system: System) -> Store:
    """What O(store) names; each target has a place of its own in it."""
    given = {name: value or "" for name, value in params["store"].items()}
    kind, prefix = given["kind"], f"{given.get('prefix', '').strip('/')}/{params['name']}"
    if kind == "local":
        from .local import LocalStore

        return LocalStore(os.path.join(given["path"], params["name"]), system)
    remote = {"prefix": prefix, "endpoint": given.get("endpoint", "")}
    if kind == "gcs":
        from .gcs import GoogleStore

        return GoogleStore(bucket=given["bucket"], **remote)
    if kind == "azure":
        from .azure import AzureStore

        return AzureStore(container=given["bucket"], **remote)
    from .s3 import S3Store

    where = {"region": given.get("region", ""), "profile": given.get("profile", "")}
    return S3Store(bucket=given["bucket"], **remote, **where)
