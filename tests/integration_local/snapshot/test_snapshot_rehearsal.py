# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations tried on a clone of the newest snapshot."""

from __future__ import annotations

import pathlib

from tests.integration_local.rehearsal.rehearsed import baseline, expect_good, rehearsed

from .lab import Lab, Target


def test_a_rehearsal_is_on_a_clone_that_is_let_go_of(lab: Lab, target: Target, tmp_path: pathlib.Path) -> None:
    files = tmp_path / "sql"
    files.mkdir()
    baseline("postgresql", lab.url(target.database), files)
    made = target.good()["backup"]["id"]
    (files / "V1__more.sql").write_text("ALTER TABLE item ADD COLUMN more integer;")
    found = expect_good(rehearsed(target.params(), files))
    assert (found["backup"]["id"], found["pending"]) == (made, ["V1__more.sql"])
    (files / "V2__fails.sql").write_text("CREATE UNIQUE INDEX one ON item ((1));")
    assert rehearsed(target.params(), files)["error"]["cause"] == "rehearsal_failed"
    assert not target.left().exists()
    assert lab.names() == [target.named(made)]
    assert lab.ask(target.database, "SELECT count(*) FROM pg_attribute WHERE attname = 'more'") == [(0,)]
