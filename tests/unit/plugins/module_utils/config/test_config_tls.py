# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS and addresses of the balancer, as a user writes them."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config.sites import (
    config,
    inventory,
    problems,
    site,
)

PAIR = {"chain": "SHOP_CHAIN", "key": "/etc/ssl/shop.key"}


def test_tls_listens_on_443_and_its_secrets_identify_a_release():
    tls = {"certificates": [PAIR], "hsts": "1h"}
    found = config(site(traffic__tls=tls, traffic__listen=None, secrets__SHOP_CHAIN="one"))
    assert (found["traffic"]["listen"], found["traffic"]["bind"]) == (443, "*")
    wanted = {"redirect_from": 80, "hsts": 3600, "http2": True, "minimum": "TLSv1.2"}
    assert found["traffic"]["tls"] == {"certificates": [{**PAIR, "hosts": []}], **wanted}
    assert "SHOP_CHAIN" in found["secrets"]
    other = config(site(traffic__tls=tls, traffic__listen=None, secrets__SHOP_CHAIN="two"))
    assert other["identity"] != found["identity"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"traffic__listen": 80}, "slipway_traffic.listen: the port from which plain HTTP is redirected"),
        (
            {"traffic__tls": {"certificates": [{"chain": "SHOP_CHAIM", "key": "SHOP_CHAIN"}]}},
            "did you mean SHOP_CHAIN?",
        ),
        (
            {"traffic__tls": {"certificates": [{"chain": "a b", "key": "/x"}]}},
            "tls.certificates[0].chain: cannot be used",
        ),
        ({"traffic__tls": {}}, "slipway_traffic.tls: has neither certificates nor acme"),
        ({"traffic__bind": "::, 10.0.0.1"}, ":: holds 10.0.0.1 already"),
        ({"traffic__bind": "10.0.0.1,10.0.0.1"}, "an address is written twice"),
        ({"traffic__bind": "1.2.3"}, "slipway_traffic.bind: cannot be used"),
    ],
)
def test_mistakes_are_told(changes, said):
    good = {"traffic__tls": {"certificates": [PAIR]}, "traffic__listen": None, "secrets__SHOP_CHAIN": "one"}
    (problem,) = problems(site(**{**good, **changes}))
    assert said in problem


def test_a_certificate_of_acme_is_a_file_of_the_balancer_and_the_first():
    tls = {"acme": {"hosts": "shop.example.com"}, "certificates": [PAIR]}
    found = config(site(traffic__tls=tls, traffic__listen=None, secrets__SHOP_CHAIN="one"))["traffic"]["tls"]
    live = "/etc/letsencrypt/live/slipway-shop-production"
    own = {"chain": f"{live}/fullchain.pem", "key": f"{live}/privkey.pem", "hosts": ["shop.example.com"]}
    assert found["certificates"] == [own, {**PAIR, "hosts": []}]
    assert found["acme_port"] == 8402 and "acme" not in found


def test_acme_is_for_port_80():
    tls = {"acme": {"hosts": ["shop.example.com"]}, "redirect_from": 8080}
    (problem,) = problems(site(traffic__tls=tls, traffic__listen=None))
    assert "asks on port 80" in problem


@pytest.mark.parametrize(
    ("balancers", "more", "warned"), [(5, {}, 0), (6, {}, 1), (6, {"directory": "https://ca.example.com/d"}, 0)]
)
def test_more_balancers_than_certificates_a_week_are_told(balancers, more, warned):
    tls = {"acme": {"hosts": ["shop.example.com"], **more}}
    names = " ".join(f"lb{number}" for number in range(balancers))
    found = config(site(traffic__tls=tls, traffic__listen=None), inventory(proxies=names))["warnings"]
    assert len([one for one in found if "of 6 balancers gets a certificate of its own" in one]) == warned


@pytest.mark.parametrize(("more", "name"), [({"minimum": "TLSv1.3"}, "minimum"), ({"http2": False}, "http2")])
def test_what_traefik_takes_by_host_is_refused_for_a_route_without_one_before_anything_is_touched(more, name):
    tls = {"certificates": [PAIR], **more}
    given = {"traffic__tls": tls, "traffic__listen": None, "secrets__SHOP_CHAIN": "one"}
    (problem,) = problems(site(traffic__provider="traefik", **given))
    assert f"slipway_traffic.tls.{name}: " in problem and "routes[0] has none" in problem
    assert problems(site(**given)) == []
    routes = [{"path": "/", "service": "backend", "host": "shop.example.com"}]
    assert not [
        one for one in problems(site(traffic__provider="traefik", traffic__routes=routes, **given)) if name in one
    ]


def test_several_addresses_become_one_text():
    assert config(site(traffic__bind="10.0.0.1, 2001:DB8::0:1"))["traffic"]["bind"] == "10.0.0.1,2001:db8::1"
