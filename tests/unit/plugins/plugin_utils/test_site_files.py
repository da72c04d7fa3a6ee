# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the site travel to the one machine that works with them, and are gone from it afterwards."""

from __future__ import annotations

import os
import stat
import tempfile
import types
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.slipway.deploy.plugins.action import migration_runner
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages import site_files
from ansible_collections.slipway.deploy.plugins.plugin_utils import site_files as packing
from ansible_collections.slipway.deploy.plugins.plugin_utils.migration_options import spread
from ansible_collections.slipway.deploy.plugins.plugin_utils.site_files import packed


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A site with two migrations, and a machine's own directory for temporary files."""
    (tmp_path / "site" / "migrations" / "old").mkdir(parents=True)
    (tmp_path / "site" / "migrations" / "V2__b.sql").write_text("SELECT 2;\r\n")
    (tmp_path / "site" / "migrations" / "old" / "V1__a.sql").write_bytes(b"SELECT '\xe4';")
    (tmp_path / "machine").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "machine"))
    return tmp_path


def there(site):
    return sorted(os.listdir(site / "machine"))


def test_they_arrive_as_they_are_for_nobody_else_and_are_gone_afterwards(site):
    with site_files.unpacked(packed(str(site / "site" / "migrations"), "migrations/")) as files:
        assert Path(files.directory, "V2__b.sql").read_bytes() == b"SELECT 2;\r\n"
        path = os.path.join(files.directory, "old", "V1__a.sql")
        assert Path(path).read_bytes() == b"SELECT '\xe4';"
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert {stat.S_IMODE(os.stat(os.path.dirname(one)).st_mode) for one in (path, os.path.dirname(path))} == {0o700}
    assert there(site) == []


def test_they_are_gone_as_well_when_the_work_fails(site):
    with pytest.raises(RuntimeError), site_files.unpacked(packed(str(site / "site" / "migrations"), "migrations/")):
        raise RuntimeError
    assert there(site) == []


def test_people_read_the_name_of_the_sites_directory(site):
    with site_files.unpacked(packed(str(site / "site" / "migrations"), "migrations/")) as files:
        told = {"msg": f"{files.directory}/V2__b.sql: is wrong", "at": [(files.directory,), 1, None]}
        assert files.renamed(told) == {"msg": "migrations/V2__b.sql: is wrong", "at": [["migrations"], 1, None]}


def test_what_a_killed_module_has_left_goes_a_day_later_and_what_is_in_use_stays(site):
    for name in ("slipway-files-old", "slipway-files-new", "other"):
        (site / "machine" / name).mkdir()
    for name in ("slipway-files-old", "other"):
        os.utime(site / "machine" / name, (1, 1))
    packed_files = packed(str(site / "site" / "migrations"), "m")
    with site_files.unpacked(packed_files) as held:
        os.utime(held.directory, (1, 1))
        site_files.sweep()
        assert there(site) == sorted(["other", "slipway-files-new", os.path.basename(held.directory)])


def test_what_is_no_archive_is_an_error_that_leaves_nothing(site):
    with pytest.raises(SlipwayError, match="cannot be unpacked"), site_files.unpacked({"name": "m", "content": "AAAA"}):
        pass
    assert there(site) == []


def test_a_directory_that_is_not_there_or_holds_more_than_migrations_is_refused(site, monkeypatch):
    with pytest.raises(AnsibleActionFail, match="there is no directory"):
        packed(str(site / "site" / "migration"), "migration")
    monkeypatch.setattr(packing, "MOST", 12)
    with pytest.raises(AnsibleActionFail, match="a directory of their own"):
        packed(str(site / "site" / "migrations"), "migrations")


class Templar:
    """Nothing in these tests is a template."""

    def template(self, value):
        return value


def completed(monkeypatch, **args):
    monkeypatch.setattr(migration_runner, "read_migration_url", lambda *_site: "postgresql://owner:pw@db/shop")
    plugin = migration_runner.ActionModule.__new__(migration_runner.ActionModule)
    plugin._templar = Templar()
    return plugin.completed(args, args.pop("variables", {}))


def test_only_the_machine_that_migrates_gets_the_files_and_the_secret(site, monkeypatch):
    variables = {"slipway_site_dir": str(site / "site")}
    found = completed(monkeypatch, path="migrations/", here=True, variables=variables)
    assert found["files"]["name"] == "migrations/" and found["url"] and "path" not in found
    other = completed(monkeypatch, path="migrations/", here="False", variables=variables)
    assert other == {"here": "False"}


def test_a_machine_stays_in_a_release_whose_files_cannot_be_read(site, monkeypatch):
    monkeypatch.setattr(ActionBase, "run", lambda *_anything: {})
    plugin = migration_runner.ActionModule.__new__(migration_runner.ActionModule)
    args = {"path": "gone", "release": {"id": "r1", "token": 1}}
    plugin._templar, plugin._connection = Templar(), None
    plugin._task = types.SimpleNamespace(args=args, check_mode=False)
    found = plugin.run(None, {"slipway_site_dir": str(site / "site")})
    assert "failed" not in found and "there is no directory" in found["stage"]["message"]
    plugin._task.args = {"path": "gone"}
    with pytest.raises(AnsibleActionFail):
        plugin.run(None, {"slipway_site_dir": str(site / "site")})


def test_a_task_takes_what_it_does_not_say_from_the_release():
    options = {"tool": "sql", "path": "m", "engine": "sqlite", "phase": "expand"}
    site = {
        "platform": "shop",
        "environment": "test",
        "state_root": "/r",
        "migrations": {"host": "db", "options": options},
    }
    found = spread({"site": site, "phase": "all", "state": "status"})
    assert found == {
        "platform": "shop",
        "environment": "test",
        "root": "/r",
        "tool": "sql",
        "path": "m",
        "engine": "sqlite",
        "phase": "all",
        "state": "status",
    }
    assert spread({"tool": "sql"}) == {"tool": "sql"}
