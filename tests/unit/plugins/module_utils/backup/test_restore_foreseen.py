# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of a restore is seen by its preview, on which a playbook stops before it stops a service."""

from __future__ import annotations

import base64
import sqlite3

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.model import to_bytes
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import Machine, ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

NAMES = {"platform": "shop", "environment": "test"}
LABEL = "20261124-031500F"


class Site:
    """A machine with a SQLite file, one backup of it, and a journal."""

    def __init__(self, path):
        self.path, self.database = path, path / "shop.db"
        with sqlite3.connect(self.database) as link:
            link.execute("CREATE TABLE item (id INTEGER PRIMARY KEY)")
        link.close()
        self.machine = Machine(System(), root=str(path / "root"), **NAMES)
        self.store = path / "store" / "shop-test"
        self.made = self.perform("present", False)["backup"]["id"]

    def perform(self, state, check, **changes):
        params = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
        params.update(NAMES, state=state, engine="sqlite", name="shop-test", compression={"method": "none"})
        params.update(root=str(self.path / "root"), scratch_dir=str(self.path), confirm=str(self.database))
        params["url"] = base64.b64encode(str(self.database).encode()).decode()
        params["store"] = {"kind": "local", "path": str(self.path / "store")}
        return database_backup.perform({**params, **changes}, check)

    def preview(self, **changes):
        """A preview of a restore over the live database; it may change nothing at all."""
        before = {path: path.read_bytes() for path in self.path.rglob("*") if path.is_file()}
        result = self.perform("restored", True, **{"id": "latest", **changes})
        assert {path: path.read_bytes() for path in self.path.rglob("*") if path.is_file()} == before
        return result

    def change(self, **changes):
        """The backup's manifest, as whole as before, says something else."""
        store = LocalStore(str(self.store), System())
        (backup,) = catalog.read(store).backups
        manifest = backup.manifest._replace(**changes)
        (self.store / f"{self.made}.manifest.json").write_bytes(to_bytes(manifest))

    def release(self, version, token, *notes):
        """A release that has ended, with what it noted."""
        release = ReleaseToken(f"{version}-id", token, {})
        self.machine.grant(release, 60.0, about={"version": version})
        with self.machine.stage(release, "backup", 60.0) as step:
            for name, about in notes:
                step.note(name, **about)
        with self.machine.stage(release, "record", 10.0) as step:
            step.outcome("succeeded")
            step.release_lease()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_the_preview_names_the_backup_that_will_be_taken(site):
    found = site.preview()
    assert (found["changed"], found["backup"]["id"]) == (True, site.made)


def truncated(site):
    with open(site.store / f"{site.made}.dump", "r+b") as stream:
        stream.truncate(100)


IN_THE_WAY = {
    "an unknown id": (lambda site: {"id": "20200101T000000Z-0a0a0a"}, "missing", "no such backup"),
    "another name": (lambda site: {"confirm": "shop"}, "unconfirmed", "would be replaced"),
    "another engine": (lambda site: site.change(engine="postgresql"), "other_engine", "another kind"),
    "a newer server": (lambda site: site.change(server="4.0"), "newer_server", "newer server"),
    "a damaged manifest": (
        lambda site: (site.store / f"{site.made}.manifest.json").write_text("{"),
        "manifest_damaged",
        "is damaged",
    ),
    "no dump": (
        lambda site: (site.store / f"{site.made}.dump").unlink(),
        "missing",
        "a part of the backup is not there",
    ),
    "half a dump": (truncated, "damaged", "found '100 bytes'"),
    "no key": (lambda site: site.change(recipients=["age1x"]), "identity_missing", "its key is not there"),
    "another key": (
        lambda site: site.change(recipients=["age1x"]) or {"encryption": {"recipients": [], "identity": "/no/key"}},
        "identity_missing",
        "/no/key",
    ),
    "no database": (lambda site: {"url": base64.b64encode(b"/no/shop.db").decode()}, "unreachable", "is not there"),
}


@pytest.mark.parametrize("way", IN_THE_WAY)
def test_what_is_in_the_way_is_seen_before_anything_is_touched(site, way):
    spoil, cause, words = IN_THE_WAY[way]
    changes = spoil(site)
    found = site.preview(**(changes if isinstance(changes, dict) else {}))
    assert found["failed"] and found["error"]["cause"] == cause
    assert words in found["msg"]


def test_of_a_release_that_leant_on_a_physical_backup_it_says_how_that_is_brought_back(site):
    point = {"name": "slipway_1.4.2-id", "lsn": "0/1"}
    site.release("1.4.2", 1, ("backup", {"id": LABEL, "restore_point": point}))
    for asked in ({}, {"into": "look"}):
        found = site.preview(id="1.4.2", **asked)
        assert found["error"]["cause"] == "whole_cluster"
        for word in ("release 1.4.2", LABEL, "slipway_1.4.2-id", "-e slipway_backup=1.4.2 -e slipway_restore_dir="):
            assert word in found["msg"]


def test_of_a_release_without_any_backup_it_says_why_and_what_to_name_instead(site):
    site.release("1.4.2", 1, ("backup_waived", {"why": "the database is empty still"}))
    site.release("1.4.3", 2)
    waived, none = site.preview(id="1.4.2"), site.preview(id="1.4.3-id")
    assert waived["error"]["cause"] == none["error"]["cause"] == "missing"
    assert "waived, because the database is empty still" in waived["msg"]
    for found in (waived, none):
        assert "has no backup" in found["msg"] and "Name another backup by its id" in found["msg"]


def test_a_rollback_to_a_version_does_not_hide_the_backup_of_its_release(site):
    site.release("1.4.2", 1, ("backup", {"id": site.made}))
    site.release("1.4.2", 2)
    assert site.preview(id="1.4.2")["backup"]["id"] == site.made
