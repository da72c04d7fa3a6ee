# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that knows no connection string proves what another one has taken: it has the store, and a root of its own."""

from __future__ import annotations

import base64
import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP

from .conftest import Server


@pytest.mark.parametrize("layout", ["custom", "directory"])
def test_a_dump_is_proven_where_nobody_knows_the_database(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, layout: str
) -> None:
    def on(machine: str, **changes: t.Any) -> dict[str, t.Any]:
        params = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
        params.update(name="shop", store={"kind": "local", "path": str(tmp_path / "store")}, scratch_dir=str(scratch))
        return database_backup.perform({**params, "root": str(tmp_path / machine), **changes}, False)

    server.execute(database, "CREATE TABLE item AS SELECT number AS id FROM generate_series(1, 1000) AS number")
    url = base64.b64encode(server.url(database).encode()).decode()
    mark = on("prover", state="reached")["mark"]
    taken = on("db1", url=url, verify="none", format=layout, mark=mark)
    assert taken["changed"], taken
    server.execute(database, "DROP TABLE item")  # what it is compared with is in the backup
    proven = on("prover", state="verified", id=taken["backup"]["id"], max_age=3600.0)
    assert proven["backup"]["verified_by"] == "restore", proven
    fresh = on("db1", url=url, max_age=3600.0)
    assert (fresh["changed"], fresh["backup"]["id"]) == (False, taken["backup"]["id"])
