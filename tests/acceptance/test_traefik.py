# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases with a real Traefik under systemd on two balancers; only C(make traefik), which builds it, asks for them."""

from __future__ import annotations

import subprocess
import typing as t

import pytest

from tests.integration_local.traffic.authority import Authority, https
from tests.integration_local.traffic.proxies import TRAEFIK
from tests.lab import Lab
from tests.lab.load import LoadRun

from . import check
from .conftest import MakeFleet
from .machines import shell
from .settings import RATE
from .test_tls import HOST, TLS, comes_and_is_renewed, secrets
from .test_traffic import CUSTOMERS, ROUTES, Record, nothing_lost

BALANCERS = ("lb1", "lb2")
SETTINGS = """\
global: {checkNewVersion: false, sendAnonymousUsage: false}
entryPoints:
  standard: {address: ":80"}
  standardsecure: {address: ":443"}
  web: {address: ":8080"}
  plain: {address: ":8081"}
  websecure: {address: ":8443"}
  slipway: {address: "127.0.0.1:8099"}
providers:
  providersThrottleDuration: 200ms
  file: {directory: /etc/traefik/slipway.d, watch: true}
api: {dashboard: false}
accessLog: {filePath: /var/log/traefik/access.log, format: json}
"""
API = """\
http:
  routers:
    slipway-api: {entryPoints: [slipway], rule: "PathPrefix(`/api`)", service: api@internal}
"""
ACME = """\
http:
  routers:
    slipway-acme:
      {entryPoints: [standard], rule: "PathPrefix(`/.well-known/acme-challenge/`)", priority: 200000, service: slipway-acme}
  services:
    slipway-acme: {loadBalancer: {servers: [{url: "http://127.0.0.1:8402"}]}}
"""
UNIT = """\
[Service]
ExecStart=/usr/local/bin/traefik --configFile=/etc/traefik/traefik.yml
Restart=always
LimitNOFILE=65536
[Install]
WantedBy=multi-user.target
"""
FILES = {
    "/etc/traefik/traefik.yml": SETTINGS,
    "/etc/traefik/slipway.d/api.yml": API,
    "/etc/traefik/slipway.d/acme.yml": ACME,
    "/etc/systemd/system/traefik.service": UNIT,
}

if TRAEFIK:

    @pytest.fixture
    def installed(lab: Lab, machines: tuple[str, ...]) -> t.Iterator[None]:
        """As somebody installs it by hand, by the page of this provider."""
        for machine in BALANCERS:
            shell(lab, machine, "mkdir -p /etc/traefik/slipway.d /var/log/traefik")
            subprocess.run(
                ["docker", "cp", "-q", TRAEFIK, f"{lab.container(machine)}:/usr/local/bin/traefik"], check=True
            )
            for path, text in FILES.items():
                lab.exec(machine, ["tee", path], stdin=text)
            # Another test may have left its own balancer at the same ports.
            shell(
                lab, machine, "systemctl stop nginx caddy haproxy; systemctl daemon-reload; systemctl restart traefik"
            )
        yield
        for machine in BALANCERS:
            shell(lab, machine, f"systemctl stop traefik; rm -rf /etc/traefik /usr/local/bin/traefik {' '.join(FILES)}")
            shell(lab, machine, "systemctl start haproxy")

    def test_traefik_loses_no_request_by_a_release_and_its_rollback(
        installed: None, make_fleet: MakeFleet, record_property: Record
    ) -> None:
        """Guarantees 1 and 5, on two balancers at once."""
        traffic = {"provider": "traefik", "listen": 8080, "routes": ROUTES}
        fleet = make_fleet(proxies=BALANCERS, variables={"slipway_traffic": traffic})
        check.succeeded(fleet.play("provision.yml", "--limit", "slipway_proxy"))
        check.succeeded(fleet.deploy("1.0.0"))
        with LoadRun(fleet.url, rate=RATE, profile=CUSTOMERS) as load:
            check.succeeded(fleet.deploy("1.1.0"))
            check.succeeded(fleet.rollback())
            result = load.stop()
        check.all_on(fleet, "1.0.0")
        nothing_lost(result, record_property)
        assert set(result.by_version) >= {"1.0.0", "1.1.0"}

    def test_traefik_ends_tls_and_takes_new_certificates_with_a_release_and_without(
        installed: None, make_fleet: MakeFleet, tmp_path: t.Any, record_property: Record
    ) -> None:
        authority = Authority()
        first, second, third = (authority.issue(HOST) for _each in range(3))
        (tmp_path / "root.pem").write_text(authority.root_pem())
        traffic = {"provider": "traefik", "listen": 8443, "routes": ROUTES, "tls": {**TLS, "redirect_from": 8081}}
        fleet = make_fleet(proxies=BALANCERS, variables={"slipway_traffic": traffic, **secrets(first)})

        def serials() -> set[int]:
            client = authority.client()
            return {https(8443, client, "/version", HOST, fleet.lab.address(name)).serial for name in BALANCERS}

        check.succeeded(fleet.deploy("1.0.0"))
        trusting = {"authority": str(tmp_path / "root.pem"), "name": HOST}
        with LoadRun(fleet.url, rate=RATE / 2, profile=CUSTOMERS, **trusting) as load:
            assert serials() == {first.serial}
            fleet.write_variables(**secrets(second))
            check.succeeded(fleet.deploy("1.1.0"))
            assert serials() == {second.serial}
            fleet.write_variables(**secrets(third))
            check.succeeded(fleet.play("slipway.deploy.certificates"))
            assert serials() == {third.serial}
            result = load.stop()
        check.all_on(fleet, "1.1.0")
        nothing_lost(result, record_property)

    def test_traefik_gets_a_certificate_by_acme_before_the_first_release_and_a_new_one_after_it(
        installed: None, make_fleet: MakeFleet, tmp_path: t.Any
    ) -> None:
        comes_and_is_renewed(make_fleet, tmp_path, "traefik", BALANCERS, 2)
