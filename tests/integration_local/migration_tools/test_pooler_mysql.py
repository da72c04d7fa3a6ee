# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a pooler before MariaDB (no ProxySQL, no MaxScale can be had): of a session it is let pass, of statements refused.

It speaks the protocol by its manual (MySQL Internals, "Client/Server Protocol": packets, handshake, text resultset), logs each
client in on a connection of its own, and then sends the commands of all on one of them.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import typing as t
import urllib.parse

import pymysql
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.mysql_login import Login
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from tests.integration_local.mysql.conftest import PASSWORD
from tests.integration_local.mysql.conftest import Server as MariaDBServer

OK, EOF, ERR = 0x00, 0xFE, 0xFF
TLS = 0x0800  # CLIENT_SSL
NUMBER = 999_000  # by which it greets its clients, and not the server's


class Pooler(socketserver.ThreadingTCPServer):
    """A pooler of one server's connections.

    :param lends: each statement goes to the connection that comes next, of which there is one; else each client keeps its own.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, behind: int, *, lends: bool) -> None:
        super().__init__(("127.0.0.1", 0), Client)
        self.behind, self.lends = behind, lends
        self.link: socket.socket | None = None
        self.turn = threading.Lock()
        self.commands: list[bytes] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Client(socketserver.BaseRequestHandler):
    """One connection to the pooler."""

    def handle(self) -> None:
        pooler = t.cast(Pooler, self.server)
        with (
            socket.create_connection(("127.0.0.1", pooler.behind)) as own,
            contextlib.suppress(EOFError, ConnectionError),
        ):
            self.request.sendall(renumbered(packet(own)))
            while True:
                own.sendall(packet(self.request))
                answer = packet(own)
                self.request.sendall(answer)
                if answer[4] in (OK, ERR):
                    break
            pooler.link = pooler.link or own
            link = pooler.link if pooler.lends else own
            while command := packet(self.request):
                with pooler.turn:
                    pooler.commands.append(command[4:])
                    link.sendall(command)
                    if command[4] == 1:  # COM_QUIT
                        return
                    self.request.sendall(result(link))


def packet(link: socket.socket) -> bytes:
    head = exactly(link, 4)
    return head + exactly(link, int.from_bytes(head[:3], "little"))


def exactly(link: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = link.recv(count - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found


def result(link: socket.socket) -> bytes:
    """One packet, or columns and rows with an end behind each."""
    found = packet(link)
    ends = 0 if found[4] in (OK, ERR) else 2
    while ends:
        more = packet(link)
        found += more
        ends = 0 if more[4] == ERR else ends - (more[4] == EOF and len(more) < 13)
    return found


def renumbered(greeting: bytes) -> bytes:
    """Behind the version, with another number, and without the offer of TLS among the capabilities."""
    number = greeting.index(b"\0", 5) + 1
    offers = number + 13
    found = int.from_bytes(greeting[offers : offers + 2], "little") & ~TLS
    parts = (
        greeting[:number],
        NUMBER.to_bytes(4, "little"),
        greeting[number + 4 : offers],
        found.to_bytes(2, "little"),
    )
    return b"".join(parts) + greeting[offers + 2 :]


@contextlib.contextmanager
def pooled(behind: int, *, lends: bool) -> t.Iterator[Pooler]:
    pooler = Pooler(behind, lends=lends)
    thread = threading.Thread(target=pooler.serve_forever, daemon=True)
    thread.start()
    try:
        yield pooler
    finally:
        pooler.shutdown()
        pooler.server_close()
        thread.join()


def login(port: int) -> Login:
    return Login(f"mariadb://admin:{urllib.parse.quote(PASSWORD, safe='')}@127.0.0.1:{port}/mysql")


def test_one_that_lends_out_connections_is_refused_before_anything_is_set(tool_mariadb: MariaDBServer) -> None:
    with pooled(tool_mariadb.port, lends=True) as pooler:
        with pytest.raises(SlipwayError) as caught:
            login(pooler.port).connect()
        assert caught.value.cause == "pooled" and "slipway_database.direct_url" in caught.value.remedy
        assert not [one for one in pooler.commands if one[1:].startswith(b"SET SESSION")]


@pytest.mark.parametrize("between", [True, False])
def test_one_that_keeps_a_connection_for_a_session_is_let_pass_as_is_none(
    tool_mariadb: MariaDBServer, between: bool
) -> None:
    with pooled(tool_mariadb.port, lends=False) as pooler:
        link = login(pooler.port if between else tool_mariadb.port).connect()
        with contextlib.closing(link), link.cursor() as cursor:
            cursor.execute("SELECT @@session.time_zone")
            assert cursor.fetchone() == ("+00:00",) and isinstance(link, pymysql.connections.Connection)
            assert (link.thread_id() == NUMBER) is between
