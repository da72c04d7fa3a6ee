# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PgBouncer before the server: of a session it is let pass, of transactions it is refused before anything is done."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import threading
import typing as t

import psycopg2
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.postgresql_login import Login
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

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
{more}
"""
OPTIONS = "ignore_startup_parameters = options"
TURNS = f"{OPTIONS}\nserver_round_robin = 1"
PROGRAM = "/usr/sbin/pgbouncer"


@contextlib.contextmanager
def pooled(server: Server, directory: pathlib.Path, mode: str, more: str = OPTIONS) -> t.Iterator[int]:
    """Its port."""
    directory.mkdir()
    users, settings, port = directory / "users", directory / "pgbouncer.ini", free_port()
    users.write_text(f'"admin" "{PASSWORD}"\n')
    settings.write_text(SETTINGS.format(server=server.port, port=port, users=users, mode=mode, more=more))
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
        assert project.refused("replayed", check=True)["cause"] == "pooled"  # the look before a release
        error = project.refused(**given)
        assert error["cause"] == "pooled" and "admin_url" in error["remedy"]
        assert project.empty()
    project.url = direct
    assert project.run("replayed", check=True)["actions"] == []
    assert project.run(**given)["changed"] and project.tables() == {"item_item"}


class Customers(threading.Thread):
    """Others who take connections from the same pool all the time, as programs do."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.link, self.over, self.asked = psycopg2.connect(url), threading.Event(), threading.Event()
        self.link.autocommit = True

    def run(self) -> None:
        with contextlib.closing(self.link), self.link.cursor() as cursor:
            while not self.over.is_set():
                cursor.execute("SELECT pg_sleep(0.001)")
                self.asked.set()


@pytest.mark.parametrize("customers", [0, 4])
@pytest.mark.parametrize("more", ["", OPTIONS, TURNS])
def test_nothing_is_set_on_a_connection_that_is_somebody_elses_next(
    more: str, customers: int, tool_server: Server, tmp_path: pathlib.Path
) -> None:
    project = sql(tool_server, tmp_path / "files")
    with pooled(tool_server, tmp_path / "pooler", "transaction", more) as port:
        project.url = url = tool_server.url(project.database, port=port)
        others = [Customers(url) for _number in range(customers)]
        for other in others:
            other.start()
            other.asked.wait()
        try:
            assert project.refused("status", locations=[str(project.directory)])["cause"] == "pooled"
            for log_in in (Login(url).connect, Login(url).open):  # as a backup and its restore do
                with pytest.raises(SlipwayError) as caught:
                    log_in()
                assert caught.value.cause == "pooled" and "direct_url" in caught.value.remedy
        finally:
            for other in others:
                other.over.set()
                other.join()
        with contextlib.closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
            for name, usual in {
                "search_path": '"$user", public',
                "statement_timeout": "0",
                "lock_timeout": "0",
            }.items():
                cursor.execute(f"SHOW {name}")
                assert cursor.fetchone() == (usual,)


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
