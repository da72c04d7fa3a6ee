# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role may not read is named before a dump begins, and nothing else is in its way."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Order
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import Server
from .target import Target


@pytest.fixture
def reader(server: Server, database: str) -> t.Iterator[str]:
    """A role that may read nothing yet."""
    name = f"{database}_reader"
    server.execute("postgres", f"CREATE ROLE {name} LOGIN PASSWORD 'p'")
    yield name
    server.execute(database, f"DROP OWNED BY {name} CASCADE")
    server.execute("postgres", f"DROP ROLE {name}")


@pytest.fixture
def target(server: Server, database: str, reader: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> Target:
    return Target(server.url(database, reader, "p"), tmp_path / "store", scratch)


def test_all_of_it_is_said_at_once_but_not_more_than_one_can_read(
    server: Server, database: str, target: Target
) -> None:
    server.execute(database, *[f"CREATE TABLE t{number} (id int)" for number in range(7)])
    target.fails("denied", r"table public\.t0 \(SELECT\); .*table public\.t4 \(SELECT\); and 2 more', wanted")


# What pg_dump would stop at, and what of it this says.
STOPS = {
    "a partitioned table whose partitions may be read": (
        "CREATE TABLE whole (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE leaf PARTITION OF whole FOR VALUES FROM (1) TO (9); GRANT SELECT ON leaf TO READER",
        r"table public\.whole \(SELECT\)",
    ),
    "an unlogged table": ("CREATE UNLOGGED TABLE fast (id int)", r"table public\.fast \(SELECT\)"),
    "a column of a table": (
        "CREATE TABLE two (a int, b int); GRANT SELECT (a) ON two TO READER",
        r"table public\.two \(SELECT\)",
    ),
    "a sequence in a schema of its own": (
        "CREATE SCHEMA inner_one; CREATE SEQUENCE inner_one.s; GRANT SELECT ON inner_one.s TO READER",
        r"sequence inner_one\.s \(USAGE on its schema\)",
    ),
    "what an extension says is its configuration": (
        "CREATE EXTENSION hstore; CREATE TABLE config (id int); ALTER EXTENSION hstore ADD TABLE config;"
        "UPDATE pg_extension SET extconfig = ARRAY['config'::regclass::oid], extcondition = ARRAY['']"
        " WHERE extname = 'hstore'",
        r"table public\.config \(SELECT\)",
    ),
}


@pytest.mark.parametrize("case", STOPS)
def test_what_a_dump_would_stop_at(server: Server, database: str, reader: str, target: Target, case: str) -> None:
    made, said = STOPS[case]
    server.execute(database, *made.replace("READER", reader).split(";"))
    target.fails("denied", said)
    with pytest.raises(SlipwayError) as caught, target.engine.snapshot() as snapshot:
        list(snapshot.dump())
    assert caught.value.cause == "command_failed"  # or this would refuse what could be backed up


def test_what_a_dump_does_not_read_is_in_nobody_s_way(
    server: Server, database: str, reader: str, target: Target
) -> None:
    """Views, and what is in an extension; a policy of a partitioned table, which holds for none of its partitions."""
    server.execute(
        database,
        "CREATE EXTENSION hstore; CREATE TABLE member (id int); CREATE SEQUENCE counts",
        "ALTER EXTENSION hstore ADD TABLE member; ALTER EXTENSION hstore ADD SEQUENCE counts",
        "CREATE SCHEMA inner_one; CREATE VIEW inner_one.v AS SELECT 1 AS n; CREATE MATERIALIZED VIEW m AS SELECT 1 AS n",
        "CREATE TABLE whole (id int) PARTITION BY RANGE (id); ALTER TABLE whole ENABLE ROW LEVEL SECURITY",
        f"CREATE TABLE leaf PARTITION OF whole FOR VALUES FROM (1) TO (9); GRANT SELECT ON whole, leaf TO {reader}",
    )
    backup = target.back_up("read").backup
    assert backup is not None and list(backup.manifest.facts["tables"]) == ["public.leaf"]


def test_check_mode_says_it_too(server: Server, database: str, target: Target) -> None:
    server.execute(database, "CREATE TABLE t (id int)")
    with pytest.raises(SlipwayError, match=r"table public\.t \(SELECT\)"):
        target.keeper().present(Order("read", 0, retention.Policy()), check=True)


def test_who_may_not_read_the_live_database_may_restore_a_backup_beside_it(
    server: Server, database: str, reader: str, target: Target
) -> None:
    """Only a safety backup reads the live one."""
    server.execute(database, f"CREATE TABLE t AS SELECT 1 AS n; GRANT SELECT ON t TO {reader}")
    made = target.back_up("none").backup
    server.execute(database, "CREATE TABLE later (id int)")
    server.execute("postgres", f"ALTER ROLE {reader} CREATEDB")
    assert made is not None
    keeper = target.keeper()
    with pytest.raises(SlipwayError, match=r"table public\.later \(SELECT\)"):
        keeper.restored(made.manifest.id, "", confirm=database, safety=True)
    assert keeper.restored(made.manifest.id, f"{database}_look", confirm="", safety=True, check=True).changed
