# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's certificates: a new one under load, and those that are refused."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import switch

from .apps import App, Load
from .authority import HOST, Authority, connector, https
from .crashing import Crash, Crashing
from .proxies import RealHaproxy
from .tls_shop import Fresh, Shop, secrets

GREEN = {"blue": 0, "green": 100}


@pytest.fixture
def shop(haproxy: RealHaproxy, blue: App, green: App) -> Shop:
    return Shop(haproxy, blue, green)


def test_a_new_certificate_alone_is_put_in_at_run_time_under_load(shop: Shop) -> None:
    shop.proxy.switch(shop.params())
    worker, serials = shop.proxy.worker(), [https(shop.port, shop.client).serial]
    with Load(shop.port, connect=connector(shop.port, shop.client)) as load, Fresh(shop) as fresh:
        load.seen(100)
        for _each in range(5):
            new = shop.authority.issue(HOST)
            shop.proxy.secrets = secrets(new)
            result = shop.proxy.switch(shop.params())
            assert result["changed"] and not result["reloaded"]
            assert https(shop.port, shop.client).serial == new.serial
            serials.append(new.serial)
            load.seen(100)
    print(f"{len(load.answers)} requests on kept connections, {len(fresh.answers)} on new ones, 5 renewals")
    assert load.failures == fresh.failures == [] and load.closed == 0 and shop.proxy.worker() == worker
    assert len(set(serials)) == 6
    shop.proxy.restart()
    assert https(shop.port, shop.client).serial == serials[-1]


@pytest.mark.parametrize(
    "fault", ["pair", "expired", "early", "soon", "host", "chain", "nothing", "passphrase", "gone"]
)
def test_a_certificate_that_clients_would_refuse_is_refused_before_anything_is_touched(shop: Shop, fault: str) -> None:
    shop.proxy.switch(shop.params())
    worker, serial, kept = shop.proxy.worker(), https(shop.port, shop.client).serial, shop.kept()
    good = shop.authority.issue(HOST)
    own = good.chain.partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    cases = {
        "pair": (secrets(good._replace(key=shop.authority.issue(HOST).key)), "certificate_key_mismatch"),
        "expired": (secrets(shop.authority.issue(HOST, days=-0.1, begins=-9)), "certificate_expired"),
        "early": (secrets(shop.authority.issue(HOST, begins=1)), "certificate_not_yet_valid"),
        "soon": (secrets(shop.authority.issue(HOST, days=0.01)), "certificate_expires"),
        "host": (secrets(shop.authority.issue("other.example.com")), "certificate_wrong_host"),
        "chain": (secrets(good._replace(chain=own + Authority().issue("x").chain)), "certificate_chain"),
        "nothing": (secrets(good._replace(chain="no PEM")), "certificate_unreadable"),
        "passphrase": (secrets(shop.authority.issue(HOST, password=b"secret")), "certificate_key_unreadable"),
        "gone": ({}, ""),
    }
    shop.proxy.secrets, cause = cases[fault]
    params = shop.params(tls={"certificates": [{"chain": "CHAIN", "key": "KEY", "hosts": [HOST]}]}, weights=GREEN)
    if fault == "gone":  # a secret that the site has not any more: what is kept stays
        shop.proxy.switch(params)
        assert https(shop.port, shop.client)[:2] == (200, "green") and shop.kept() == kept
        return
    with pytest.raises(SlipwayError) as refused:
        shop.proxy.switch(params)
    assert refused.value.cause == cause, refused.value.message
    for line in (line for secret in shop.proxy.secrets.values() for line in secret.splitlines() if "--" not in line):
        assert line not in str(refused.value.result())
    seen = https(shop.port, shop.client)
    assert (seen.body, seen.serial, shop.kept(), shop.proxy.worker()) == ("blue", serial, kept, worker)


def test_a_run_that_is_cut_off_at_any_write_is_made_good_by_the_next(shop: Shop) -> None:
    shop.proxy.switch(shop.params())
    old = https(shop.port, shop.client).serial
    for after in range(12):
        new = shop.authority.issue(HOST)
        shop.proxy.secrets = secrets(new)
        whole = cut_off(shop, after)
        assert https(shop.port, shop.client).serial in (old, new.serial)
        result = shop.proxy.switch(shop.params())
        assert not result["reloaded"] and not (whole and result["changed"])
        assert https(shop.port, shop.client).serial == new.serial and "".join(shop.kept()).count(new.key) == 1
        old = new.serial
        if whole:
            break
    assert after > 3
    shop.proxy.restart()
    assert https(shop.port, shop.client).serial == old


def cut_off(shop: Shop, after: int) -> bool:
    """Switch on a machine that loses its power at a write; whether it came to an end before that."""
    settings = {"platform": "shop", "environment": "production", "settings": shop.proxy.settings()}
    system = Crashing(after)
    proxy = provider("haproxy", system, secrets=shop.proxy.secrets, **settings)
    try:
        switch(proxy, system, build_traffic(shop.params()), gate=5.0, watch=None, drain=None, check=False)
    except Crash:
        return False
    return True
