# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks back a cluster up, list what there is, and bring it back, from what a site says."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from .lab import STANZA, Lab, Site, Target, cluster_in


@pytest.fixture
def site(lab: Lab, target: Target, tmp_path: pathlib.Path) -> Site:
    return Site(target, tmp_path, {"physical": {"stanza": STANZA, "config": str(lab.config)}})


def test_a_cluster_is_backed_up_listed_and_brought_back(
    lab: Lab, target: Target, site: Site, place: pathlib.Path
) -> None:
    said: list[t.Any] = [site.play("backup")]
    label = lab.labels()[-1]
    assert f"{label} is good, by restore" in said[0]
    lab.execute("postgres", f"SELECT pg_create_restore_point('by_{target.database}')")
    lab.execute(target.database, "DELETE FROM item WHERE id > 10", "SELECT pg_switch_wal()")
    lab.backrest("check")
    said.append(site.play("backups"))
    assert f"{label}  0.0 h old" in said[1]
    said.append(site.play("restore", restore_dir=str(place / "c"), restore_point=f"by_{target.database}"))
    assert "has come up" in said[2]
    with cluster_in(place / "c", place / "s") as ask:
        assert ask(target.database, "SELECT count(*) FROM item")[0][0] == 1000
    assert "wörd" not in "".join(said)
