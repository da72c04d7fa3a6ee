# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ACME server of this machine (Pebble), and the names that it looks up."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import socketserver
import subprocess
import threading
import typing as t

from tests.integration_local.places import free_port

from .apps import until
from .authority import Authority, https

ROOT = pathlib.Path(__file__).resolve().parents[3]
PEBBLE = ROOT / ".cache" / "tools" / "bin" / "pebble"


class Names(socketserver.ThreadingTCPServer):
    """A name server by which every name leads to one address; over TCP, as Pebble asks (RFC 1035, section 4.2.2)."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        self.address = socket.inet_aton(address)
        super().__init__(("127.0.0.1", 0), Asked)
        self.place = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Asked(socketserver.StreamRequestHandler):
    """One connection, with as many questions as come."""

    def handle(self) -> None:
        while length := self.rfile.read(2):
            question = self.rfile.read(int.from_bytes(length, "big"))
            found = answer(question, t.cast(Names, self.server).address)
            self.wfile.write(len(found).to_bytes(2, "big") + found)


def answer(question: bytes, address: bytes) -> bytes:
    """An A record for whatever is asked; nothing of any other type (RFC 1035, section 4.1)."""
    end = question.index(b"\0", 12) + 5
    kind = question[end - 4 : end - 2]
    found = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + address if kind == b"\x00\x01" else b""
    counts = b"\x00\x01" + (b"\x00\x01" if found else b"\x00\x00") + b"\x00\x00\x00\x00"
    return question[:2] + b"\x81\x80" + counts + question[12:end] + found


class Pebble:
    """The server; what it is trusted by is in C(root).

    :param asked_at: the port at which it asks a host whether it is the one.
    :param address: where each host is.
    :param listen: the address that it is reached at itself.
    """

    def __init__(
        self, directory: pathlib.Path, asked_at: int, address: str = "127.0.0.1", listen: str = "127.0.0.1"
    ) -> None:
        authority = Authority()
        own = authority.issue("acme.example.com", addresses=[listen])
        self.root = directory / "acme-root.pem"
        self.root.write_text(authority.root_pem())
        for name, text in (("pebble.pem", own.chain), ("pebble.key", own.key)):
            (directory / name).write_text(text)
        self.port, manage = free_port(listen), free_port()
        self.directory = f"https://{listen}:{self.port}/dir"
        settings = {
            "listenAddress": f"{listen}:{self.port}",
            "managementListenAddress": f"127.0.0.1:{manage}",
            "certificate": str(directory / "pebble.pem"),
            "privateKey": str(directory / "pebble.key"),
            "httpPort": asked_at,
            "tlsPort": free_port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "profiles": {"default": {"description": "of the tests", "validityPeriod": 90 * 86400}},
        }
        config = directory / "pebble.json"
        config.write_text(json.dumps({"pebble": settings}))
        self._names = Names(address)
        self._log = directory / "pebble.log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [str(PEBBLE), "-config", str(config), "-dnsserver", self._names.place],
                env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: self._answers(authority, listen), "Pebble to start")
        except BaseException:
            self.stop()
            raise

    def _answers(self, authority: Authority, listen: str) -> bool:
        assert self._process.poll() is None, f"Pebble ended: {self._log.read_text()}"
        try:
            return https(self.port, authority.client(), "/dir", "acme.example.com", listen).status == 200
        except OSError:
            return False

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._names.stop()


def rendered(template: str, **variables: t.Any) -> str:
    """A template of the role, as Ansible would render it."""
    import shlex

    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "roles" / "vm_provision" / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        quote=shlex.quote, flatten=lambda value: [x for one in value for x in ([one] if isinstance(one, str) else one)]
    )
    return environment.get_template(template).render(**variables)
