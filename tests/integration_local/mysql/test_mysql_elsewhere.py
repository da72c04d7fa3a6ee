# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that knows no connection string proves what another one has taken."""

from __future__ import annotations

import base64
import pathlib
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages import database_backup
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP

from .conftest import Server
from .target import rows


def test_a_dump_is_proven_where_nobody_knows_the_database(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    def on(machine: str, **changes: t.Any) -> dict[str, t.Any]:
        params = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
        params.update(name="shop", store={"kind": "local", "path": str(tmp_path / "store")}, scratch_dir=str(scratch))
        params.update(engine="mariadb", root=str(tmp_path / machine))
        return database_backup.perform({**params, **changes}, False)

    rows(server, database)
    url = base64.b64encode(server.url(database).encode()).decode()
    taken = on("db1", url=url, verify="none")
    assert taken["changed"], taken
    server.execute(database, "DROP TABLE t")  # what it is compared with is in the backup
    for wanted in (taken["backup"]["id"], "latest"):
        proven = on("prover", state="verified", id=wanted, max_age=3600.0)
        assert proven["backup"]["verified_by"] == "restore", proven
    assert (proven["changed"], len(proven["backups"])) == (False, 1)
    fresh = on("db1", url=url, max_age=3600.0)
    assert (fresh["changed"], fresh["backup"]["id"]) == (False, taken["backup"]["id"])
