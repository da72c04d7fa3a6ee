# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project that moves from the real Flyway to the module and back, on one database."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .flyway import flyway
from .projects import PostgreSQLProject

# By whom a script stands in both lists: those below without a version are of several lines of the history.
SAME = {
    "Success": "success",
    "Pending": "pending",
    "Outdated": "outdated",
    "Superseded": "superseded",
    "Failed": "dirty",
}


def expect_both_to_agree(project: PostgreSQLProject) -> None:
    theirs = flyway(project.server, project.database, project.files, "info")["migrations"]
    ours = [(one.version, one.description, one.state) for one in project.runner().status().migrations]
    assert sorted(ours) == sorted((one["version"], one["description"], SAME[one["state"]]) for one in theirs)


def test_a_project_moves_from_flyway_and_back(on_postgresql: PostgreSQLProject) -> None:
    project = on_postgresql
    project.write(**project.usual)
    migrate = flyway(project.server, project.database, project.files, "migrate")
    assert migrate["migrationsExecuted"] == 5
    assert not project.run().changed

    project.write(
        V5__more="INSERT INTO item VALUES (11, 'e', 1);",
        R__names="CREATE OR REPLACE VIEW names AS SELECT name, id FROM item;",
    )
    assert [one.script for one in project.run().done] == ["V5__more.sql", "R__names.sql"]

    project.write(V6__last="INSERT INTO item VALUES (12, 'f', 1);")
    expect_both_to_agree(project)
    migrate = flyway(project.server, project.database, project.files, "migrate")
    assert [one["version"] for one in migrate["migrations"]] == ["6"]
    assert (project.run().changed, project.runner().status().current) == (False, "6")


def test_what_one_leaves_dirty_the_other_repairs(on_postgresql: PostgreSQLProject) -> None:
    project = on_postgresql
    project.write(V1__item="CREATE TABLE item (id int);", V2__apart="-- slipway: transaction=off\nSELECT nothing;")
    (project.files / "V2__apart.sql.conf").write_text("executeInTransaction=false\n")
    with pytest.raises(SlipwayError, match="V2__apart"):
        project.run()
    expect_both_to_agree(project)
    repaired = flyway(project.server, project.database, project.files, "repair")
    assert [one["version"] for one in repaired["migrationsRemoved"]] == ["2"]
    assert project.states()["V2__apart.sql"] == "pending"
    flyway(project.server, project.database, project.files, "migrate", expect=False)
    assert project.states()["V2__apart.sql"] == "dirty"
    assert project.run("repaired").changed
    assert project.states()["V2__apart.sql"] == "pending"


def test_each_keeps_the_other_out(on_postgresql: PostgreSQLProject) -> None:
    project = on_postgresql
    project.write(V1__item="CREATE TABLE item (id int);")
    project.run()
    project.write(V2__more="SELECT 2;")
    with project.runner()._database.lock(0.0):
        answer = flyway(project.server, project.database, project.files, "migrate", "-lockRetryCount=0", expect=False)
    assert "lock" in answer["error"]["message"].lower()
    assert project.states()["V2__more.sql"] == "pending"
