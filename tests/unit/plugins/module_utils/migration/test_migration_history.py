# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of runs that change the history alone, before and after; and of what is pending."""

from __future__ import annotations

import base64
import pathlib
import sqlite3
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_runner import perform


def run(place: pathlib.Path, *, check: bool = False, **changes: t.Any) -> dict[str, t.Any]:
    database = place / "shop.db"
    sqlite3.connect(database).close()
    database.touch()
    params = {name: option.get("default") for name, option in MIGRATION_RUNNER.options.items()}
    url = base64.b64encode(str(database).encode()).decode()
    params.update(engine="sqlite", url=url, locations=[str(place)], proven=True, lock_wait=0.0, retry=0.0)
    return perform({**params, **changes}, check)


def write(place: pathlib.Path, **scripts: str) -> None:
    for name, text in scripts.items():
        (place / f"{name}.sql").write_text(text)


def test_a_baseline_says_where_the_history_begins_and_once_only(tmp_path: pathlib.Path) -> None:
    write(tmp_path, V1__a="CREATE TABLE a (a int);\n", V2__b="CREATE TABLE b (a int);\n")
    asked = {"state": "baselined", "target": "1"}
    would = run(tmp_path, check=True, **asked)
    assert (would["changed"], would["history"]) == (True, ["the history of migrations begins at version 1"])
    assert would["actions"] == would["history"] and not would["recorded"]
    assert run(tmp_path, **asked)["actions"] == ["the history of migrations begins at version 1"]
    for check in (True, False):
        again = run(tmp_path, check=check, **asked)
        assert (again["changed"], again["actions"]) == (False, ["the history of migrations has begun already"])


def test_a_repair_says_what_becomes_of_each_migration(tmp_path: pathlib.Path) -> None:
    write(
        tmp_path,
        V1__a="CREATE TABLE a (a int);\n",
        V2__b="CREATE TABLE b (a int);\n",
        V4__d="CREATE TABLE d (a int);\n",
    )
    assert run(tmp_path, check=True, state="repaired")["actions"] == ["nothing is to be repaired"]
    run(tmp_path)
    write(tmp_path, V1__a="CREATE TABLE a (b int);\n", V5__e="-- slipway: transaction=off\nCREATE TABL e;\n")
    (tmp_path / "V2__b.sql").unlink()
    asked = {"state": "repaired"}
    assert run(tmp_path)["failed"]
    write(tmp_path, V1__a="CREATE TABLE a (a int);\n", V2__b="CREATE TABLE b (a int);\n")
    assert run(tmp_path)["error"]["cause"] == "migration_failed"
    write(tmp_path, V1__a="CREATE TABLE a (b int);\n")
    (tmp_path / "V2__b.sql").unlink()
    said = [
        "V1__a.sql: the file is taken for what was applied",
        "V2__b.sql: it is noted as deleted",
        "V5__e.sql: its line is taken back, as if it had not been begun",
    ]
    would = run(tmp_path, check=True, **asked)
    assert (would["changed"], would["history"]) == (True, said)
    assert run(tmp_path, **asked)["actions"] == said
    assert run(tmp_path, **asked)["actions"] == ["nothing is to be repaired"]


def test_status_says_what_is_pending_and_who_applies_it(tmp_path: pathlib.Path) -> None:
    write(tmp_path, **{f"V{number}__x": "SELECT 1;\n" for number in range(1, 8)})
    write(tmp_path, V8__drop="-- slipway: phase=contract\nSELECT 1;\n")
    (first, second) = run(tmp_path, state="status")["actions"]
    assert first.startswith("7 migrations are pending: V1__x.sql, V2__x.sql,") and "V5__x.sql, …. The playbook" in first
    assert second == "V8__drop.sql waits for the playbook contract"
    run(tmp_path)
    assert run(tmp_path, state="status")["actions"] == []
