# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a store in a network does is named, and the last good backup stays good; as in ../backup/test_faults.py."""

from __future__ import annotations

import contextlib
import pathlib
import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import azure, gcs, s3
from ansible_collections.slipway.deploy.plugins.module_utils.backup.sqlite import SQLite
from ansible_collections.slipway.deploy.plugins.module_utils.backup.store import Store
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from tests.integration_local.backup.faults import Site, expect_good, prove
from tests.integration_local.backup.faults_sqlite import SCHEMA

from .conftest import Server
from .faults_network import ROWS, StoreSite


def make(site: Site) -> SQLite:
    return SQLite(site.url, site.system, scratch_dir=str(site.scratch))


@pytest.fixture
def site(
    server: Server, request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> StoreSite:
    """A SQLite file with one good backup in a store."""
    monkeypatch.setattr(s3, "TRIES", 2)
    monkeypatch.setattr(s3, "READ", 1)
    monkeypatch.setattr(azure, "READ", 1)
    monkeypatch.setattr(gcs, "TIMEOUT", (10, 1))
    server.proxy.plan(None)
    for name in ("scratch", "tmp"):
        (tmp_path / name).mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "live.db")) as link:
        link.executescript(SCHEMA)
    prefix = f"f{abs(hash(request.node.nodeid))}"
    made = StoreSite(
        tmp_path,
        make,
        str(tmp_path / "live.db"),
        tmp_path / "scratch",
        stored=server.store(prefix),
        secrets=("secret-of-the-store",),
        server=server,
        prefix=prefix,
    )
    made.good = made.another("restore").manifest.id
    return made


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_a_store(site: StoreSite, name: str) -> None:
    prove(site, ROWS[name])


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("server", ["gcs", "azure"], indirect=True)
@pytest.mark.sample(6, of="other kinds")
def test_a_store_of_another_kind(site: StoreSite, name: str) -> None:
    prove(site, ROWS[name])


@pytest.mark.parametrize("status", [0, 503])
@pytest.mark.parametrize("request_", range(30))
@pytest.mark.sample(6, of="requests")
def test_a_store_that_goes_down_at_any_request(site: StoreSite, request_: int, status: int) -> None:
    """For good: what would clear up fails as well, so the next run does."""
    site.plan(".", status, after=request_)
    with contextlib.suppress(SlipwayError):  # the last of them are after its end
        site.back_up()
    site.lift()
    for name in site.listed():
        assert site.verified(name, "restore").changed
    expect_good(site, "restore")


def test_two_targets_of_one_bucket_do_not_meet(server: Server, site: StoreSite) -> None:
    other: Store = server.store(f"{site.prefix}-other")
    assert other.entries() == []
