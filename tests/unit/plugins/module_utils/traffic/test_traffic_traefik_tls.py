# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Traefik ends TLS for a platform, and where plain HTTP leads."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import structure, traefik_config, traefik_tls
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.certificates import Certificates, Facts, Pair
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.closure import build_closure
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Route, Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.tls import Source, build_tls
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.weights import wanted_weights
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.traefik_fakes import NAME, traffic

SOURCE = {"chain": "CHAIN", "key": "KEY"}


def secure(hosts: bool = False, **tls: t.Any) -> Traffic:
    wanted = traffic()._replace(listen=443, tls=build_tls({"certificates": [SOURCE], **tls}))
    return (
        wanted._replace(routes=tuple(one._replace(host="a.example.com") for one in wanted.routes)) if hosts else wanted
    )


def shut(wanted: Traffic, *paths: str) -> Traffic:
    return wanted._replace(closure=build_closure({"paths": list(paths)}, wanted, 5.0))


def pair(sha1: str = "aa") -> Pair:
    return Pair(Source("CHAIN", "KEY"), "/c/own.pem", "", Facts((), 0, 0, sha1, "", "", ""), differs=True)


def text(wanted: Traffic, *pairs: Pair) -> str:
    return traefik_config.platform_text(wanted, wanted_weights(wanted), "websecure", "web", pairs or (pair(),))


def parts(said: str) -> t.Any:
    return json.loads("\n".join(line for line in said.splitlines() if not line.startswith("#")))


def test_every_route_ends_tls_and_those_of_a_host_by_the_platforms_options() -> None:
    found = parts(text(secure(hosts=True, minimum="TLSv1.3", http2=False)))
    assert found["tls"]["certificates"] == [{"certFile": "/c/own.aa.own", "keyFile": "/c/own.aa.own"}]
    options = found["tls"]["options"][NAME]
    assert (options["minVersion"], options["alpnProtocols"]) == ("VersionTLS13", ["http/1.1"])
    routers = {name: one for name, one in found["http"]["routers"].items() if one["entryPoints"] == ["websecure"]}
    assert routers and all(one["tls"] == {"options": f"{NAME}@file"} for one in routers.values())
    assert all(one["tls"] == {} for one in parts(text(secure()))["http"]["routers"].values() if "tls" in one)


def test_the_ciphers_are_gos_names_of_those_that_all_proxies_have() -> None:
    assert traefik_tls.ciphers()[0] == "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    assert traefik_tls.ciphers()[-1] == "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"


@pytest.mark.parametrize("more", [{"minimum": "TLSv1.3"}, {"http2": False}])
def test_what_would_hold_for_other_platforms_too_is_refused(more: dict[str, t.Any]) -> None:
    with pytest.raises(SlipwayError) as caught:
        traefik_tls.expect_possible(secure(**more))
    assert caught.value.cause == "no_tls" and "without a host" in str(caught.value.actual)
    traefik_tls.expect_possible(secure(hosts=True, **more))
    traefik_tls.expect_possible(secure())


def test_plain_http_leads_to_https_but_for_checks_and_for_what_an_acme_server_asks() -> None:
    routers = parts(text(secure(acme_port=8402)))["http"]["routers"]
    plain = sorted((one for one in routers.values() if one["entryPoints"] == ["web"]), key=lambda one: -one["priority"])
    assert plain[0] == {**plain[0], "rule": "PathPrefix(`/.well-known/acme-challenge/`)", "service": f"{NAME}..acme"}
    assert "Path(`/health`) && " in plain[1]["rule"] and plain[1]["service"] == f"{NAME}.backend"
    assert (plain[-1]["rule"], plain[-1]["middlewares"]) == ("PathPrefix(`/`)", [f"{NAME}..redirect"])
    assert not any("tls" in one for one in plain)
    closed = shut(secure(), "/health")
    rules = [one["rule"] for one in parts(text(closed))["http"]["routers"].values() if one["entryPoints"] == ["web"]]
    assert "Path(`/health`)" in rules and len(rules) == 2


@pytest.mark.parametrize(
    ("asked", "listen", "leads_to"),
    [
        ("http://a.example.com/x?y=1", 443, "https://a.example.com/x?y=1"),
        ("http://a.example.com:80/", 8443, "https://a.example.com:8443/"),
        ("http://[fd00::1]:80/x", 443, "https://[fd00::1]/x"),
    ],
)
def test_the_redirect_keeps_host_path_and_question(asked: str, listen: int, leads_to: str) -> None:
    said = traefik_tls.redirect(listen)
    assert re.sub(said["regex"], re.sub(r"\$\{(\d)\}", r"\\\1", said["replacement"]), asked) == leads_to


def test_hsts_is_on_whatever_is_answered_by_tls() -> None:
    for wanted in (secure(hsts=60), shut(secure(hsts=60))):
        http = parts(text(wanted))["http"]
        by_tls = [one for one in http["routers"].values() if "tls" in one]
        assert by_tls and all(one["middlewares"][0] == f"{NAME}..hsts" for one in by_tls)
        header = http["middlewares"][f"{NAME}..hsts"]["headers"]["customResponseHeaders"]
        assert header == {"Strict-Transport-Security": "max-age=60"}


def test_another_certificate_is_another_text_whose_trial_asks_for_no_tls() -> None:
    said = text(secure(hosts=True), pair("aa"))
    assert traefik_config.generation(said) != traefik_config.generation(text(secure(hosts=True), pair("bb")))
    assert structure.specification(said) == secure(hosts=True)._replace(weights=None)
    assert all("tls" not in one for one in parts(traefik_config.trial_text(said, NAME))["http"]["routers"].values())


def test_a_closed_platform_of_hosts_ends_tls_as_an_open_one() -> None:
    closed = shut(secure(hosts=True))
    assert traefik_tls.everything(closed) == ("Host(`a.example.com`)", "a.example.com")
    assert traefik_tls.everything(closed._replace(routes=(Route("/", "backend", ""),))) == ("PathPrefix(`/`)", "")


def test_a_file_that_a_text_names_is_never_written_over(tmp_path: pathlib.Path) -> None:
    """Traefik reads key and chain one after the other whenever anything beside them changes: it must find both of one."""
    kept = Certificates(System(), str(tmp_path), "shop", "production", {})
    source = Source("CHAIN", "KEY")
    facts = Facts((), 0, 0, "AA", "", "", "")
    old = Pair(source, kept.path(source), "old", facts, differs=True)
    new = Pair(source, kept.path(source), "new", facts._replace(sha1="BB"), differs=True)
    for pair in (old, new):
        kept.put(pair)
        kept.put_apart([pair])
    texts = [(text(secure(), pair), pair.pem) for pair in (old, new)]
    for said, pem in texts:
        (certificate,) = parts(said)["tls"]["certificates"]
        assert {pathlib.Path(path).read_text() for path in certificate.values()} == {pem}
    kept.prune_apart([new])
    assert sorted(path.name for path in tmp_path.glob("*/*")) == sorted(
        [pathlib.Path(new.path).name, pathlib.Path(new.own_path).name]
    )
