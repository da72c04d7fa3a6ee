# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port that leads to a unix socket."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal import namespace, relay

LARGE = bytes(range(256)) * 8192


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    """In this process's own network: entering another one takes root."""
    monkeypatch.setattr(relay, "inside", lambda _namespace, work: work())


@pytest.fixture
def server(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        yield path, listener


def echo(listener):
    """Answers when all has been said, as it was said."""

    def serve():
        far, _address = listener.accept()
        with far, far.makefile("rb") as said:
            far.sendall(said.read())

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_both_directions_are_passed_on_and_each_ends_alone(server):
    path, listener = server
    thread = echo(listener)
    with relay.relayed("", path) as port, socket.create_connection(("127.0.0.1", port)) as near:
        near.sendall(LARGE)
        near.shutdown(socket.SHUT_WR)
        with near.makefile("rb") as answer:
            assert answer.read() == LARGE
    thread.join()


def test_its_end_ends_connections_and_gives_the_port_back(server):
    path, listener = server
    with contextlib.ExitStack() as left:
        with relay.relayed("", path) as port:
            near = left.enter_context(socket.create_connection(("127.0.0.1", port)))
            far, _address = listener.accept()
            left.enter_context(far)
        assert near.recv(1) == b""
        assert far.recv(1) == b""
        with relay.relayed("", path, port) as again:
            assert again == port


def test_a_copy_that_is_gone_hangs_up(tmp_path):
    with relay.relayed("", str(tmp_path / "gone")) as port, socket.create_connection(("127.0.0.1", port)) as near:
        assert near.recv(1) == b""


def test_a_network_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SlipwayError, match="cannot be entered") as caught:
        namespace.inside(str(tmp_path / "gone"), list)
    assert caught.value.cause == "namespace"
