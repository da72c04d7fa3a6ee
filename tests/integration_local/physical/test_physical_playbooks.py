# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks back a cluster up, list what there is, and bring it back, from what a site says."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from .lab import STANZA, Lab, Target, cluster_in


class Site:
    """A platform on this machine, with nothing but a database."""

    def __init__(self, lab: Lab, target: Target, path: pathlib.Path) -> None:
        self.path = path
        backup = {"physical": {"stanza": STANZA, "config": str(lab.config)}, "scratch_dir": str(target.scratch)}
        variables = {
            "slipway_platform": "shop",
            "slipway_environment": "test",
            "slipway_services": {"web": {"image": "web:1", "port": 80}},
            "slipway_traffic": {"provider": "haproxy", "routes": [{"service": "web"}]},
            "slipway_state_root": str(path / "root"),
            "slipway_database": {"engine": "postgresql", "url": lab.url(target.database), "backup": backup},
        }
        machine = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
        groups = {name: {"hosts": {"here": machine}} for name in ("slipway_app", "slipway_proxy")}
        (path / "inventory.json").write_text(json.dumps(groups))

    def play(self, name: str, **extra: str) -> str:
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        words = [word for key, value in extra.items() for word in ("-e", json.dumps({f"slipway_{key}": value}))]
        command = [str(program), f"slipway.deploy.{name}", "-i", str(self.path / "inventory.json"), "-v", *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(self.path)}
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said


@pytest.fixture
def site(lab: Lab, target: Target, tmp_path: pathlib.Path) -> Site:
    return Site(lab, target, tmp_path)


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
