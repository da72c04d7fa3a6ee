# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations tried on the newest physical backup that was restored."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import physical_prover

from tests.integration_local.rehearsal.rehearsed import baseline, expect_good, rehearsed

from .lab import Target


def test_a_rehearsal_restores_the_newest_one_that_was_proven(
    target: Target, tmp_path: pathlib.Path, place: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "sql"
    files.mkdir()
    baseline("postgresql", target.lab.url(target.database), files)
    proven = target.good()["backup"]["id"]
    target.good(verify="none")
    (files / "V1__more.sql").write_text("ALTER TABLE item ADD COLUMN more integer;\nSELECT pg_sleep(0.5);")
    monkeypatch.setattr(physical_prover, "SOCKETS", str(place / "s"))
    found = expect_good(rehearsed(target.params(), files))
    assert found["backup"]["id"] == proven and found["backup"]["age"] >= 0
    assert found["locks"][0]["relation"] == "public.item"
    assert not [one for one in found["warnings"] if "could reach" in one]
    assert list((place / "s").iterdir()) == []
    assert target.lab.ask(target.database, "SELECT count(*) FROM pg_attribute WHERE attname = 'more'") == [(0,)]
