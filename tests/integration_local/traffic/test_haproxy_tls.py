# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS that a real HAProxy ends: protocols, certificates by host, redirect, addresses."""

from __future__ import annotations

import socket
import ssl
import stat

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .apps import App, get, until
from .authority import HOST, https
from .proxies import RealHaproxy
from .tls_shop import Shop, redirected

GREEN = {"blue": 0, "green": 100}


@pytest.fixture
def shop(haproxy: RealHaproxy, blue: App, green: App) -> Shop:
    return Shop(haproxy, blue, green)


def test_a_release_serves_by_tls_and_plain_http_leads_there(shop: Shop) -> None:
    result = shop.proxy.switch(shop.params(tls={"hsts": 86400}))
    assert result["reloaded"] and any(
        "certificate for shop.example.com, good until" in one for one in result["actions"]
    )
    seen = https(shop.port, shop.client)
    assert (seen.status, seen.body, seen.version) == (200, "blue", "TLSv1.3")
    assert seen.headers["strict-transport-security"] == "max-age=86400"
    answer = redirected(shop.plain, "/a?b=%41%25", {"Host": f"{HOST}:{shop.plain}"})
    assert answer == (308, f"https://{HOST}:{shop.port}/a?b=%41%25")
    assert get(shop.plain, "/health") == (200, "blue")
    # A check of an outer balancer may be in HTTP/1.0 and say no host; then there is nowhere to lead to.
    assert [nameless(shop.plain, path) for path in ("/health", "/")] == [b"200", b"400"]
    (file,) = (shop.proxy.certificates).glob("*/*.pem")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    again = shop.proxy.switch(shop.params(tls={"hsts": 86400}))
    assert (again["changed"], again["actions"]) == (False, [])


def nameless(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
        stream.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return stream.recv(4096).split(maxsplit=2)[1]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_protocols_are_refused_and_http2_is_offered(shop: Shop) -> None:
    shop.proxy.switch(shop.params())
    assert negotiated(shop.port, shop.authority.client("h2", "http/1.1")) == ("TLSv1.3", "h2")
    old = shop.authority.client()
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        negotiated(shop.port, old)
    shop.proxy.switch(shop.params(tls={"http2": False, "minimum": "TLSv1.3"}))
    assert negotiated(shop.port, shop.authority.client("h2", "http/1.1")) == ("TLSv1.3", "http/1.1")
    old.maximum_version = old.minimum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        negotiated(shop.port, old)


def negotiated(port: int, client: ssl.SSLContext) -> tuple[str | None, str | None]:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        client.wrap_socket(plain, server_hostname=HOST) as stream,
    ):
        return stream.version(), stream.selected_alpn_protocol()


def test_each_host_gets_its_certificate(shop: Shop) -> None:
    admin = shop.authority.issue("*.example.org")
    files = {name: shop.proxy.dir / name for name in ("chain.pem", "key.pem")}
    files["chain.pem"].write_text(admin.chain)
    files["key.pem"].write_text(admin.key)
    certificates = [
        {"chain": "CHAIN", "key": "KEY"},
        {"chain": str(files["chain.pem"]), "key": str(files["key.pem"]), "hosts": ["admin.example.org"]},
    ]
    routes = [{"path": "/", "service": "backend", "host": host} for host in (HOST, "admin.example.org")]
    shop.proxy.switch(shop.params(tls={"certificates": certificates}, routes=routes))
    assert https(shop.port, shop.client, host="admin.example.org").serial == admin.serial
    assert https(shop.port, shop.client).serial not in (0, admin.serial)
    wrong = [*routes, {"path": "/", "service": "backend", "host": "a.b.example.org"}]
    with pytest.raises(SlipwayError) as refused:
        shop.proxy.switch(shop.params(tls={"certificates": certificates}, routes=wrong))
    assert refused.value.cause == "certificate_wrong_host" and "a.b.example.org" in refused.value.message


def test_ipv6_and_ipv4_on_one_port(shop: Shop) -> None:
    shop.proxy.switch(shop.params(bind="::"))
    assert https(shop.port, shop.client, address="::1").body == https(shop.port, shop.client).body == "blue"
    shop.proxy.switch(shop.params(bind="127.0.0.1, ::1"))
    assert https(shop.port, shop.client, address="::1").body == https(shop.port, shop.client).body == "blue"


def test_closing_and_taking_back_need_no_certificate_but_the_one_kept(shop: Shop) -> None:
    shop.proxy.switch(shop.params())
    serial = https(shop.port, shop.client).serial
    shop.proxy.secrets = None
    shop.proxy.close()
    closed = https(shop.port, shop.client)
    assert (closed.status, closed.serial) == (503, serial)
    assert get(shop.plain, "/health")[0] == 200
    shop.proxy.reopen()
    assert https(shop.port, shop.client)[:2] == (200, "blue")


def test_tls_comes_and_goes_with_a_release(shop: Shop) -> None:
    plain = shop.proxy.params(shop.plain, *shop.apps)
    shop.proxy.switch(plain)
    assert get(shop.plain) == (200, "blue")
    shop.proxy.switch({**shop.params(), "weights": GREEN})
    assert https(shop.port, shop.client).body == "green" and get(shop.plain)[0] == 308
    until(lambda: "L7OK" in shop.proxy.ask("show stat"), "checks")
    shop.proxy.switch(plain)
    assert get(shop.plain) == (200, "blue")
    with pytest.raises(OSError):
        https(shop.port, shop.client)
