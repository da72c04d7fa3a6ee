# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers for small set-ups: only here, only where they were told to listen, and only with the password."""

from __future__ import annotations

import typing as t

import pytest

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://slipway_proxy"]
PASSWORD = 'it\'s a "secret" \\ $x %s'  # noqa: S105 that of the scenario
SERVERS = {"lb1": ("postgresql", "redis-server"), "lb2": ("mariadb",)}
ENVIRONMENT = 'PGPASSWORD="$(cat /run/password)" REDISCLI_AUTH="$(cat /run/password)" MYSQL_PWD="$(cat /run/password)"'
ASK = {
    "lb1": (
        "psql --no-password --host=127.0.0.1 --username=shop --dbname=shop --tuples-only --command='SELECT 1'",
        "redis-cli ping",
    ),
    "lb2": ("mariadb --user=blog --database=blog --execute='SELECT 1'",),
}


@pytest.fixture
def name(host: Host) -> str:
    return str(host.backend.host)


def test_they_run_now_and_after_a_reboot(host: Host, name: str) -> None:
    for server in SERVERS[name]:
        assert host.service(server).is_running, host.run(f"journalctl --no-pager --lines=30 --unit={server}").stdout
        assert host.service(server).is_enabled


def test_nobody_else_reaches_them(host: Host, name: str) -> None:
    ports = {"lb1": (5432, 6379), "lb2": (3306,)}[name]
    for port in ports:
        assert host.socket(f"tcp://127.0.0.1:{port}").is_listening
        assert not host.socket(f"tcp://0.0.0.0:{port}").is_listening


def test_the_password_opens_them_and_another_one_does_not(host: Host, name: str) -> None:
    for password, opens in ((PASSWORD, True), ("another", False)):
        host.run("printf %%s %s > /run/password", password)
        for ask in ASK[name]:
            answer = host.run(f"{ENVIRONMENT} {ask}")
            assert (answer.rc == 0 and "NOAUTH" not in answer.stdout) is opens, (ask, answer.stdout, answer.stderr)


def test_the_password_is_in_no_file_that_everybody_may_read(host: Host, name: str) -> None:
    if name == "lb1":
        assert host.file("/etc/redis/slipway.conf").mode == 0o640
    assert host.run("grep -rlF 'secret\" ' /etc --exclude-dir=redis").stdout == ""
