# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS that a real nginx, Caddy and Traefik end: protocols, certificates by host, redirect, addresses, new certificates."""

from __future__ import annotations

import stat
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .apps import App, Load, get, until
from .authority import HOST, connector, https
from .proxies import ASKED_FOR, Proxy
from .test_haproxy_tls import negotiated
from .tls_shop import Fresh, Shop, redirected, secrets

GREEN = {"blue": 0, "green": 100}


@pytest.fixture(params=["nginx", "caddy", *ASKED_FOR])
def shop(request: pytest.FixtureRequest, blue: App, green: App) -> Shop:
    return Shop(t.cast(Proxy, request.getfixturevalue(request.param)), blue, green)


def test_a_release_serves_by_tls_and_plain_http_leads_there(shop: Shop) -> None:
    shop.proxy.switch(shop.params(tls={"hsts": 86400}))
    seen = https(shop.port, shop.client)
    assert (seen.status, seen.body, seen.version) == (200, "blue", "TLSv1.3")
    assert seen.headers["strict-transport-security"] == "max-age=86400"
    assert negotiated(shop.port, shop.authority.client("h2", "http/1.1")) == ("TLSv1.3", "h2")
    answer = redirected(shop.plain, "/a?b=%41%25", {"Host": f"{HOST}:{shop.plain}"})
    assert answer == (308 if shop.proxy.kind != "traefik" else 301, f"https://{HOST}:{shop.port}/a?b=%41%25")
    assert get(shop.plain, "/health") == (200, "blue")
    (file,) = shop.proxy.certificates.glob("*/*.pem")
    assert stat.S_IMODE(file.stat().st_mode) == (0o600 if shop.proxy.kind == "nginx" else 0o640)
    again = shop.proxy.switch(shop.params(tls={"hsts": 86400}))
    assert (again["changed"], again["actions"]) == (False, [])
    shop.proxy.close()
    closed = https(shop.port, shop.client)
    assert (closed.status, closed.headers["strict-transport-security"]) == (503, "max-age=86400")
    assert get(shop.plain, "/health")[0] == 200 and get(shop.plain, "/")[0] == answer[0]
    shop.proxy.reopen()
    assert https(shop.port, shop.client)[:2] == (200, "blue")


def test_each_host_gets_its_certificate(shop: Shop) -> None:
    admin = shop.authority.issue("*.example.org")
    shop.proxy.secrets = {**secrets(shop.authority.issue(HOST)), **secrets(admin, "C2", "K2")}
    certificates = [{"chain": "CHAIN", "key": "KEY"}, {"chain": "C2", "key": "K2"}]
    routes = [{"path": "/", "service": "backend", "host": host} for host in (HOST, "admin.example.org")]
    shop.proxy.switch(shop.params(tls={"certificates": certificates}, routes=routes))
    assert https(shop.port, shop.client, host="admin.example.org")[:2] == (200, "blue")
    assert https(shop.port, shop.client, host="admin.example.org").serial == admin.serial
    assert https(shop.port, shop.client, host="other.example.org")[0] == 404
    assert https(shop.port, shop.client).serial not in (0, admin.serial)


def test_ipv6_and_ipv4_on_one_port(shop: Shop) -> None:
    shop.proxy.by_hand(bind="::")
    shop.proxy.switch(shop.params(bind="::"))
    assert https(shop.port, shop.client, address="::1").body == https(shop.port, shop.client).body == "blue"
    shop.proxy.stop()
    shop.proxy.start()
    shop.proxy.switch(shop.params(bind="::", weights=GREEN))
    assert https(shop.port, shop.client, address="::1").body == https(shop.port, shop.client).body == "green"


def test_a_new_certificate_alone_is_put_in_under_load(shop: Shop) -> None:
    shop.proxy.switch(shop.params())
    with Load(shop.port, connect=connector(shop.port, shop.client)) as load, Fresh(shop) as fresh:
        load.seen(50)
        for _each in range(5):
            new = shop.authority.issue(HOST)
            shop.proxy.secrets = secrets(new)
            result = shop.proxy.switch(shop.params())
            assert result["changed"] and https(shop.port, shop.client).serial == new.serial
            load.seen(50)
    print(
        f"{shop.proxy.kind}: {len(load.answers)} requests on kept connections ({load.closed} closed when idle),"
        f" {len(fresh.answers)} on new ones ({len(fresh.failures)} lost)"
    )
    assert load.failures == []
    # What Caddy has not taken yet when it opens its sockets anew is reset: see docs/traffic_caddy.md.
    assert fresh.failures == [] or shop.proxy.kind == "caddy"
    shop.proxy.restart()
    until(lambda: answers(shop), "the proxy to serve again")
    assert https(shop.port, shop.client).serial == new.serial


def answers(shop: Shop) -> bool:
    try:
        return https(shop.port, shop.client).status == 200
    except OSError:
        return False


def test_one_that_is_refused_leaves_the_one_before(shop: Shop) -> None:
    shop.proxy.switch(shop.params())
    serial, kept = https(shop.port, shop.client).serial, shop.kept()
    new = shop.authority.issue(HOST)
    shop.proxy.secrets = secrets(new._replace(key=shop.authority.issue(HOST).key))
    with pytest.raises(SlipwayError) as refused:
        shop.proxy.switch(shop.params(weights=GREEN))
    assert refused.value.cause == "certificate_key_mismatch"
    shop.proxy.secrets = secrets(new)
    cause = shop.proxy.spoil()
    with pytest.raises(SlipwayError) as refused:
        shop.proxy.switch(shop.params(weights=GREEN))
    assert refused.value.cause == cause
    assert (https(shop.port, shop.client).serial, shop.kept()) == (serial, kept)
