# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore that is killed leaves no half database under the name that was asked for, and the next run clears up."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import postgresql_facts, postgresql_restore
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .conftest import Server
from .target import Target


@pytest.fixture
def target(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> t.Iterator[Target]:
    server.execute(database, "CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) AS n")
    target = Target(server.url(database), tmp_path / "store", scratch)
    target.back_up("none")
    yield target
    for name in databases(server, database):
        if name != database:
            server.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")


def databases(server: Server, beginning: str) -> list[str]:
    with contextlib.closing(server.connect("postgres")) as link, link.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1", (beginning,))
        return [row[0] for row in cursor.fetchall()]


STEPS: dict[str, tuple[t.Any, str, str]] = {
    "before it is filled": (postgresql_restore, "_filled", "look"),
    "before it is compared": (postgresql_facts, "differences", "look"),
    "before it gets its name": (postgresql_restore, "_end_connections", "look"),
    "before it takes the live one's": (postgresql_restore, "_change_names", ""),
}


@pytest.mark.parametrize("step", STEPS)
def test_it_is_killed(server: Server, database: str, target: Target, step: str) -> None:
    module, name, into = STEPS[step]
    child = os.fork()
    if not child:
        setattr(module, name, lambda *_given, **_more: os.kill(os.getpid(), signal.SIGKILL))
        try:
            target.keeper().restored("latest", into and f"{database}_{into}", confirm=database, safety=False)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    (left,) = set(databases(server, database)) - {database}
    assert "_new_" in left
    done = target.keeper().recover()
    assert done[-1] == f"dropped {left}, which a restore that was cut off had left"
    assert databases(server, database) == [database]
    assert target.keeper().recover() == []
    target.keeper().restored("latest", f"{database}_look", confirm="", safety=False)
    assert databases(server, database) == [database, f"{database}_look"]


def test_a_name_that_was_taken_meanwhile_is_told_and_the_copy_is_dropped(
    server: Server, database: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    differences = postgresql_facts.differences

    def compared(*given: t.Any) -> list[str]:
        server.execute("postgres", f"CREATE DATABASE {database}_look")
        return differences(*given)

    monkeypatch.setattr(postgresql_facts, "differences", compared)
    with pytest.raises(SlipwayError, match="there is a database of this name") as caught:
        target.keeper().restored("latest", f"{database}_look", confirm="", safety=False)
    assert caught.value.cause == "exists"
    assert databases(server, database) == [database, f"{database}_look"]


def test_a_role_that_may_make_no_database_is_told(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    role = f"{database}_poor"
    server.execute("postgres", f"CREATE ROLE {role} LOGIN PASSWORD 'p'")
    try:
        poor = Target(server.url(database, role, "p"), tmp_path / "store", scratch)
        with pytest.raises(SlipwayError, match="permission denied to create database") as caught:
            poor.keeper().restored("latest", f"{database}_look", confirm="", safety=False)
        assert caught.value.cause == "denied"
    finally:
        server.execute("postgres", f"DROP ROLE {role}")
    assert databases(server, database) == [database]
