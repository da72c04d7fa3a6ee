# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project of its own for each test."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.migration.sqlite_project import Project


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Project:
    """A table, a row, and a view."""
    project = Project(tmp_path)
    project.write(
        V1__item="CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);",
        V2__first="INSERT INTO item (name) VALUES ('a;b'), ('100 %');",
        R__names="DROP VIEW IF EXISTS names; CREATE VIEW names AS SELECT name FROM item;",
    )
    return project
