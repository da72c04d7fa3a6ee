# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines and stores that there are; a new one is a file and a line here (private to the collection)."""

from __future__ import annotations

import os
import re
import typing as t
import urllib.parse

from ..system import System
from .engine import Engine
from .store import Store

STATE = "backups"  # below the root: locks, and what a killed run leaves to put back

Options = t.Mapping[str, t.Any]


def engine(params: Options, url: str, system: System) -> Engine:
    """What O(engine) names."""
    if params["engine"] == "sqlite":
        from .sqlite import SQLite

        return SQLite(url, system, scratch_dir=params["scratch_dir"])
    from .postgresql import PostgreSQL

    closed = os.path.join(params["root"], STATE, f"{params['name']}.closed.json")
    return PostgreSQL(
        url, system, bin_dir=params["bin_dir"] or "", scratch_dir=params["scratch_dir"], closed_file=closed
    )


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


def secrets_of(kind: str, url: str) -> set[str]:
    """What of a connection string nobody may read: all of it, the password of a URI, and what follows C(password=).

    :param kind: the engine's name; the path of a SQLite file is no secret.
    """
    if kind == "sqlite":
        return set()
    found = re.findall(r"""://[^:@/?#]*:([^\s?#]+)@|password=('(?:[^'\\]|\\.)*'|[^\s&]+)""", url)
    words = {form for pair in found for one in pair if one for form in (one, urllib.parse.unquote(one), one.strip("'"))}
    return {url, *words}
