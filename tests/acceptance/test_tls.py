# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS on the balancer, under load: a release, and new certificates with it and without one."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.integration_local.traffic.acme import Pebble
from tests.integration_local.traffic.authority import Authority, Issued, https, trusting
from tests.lab.load import LoadRun

from . import check
from .conftest import MakeFleet
from .fleet import Fleet
from .machines import shell
from .settings import RATE
from .test_traffic import CUSTOMERS, ROUTES, Record, nothing_lost

HOST = "shop.example.com"
LIVE = "/etc/letsencrypt/live/slipway-shop-production"
TLS = {"certificates": [{"chain": "SHOP_CHAIN", "key": "SHOP_KEY", "hosts": [HOST]}], "hsts": 300}


def secrets(issued: Issued) -> dict[str, t.Any]:
    given = {"DATABASE_URL": "{{ vault_database_url }}", "SHOP_CHAIN": issued.chain, "SHOP_KEY": issued.key}
    return {"slipway_secrets": given}


def test_a_release_and_new_certificates_lose_no_request(
    make_fleet: MakeFleet, tmp_path: Path, record_property: Record
) -> None:
    """Guarantee 1, by TLS on HAProxy: one certificate comes with the release, another one alone."""
    authority = Authority()
    first, second, third = (authority.issue(HOST) for _each in range(3))
    (tmp_path / "root.pem").write_text(authority.root_pem())
    fleet = make_fleet(variables={"slipway_traffic": {"routes": ROUTES, "tls": TLS}, **secrets(first)})
    check.succeeded(fleet.deploy("1.0.0"))
    trusting = {"authority": str(tmp_path / "root.pem"), "name": HOST}
    with LoadRun(
        fleet.url, rate=RATE / 2, profile=CUSTOMERS, **trusting
    ) as load:  # each new connection costs both sides more
        assert serial(fleet, authority) == first.serial
        fleet.write_variables(**secrets(second))
        check.succeeded(fleet.deploy("1.1.0"))
        assert serial(fleet, authority) == second.serial
        reloads = worker(fleet)
        fleet.write_variables(**secrets(third))
        check.succeeded(fleet.play("slipway.deploy.certificates"))
        assert (serial(fleet, authority), worker(fleet)) == (third.serial, reloads)
        result = load.stop()
    check.all_on(fleet, "1.1.0")
    nothing_lost(result, record_property)
    assert result.stale_idle == 0, result.causes
    assert f"certificate for {HOST}: good until" in fleet.play("slipway.deploy.status").output

    fleet.write_variables(**secrets(authority.issue(HOST, days=-1, begins=-9)))
    before = fleet.snapshot()
    check.refused(fleet.deploy("1.0.0"), "the certificate has expired")
    check.untouched(before, fleet.snapshot())
    third_key = "".join(third.key.splitlines()[1:2])
    assert third_key not in shell(fleet.lab, "lb1", "journalctl --no-pager; cat /var/lib/slipway/shop/*/journal.jsonl")


@pytest.mark.sample(6, among="journeys")
@pytest.mark.parametrize(
    ("provider", "proxies", "first"),
    [
        ("haproxy", ["lb1"], 1),
        ("haproxy", ["lb1", "lb2"], 2),
        ("haproxy", ["lb2", "lb1"], 1),
        ("caddy", ["lb1", "lb2"], 2),
        ("nginx", ["lb1", "lb2"], 2),
    ],
)
def test_a_certificate_comes_by_acme_before_the_first_release_and_is_renewed_after_it(
    make_fleet: MakeFleet, tmp_path: Path, provider: str, proxies: list[str], first: int
) -> None:
    comes_and_is_renewed(make_fleet, tmp_path, provider, proxies, first)


def comes_and_is_renewed(
    make_fleet: MakeFleet, tmp_path: Path, provider: str, proxies: t.Sequence[str], first: int
) -> None:
    """provision gets it through port 80 itself, the timer's unit later behind the balancer; Pebble is the ACME server.

    Of several balancers it asks the last one that is there at first, whichever wants a certificate; so one that comes later
    wants to be heard by one that has its own already.

    :param first: how many balancers are there when it is first provisioned.
    """
    fleet = make_fleet(proxies=proxies, variables={"slipway_traffic": {"provider": provider, "routes": ROUTES}})
    server = Pebble(tmp_path, 80, fleet.lab.address(proxies[first - 1]), fleet.lab.network.gateway)
    try:
        acme = {"hosts": [HOST], "directory": server.directory}
        fleet.write_variables(slipway_traffic={"provider": provider, "routes": ROUTES, "tls": {"acme": acme}})
        trusted = "/usr/local/share/acme-root.pem"
        certbot = {
            "vm_provision_acme_environment": {"REQUESTS_CA_BUNDLE": trusted},
            "vm_provision_acme_options": ["--force-renewal"],  # as if its end were near, each time
        }
        for proxy in proxies:
            fleet.lab.exec(proxy, ["tee", trusted], stdin=server.root.read_text())
        for count in sorted({first, len(proxies)}):
            fleet.proxies = proxies[:count]
            fleet.write_inventory(variables=certbot)
            check.succeeded(fleet.play("provision.yml", "--limit", "slipway_proxy"))
        check.succeeded(fleet.deploy("1.0.0"))
        for proxy in proxies:
            before, served_by = own(fleet, proxy), worker(fleet, proxy, provider)
            shell(fleet.lab, proxy, "systemctl start slipway-acme-shop-production.service")
            assert own(fleet, proxy) != before and worker(fleet, proxy, provider) == served_by
            waiting = shell(fleet.lab, proxy, "systemctl list-timers --all slipway-acme-shop-production.timer")
            assert "1 timers listed" in waiting
    finally:
        server.stop()


def own(fleet: Fleet, proxy: str) -> int:
    """The serial number of the certificate that a balancer got by ACME, as it serves it."""
    client = trusting(shell(fleet.lab, proxy, f"cat {LIVE}/chain.pem"))
    answer = https(443, client, "/version", HOST, fleet.lab.address(proxy))
    assert answer.status == 200
    return answer.serial


def serial(fleet: Fleet, authority: Authority) -> int:
    return https(443, authority.client(), "/version", HOST, fleet.lab.address("lb1")).serial


def worker(fleet: Fleet, proxy: str = "lb1", provider: str = "haproxy") -> str:
    """The process that serves, which is another one after a reload; of nginx, which is always reloaded, the one above it."""
    return shell(fleet.lab, proxy, f"pgrep {'--oldest' if provider == 'nginx' else '--newest'} {provider}")
