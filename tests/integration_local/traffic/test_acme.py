# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates by ACME: certbot, by the script that provision writes, against Pebble, behind each proxy."""

from __future__ import annotations

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import typing as t

import pytest

from . import renew_here
from .acme import ROOT, Pebble, rendered
from .apps import App, Load, until
from .authority import HOST, connector, https, trusting
from .proxies import ASKED_FOR, Proxy
from .tls_shop import Shop


@pytest.fixture(params=["haproxy", "nginx", "caddy", *ASKED_FOR])
def shop(request: pytest.FixtureRequest, blue: App, green: App) -> Shop:
    return Shop(t.cast(Proxy, request.getfixturevalue(request.param)), blue, green)


@pytest.fixture
def pebble(shop: Shop, tmp_path: pathlib.Path) -> t.Iterator[Pebble]:
    server = Pebble(tmp_path, shop.plain)
    yield server
    server.stop()


class Certbot:
    """The script of a platform, with its directories in a place of its own."""

    def __init__(self, shop: Shop, pebble: Pebble, directory: pathlib.Path, acme_port: int, peer_port: int = 1) -> None:
        self.live = directory / "etc" / "live" / "slipway-shop-production"
        python = directory / "python"
        here = f"PYTHONPATH={os.environ['PYTHONPATH']} exec {sys.executable} {renew_here.__file__}"
        python.write_text(f'#!/bin/sh\n{here} "$@"\n')
        python.chmod(0o755)
        (shop.proxy.root / "engine" / "x").mkdir(parents=True)
        own = ["--config-dir", "etc", "--work-dir", "lib", "--logs-dir", "log"]
        text = rendered(
            "slipway-acme.j2",
            slipway_platform="shop",
            slipway_environment="production",
            vm_provision_provider=shop.proxy.kind,
            vm_provision_acme={"hosts": [HOST], "email": "ops@example.com", "directory": pebble.directory},
            vm_provision_acme_name="slipway-shop-production",
            vm_provision_acme_port=acme_port,
            vm_provision_acme_peer_port=peer_port,
            vm_provision_acme_plain=shop.plain,
            vm_provision_acme_python=str(python),
            vm_provision_acme_root=str(shop.proxy.root),
            vm_provision_acme_options=[*(one if one.startswith("--") else str(directory / one) for one in own)],
        )
        self._script = directory / "slipway-acme"
        self._script.write_text(text)
        self._script.chmod(0o755)
        shop.proxy.by_hand(acme=acme_port)
        self._environment = {**os.environ, "REQUESTS_CA_BUNDLE": str(pebble.root)}
        self._settings = shop.proxy.settings()

    def run(self, **settings: str) -> str:
        """Get the certificate, or look whether there is anything to do; what it says.

        :param settings: of the proxy, wrong ones: what is new cannot be put in then.
        """
        told = json.dumps({**self._settings, **settings})
        environment = {**self._environment, "SLIPWAY_TEST_SETTINGS": told}
        done = subprocess.run([self._script], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is not bool(settings), done.stdout + done.stderr
        return done.stdout + done.stderr

    def renew(self, **settings: str) -> str:
        """The same, as if the end of the certificate were near."""
        text = self._script.read_text()
        self._script.write_text(text.replace("--keep-until-expiring", "--keep-until-expiring --force-renewal"))
        try:
            return self.run(**settings)
        finally:
            self._script.write_text(text)
            self._script.chmod(0o755)


# Says whether it is the only one, and stays until it is told to end.
ALONE = """#!/bin/sh
mkdir {here}/alone || echo "not alone" >> {here}/said
read -r _ < {here}/end
rmdir {here}/alone
echo ended >> {here}/said
"""


def test_two_platforms_of_one_balancer_ask_one_after_the_other(tmp_path: pathlib.Path) -> None:
    """Certbot would refuse the second one, which would be tried again half a day later."""
    script = tmp_path / "script"
    script.write_text(ALONE.format(here=tmp_path))
    script.chmod(0o755)
    os.mkfifo(tmp_path / "end")
    (said := tmp_path / "said").touch()
    unit = rendered(
        "slipway-acme.service.j2",
        slipway_platform="shop",
        slipway_environment="production",
        vm_provision_acme_script=str(script),
        vm_provision_acme_environment={},
    )
    (start,) = re.findall("^ExecStart=(.*)$", unit, re.MULTILINE)
    words = start.replace("/run/lock/slipway-acme", str(tmp_path / "lock")).split()
    one = subprocess.Popen(words)
    until((tmp_path / "alone").exists, "the first one")
    other = subprocess.Popen(words)
    locks = pathlib.Path("/proc/locks")
    until(lambda: said.read_text() or f" {other.pid} " in locks.read_text(), "the second one")
    try:
        assert said.read_text() == ""
        for process in (one, other):
            (tmp_path / "end").write_text("\n")
            assert process.wait() == 0
    finally:
        one.kill()
        other.kill()
    assert said.read_text() == "ended\nended\n"


def test_a_certificate_comes_is_served_and_is_renewed_under_load(
    shop: Shop, pebble: Pebble, tmp_path: pathlib.Path, directory: pathlib.Path
) -> None:
    acme_port = 30000 + shop.plain % 2000
    certbot = Certbot(shop, pebble, tmp_path, acme_port)
    certbot.run()
    places = {"chain": str(certbot.live / "fullchain.pem"), "key": str(certbot.live / "privkey.pem"), "hosts": [HOST]}
    shop.proxy.secrets = {}
    shop.proxy.switch(shop.params(tls={"certificates": [places], "acme_port": acme_port}))
    client = trusting((certbot.live / "chain.pem").read_text())
    first = https(shop.port, client)
    assert (first.status, first.body) == (200, "blue")
    assert "not yet due for renewal" in certbot.run() and https(shop.port, client).serial == first.serial
    with Load(shop.port, connect=connector(shop.port, client)) as load:
        load.seen(50)
        said = certbot.renew()
        until(lambda: https(shop.port, client).serial != first.serial, "the new certificate")
        load.seen(50)
    print(f"{len(load.answers)} requests, {load.closed} idle connections closed; {said[-400:]}")
    assert load.failures == [] and (load.closed == 0 or shop.proxy.kind in ("nginx", "caddy"))
    assert shop.kept()[0].count("BEGIN CERTIFICATE") == 2


def test_what_could_not_be_put_in_is_put_in_the_next_time(
    shop: Shop, pebble: Pebble, tmp_path: pathlib.Path, directory: pathlib.Path
) -> None:
    acme_port = 32000 + shop.plain % 2000
    certbot = Certbot(shop, pebble, tmp_path, acme_port)
    certbot.run()
    places = {"chain": str(certbot.live / "fullchain.pem"), "key": str(certbot.live / "privkey.pem")}
    shop.proxy.secrets = {}
    shop.proxy.switch(shop.params(tls={"certificates": [places], "acme_port": acme_port}))
    client = trusting((certbot.live / "chain.pem").read_text())
    first = https(shop.port, client).serial
    certbot.renew(root="/proc/nowhere")
    assert https(shop.port, client).serial == first
    assert "not yet due for renewal" in certbot.run()
    assert https(shop.port, client).serial != first


def test_of_several_balancers_one_that_is_asked_passes_it_on_to_the_one_that_gets_its_certificate(
    shop: Shop, pebble: Pebble, tmp_path: pathlib.Path, directory: pathlib.Path
) -> None:
    """Before the first release by the relay alone, later behind the proxy; certbot is never where the question comes."""
    acme_port, peer_port = (base + shop.plain % 2000 for base in (26000, 28000))
    (tmp_path / "shop-production.balancers").write_text("192.0.2.1\n127.0.0.1\n")  # the first is of nobody (RFC 5737)
    certbot = Certbot(shop, pebble, tmp_path, acme_port, peer_port)
    with Relay(f"127.0.0.1:{acme_port}", tmp_path, peer_port):
        with Relay(f":{shop.plain}", tmp_path, peer_port):
            certbot.run()
        places = {
            "chain": str(certbot.live / "fullchain.pem"),
            "key": str(certbot.live / "privkey.pem"),
            "hosts": [HOST],
        }
        shop.proxy.secrets = {}
        shop.proxy.switch(shop.params(tls={"certificates": [places], "acme_port": acme_port}))
        client = trusting((certbot.live / "chain.pem").read_text())
        first = https(shop.port, client).serial
        certbot.renew()
        until(lambda: https(shop.port, client).serial != first, "the new certificate")


class Relay:
    """The program of the role, at a place of this machine."""

    def __init__(self, place: str, balancers: pathlib.Path, peer_port: int) -> None:
        self._words = [
            str(ROOT / "roles" / "vm_provision" / "files" / "slipway-acme-relay"),
            place,
            str(balancers),
            str(peer_port),
        ]
        self._told = f"slipway-{os.getpid()}-{place}"  # an abstract socket, as systemd's may be

    def __enter__(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(f"\0{self._told}")
            told.settimeout(30)
            self._process = subprocess.Popen(self._words, env={**os.environ, "NOTIFY_SOCKET": f"@{self._told}"})
            assert told.recv(64) == b"READY=1"

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(10)
