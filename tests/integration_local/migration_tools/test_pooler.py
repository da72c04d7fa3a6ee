# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PgBouncer before the server: of a session it is let pass, of transactions it is refused before anything is done."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import typing as t

import psycopg2
import pytest

from tests.integration_local.backup.conftest import PASSWORD, Server
from tests.integration_local.places import free_port

from .outside import Project
from .test_tool_django import Django

SETTINGS = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
ignore_startup_parameters = options
"""
PROGRAM = "/usr/sbin/pgbouncer"


@contextlib.contextmanager
def pooled(server: Server, directory: pathlib.Path, mode: str) -> t.Iterator[int]:
    """Its port."""
    directory.mkdir()
    users, settings, port = directory / "users", directory / "pgbouncer.ini", free_port()
    users.write_text(f'"admin" "{PASSWORD}"\n')
    settings.write_text(SETTINGS.format(server=server.port, port=port, users=users, mode=mode))
    for path in (users, settings):
        path.chmod(0o644)  # it refuses to be root
    owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    for path in [*directory.parents][:-2]:
        with contextlib.suppress(PermissionError):
            path.chmod(path.stat().st_mode | 0o011)
    directory.chmod(0o755)
    process = subprocess.Popen([*owner, PROGRAM, "--quiet", str(settings)], stderr=subprocess.PIPE, text=True)
    try:
        while True:
            try:
                psycopg2.connect(server.url("postgres", port=port)).close()
                break
            except psycopg2.OperationalError:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    raise AssertionError(process.communicate(timeout=0.05)[1]) from None
        yield port
    finally:
        process.kill()
        process.communicate()


def sql(server: Server, directory: pathlib.Path) -> Project:
    project = Project(server, directory, "sql")
    project.write("V1__item.sql", "CREATE TABLE item_item (id bigint);\n")
    return project


MAKES: tuple[t.Callable[[Server, pathlib.Path], Project], ...] = (sql, Django)


@pytest.mark.parametrize("make", MAKES)
def test_one_that_lends_out_connections_for_a_transaction_is_refused(
    make: t.Callable[[Server, pathlib.Path], Project], tool_server: Server, tmp_path: pathlib.Path
) -> None:
    project = make(tool_server, tmp_path / "files")
    given = {"locations": [str(project.directory)]} if project.tool == "sql" else {}
    direct = project.url
    with pooled(tool_server, tmp_path / "pooler", "transaction") as port:
        project.url = tool_server.url(project.database, port=port)
        error = project.refused(**given)
        assert error["cause"] == "pooled" and "admin_url" in error["remedy"]
        assert project.empty()
    project.url = direct
    assert project.run(**given)["changed"] and project.tables() == {"item_item"}


@pytest.mark.parametrize("make", MAKES)
def test_one_that_keeps_a_connection_for_a_session_is_as_good_as_none(
    make: t.Callable[[Server, pathlib.Path], Project], tool_server: Server, tmp_path: pathlib.Path
) -> None:
    project = make(tool_server, tmp_path / "files")
    given = {"locations": [str(project.directory)]} if project.tool == "sql" else {}
    with pooled(tool_server, tmp_path / "pooler", "session") as port:
        project.url = tool_server.url(project.database, port=port)
        assert project.run(**given)["changed"] and project.tables() == {"item_item"}
        assert not project.run(**given)["changed"]
