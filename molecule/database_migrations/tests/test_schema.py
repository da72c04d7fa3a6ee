# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema after the expand migrations, and what stays of applying them."""

from __future__ import annotations

import json
import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://all"]


def sql(host: Host, statement: str) -> list[str]:
    with host.sudo("postgres"):
        return t.cast("str", host.check_output(f'psql -XAtd shop -c "{statement}"')).split()


def test_what_expands_is_applied_once_and_what_contracts_is_not(host: Host) -> None:
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'goods' ORDER BY 1"
    assert sql(host, columns) == ["id", "name", "price"]
    assert sql(host, "SELECT script FROM flyway_schema_history ORDER BY installed_rank") == [
        "V1__goods.sql",
        "V2__price.sql",
    ]


def test_it_waited_for_a_proven_backup_and_stands_in_the_journal(host: Host) -> None:
    with host.sudo():
        journal = host.check_output("cat /var/lib/slipway/shop/molecule/journal.jsonl")
    records = [json.loads(line) for line in journal.splitlines()]
    begun = [record["stage"] for record in records if record["event"] == "begin"]
    assert begun == ["backup", "rehearse", "migrate", "record"]
    noted = [record["data"] for record in records if record["event"] == "note" and record["data"]["name"] == "migrated"]
    assert [note["scripts"] for note in noted] == [["V1__goods.sql", "V2__price.sql"]]


def test_no_file_of_the_site_and_no_copy_of_the_database_stays(host: Host) -> None:
    with host.sudo():
        assert host.check_output("find /tmp /var/tmp -name 'slipway*'") == ""
        assert host.run("pgrep --full '[s]lipway-scratch'").rc != 0
