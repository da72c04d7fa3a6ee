# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of TLS and of addresses, and the texts that come of it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import (
    caddy_tls,
    haproxy_config,
    listening,
    nginx_config,
    nginx_tls,
    structure,
)
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.certificates import Facts, Pair, ending
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.tls import Source, build_tls, covers
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import traffic

PAIR = {"chain": "CHAIN", "key": "KEY"}


def text(**changes: t.Any) -> str:
    return haproxy_config.platform_text(traffic(**{"listen": 443, **changes}), {}, "/s", "/c")


@pytest.mark.parametrize(
    ("name", "host", "wanted"),
    [
        ("shop.example.com", "SHOP.example.com.", True),
        ("*.example.com", "shop.example.com", True),
        ("*.example.com", "a.shop.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.example.com", ".example.com", False),
        ("shop.example.com", "example.com", False),
    ],
)
def test_a_name_of_a_certificate_covers_a_host(name: str, host: str, wanted: bool) -> None:
    assert covers(name, host) == wanted


@pytest.mark.parametrize(
    ("tls", "key"),
    [
        ({"certificates": []}, "tls.certificates"),
        ({"certificates": [PAIR, PAIR]}, "tls.certificates"),
        ({"certificates": [{"chain": "a b", "key": "KEY"}]}, "tls.certificates[0].chain"),
        ({"certificates": [{"chain": "CHAIN", "key": "/etc/o'clock"}]}, "tls.certificates[0].key"),
        ({"certificates": [{**PAIR, "hosts": ["a b"]}]}, "tls.certificates[0].hosts"),
        ({"certificates": [PAIR], "minimum": "TLSv1.1"}, "tls.minimum"),
        ({"certificates": [PAIR], "hsts": -1}, "tls.hsts"),
        ({"certificates": [PAIR], "redirect_from": 65536}, "tls.redirect_from"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(tls: dict[str, t.Any], key: str) -> None:
    with pytest.raises(SlipwayError) as refused:
        build_tls(tls)
    assert (refused.value.cause, refused.value.obj) == ("invalid", key)


def test_a_redirect_from_the_port_that_is_listened_on_is_refused() -> None:
    with pytest.raises(SlipwayError) as refused:
        traffic(tls={"certificates": [PAIR]})
    assert refused.value.obj == "tls.redirect_from"


def test_the_file_of_a_certificate_has_the_name_of_where_it_comes_from() -> None:
    sources = [Source("/etc/a/b", "K"), Source("/etc/a-b", "K"), Source("/etc/a/b", "L")]
    assert len({source.name for source in sources}) == 3
    assert all(source.name.startswith("etc-a-b-") for source in sources)


def test_a_file_says_its_tls_and_is_read_back() -> None:
    wanted = traffic(listen=443, tls={"certificates": [{**PAIR, "hosts": ["a.b"]}], "hsts": 60, "acme_port": 8402})
    written = haproxy_config.platform_text(wanted, {}, "/s", "/c")
    assert structure.specification(written) == wanted._replace(weights=None)
    owner = structure.owner(written)
    assert owner is not None and owner.tls and owner.ports() == {443, 80}


def test_without_tls_nothing_of_it_is_in_a_text() -> None:
    assert not [word for word in ("ssl", "tls", "https", "redirect") if word in text()]


def test_what_leads_to_https_and_what_does_not() -> None:
    written = text(tls={"certificates": [PAIR], "acme_port": 8402})
    (rule,) = [line for line in written.splitlines() if "redirect" in line and "location" in line]
    assert "https://%[var(txn.slipway_host)]%[pathq]" in rule and "code 308" in rule
    assert "!{ path -m str -- '/' }" in rule and "!{ path -m beg -- /.well-known/acme-challenge/ }" in rule
    assert "    server local 127.0.0.1:8402" in written.splitlines()
    assert "location" not in text(tls={"certificates": [PAIR], "redirect_from": 0})


def test_the_generation_knows_tls_and_not_where_certificates_are_kept() -> None:
    one, other = (traffic(listen=443, tls={"certificates": [PAIR], "http2": value}) for value in (True, False))
    assert haproxy_config.generation(one) != haproxy_config.generation(other)
    assert haproxy_config.generation(one) in haproxy_config.platform_text(one, {}, "/s", "/elsewhere")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("*", "*"), ("::", "[::]"), (" 10.0.0.1 ,2001:DB8:0::1", "10.0.0.1,[2001:db8::1]"), ("*, fd00::1", "*,[fd00::1]")],
)
def test_addresses_are_kept_in_one_form(written: str, kept: str) -> None:
    assert listening.canonical(written) == kept


@pytest.mark.parametrize(
    "written", ["", "localhost", "::, 10.0.0.1", "*, 10.0.0.1", "10.0.0.1, 10.0.0.1", "* user root"]
)
def test_addresses_that_hold_each_other_are_refused(written: str) -> None:
    with pytest.raises(SlipwayError):
        listening.canonical(written)


def test_several_addresses_overlap_when_any_of_them_does() -> None:
    assert listening.overlaps("10.0.0.1,[fd00::1]", "[fd00::1]")
    assert not listening.overlaps("10.0.0.1,[fd00::1]", "10.0.0.2")


def test_each_address_has_its_line_and_every_one_takes_ipv4_too() -> None:
    assert "    bind '[::]:443' v4v6" in text(bind="::").splitlines()
    lines = [line.strip() for line in text(bind="10.0.0.1, fd00::1").splitlines() if "bind '" in line]
    assert lines == ["bind '10.0.0.1:443'", "bind '[fd00::1]:443'"]


def test_a_certificate_that_ends_soon_is_told() -> None:
    day = 86400
    ends = [ending([{"hosts": ["a.b"], "name": "x", "seconds_left": left * day}]) for left in (22, 20, 1, -3)]
    assert [said[0].split(": ")[1] if said else "" for said in ends] == [
        "",
        "ends in 20 days; get a new one.",
        "ends in 24 hours; get a new one.",
        "expired 3 days ago; get a new one.",
    ]


def pair(name: str, sha1: str, *hosts: str) -> Pair:
    facts = Facts(hosts, 0.0, 1.0, sha1, "", "", "")
    return Pair(Source(name, "K"), f"/c/{name}.pem", "", facts, differs=False)


def test_nginx_has_a_server_for_each_name_whose_certificate_is_not_the_first() -> None:
    pairs = [pair("a", "AA", "shop.example.com"), pair("b", "BB", "*.example.org")]
    wanted = traffic(
        listen=443, tls={"certificates": [PAIR]}, routes=[{"path": "/", "service": "backend", "host": "x.example.org"}]
    )
    assert nginx_tls.server_names(wanted, pairs) == ["", "*.example.org", "x.example.org"]
    chosen = {host: nginx_tls.ends_tls(wanted, pairs, host)[0] for host in ("", "x.example.org", "y.x.example.org")}
    assert chosen == {
        "": "    ssl_certificate /c/a.pem;",
        "x.example.org": "    ssl_certificate /c/b.pem;",
        "y.x.example.org": "    ssl_certificate /c/a.pem;",
    }


def test_another_certificate_is_another_text_of_nginx() -> None:
    wanted = traffic(listen=443, tls={"certificates": [PAIR]})
    texts = [nginx_config.platform_text(wanted, {}, "/l", [pair("a", print_, "h")]) for print_ in ("AA", "BB")]
    assert len({nginx_config.generation(text) for text in texts}) == 2


def test_caddys_tags_say_what_a_certificate_is() -> None:
    place = "/etc/caddy/slipway.d/tls/shop-production/a.pem"
    file = {"certificate": place, "key": place, "tags": ["cert3"]}
    server = {"tls_connection_policies": [{"certificate_selection": {"any_tag": ["cert3", "other"]}}]}
    tagged, files = caddy_tls.tagged(server, [file], f"# slipway-certificate: {place} AA\n")
    assert tagged["tls_connection_policies"][0]["certificate_selection"]["any_tag"] == [f"{place} AA", "other"]
    assert files == [{**file, "tags": [f"{place} AA"]}]
    assert server["tls_connection_policies"][0]["certificate_selection"]["any_tag"][0] == "cert3"


def test_caddys_other_certificates_stay() -> None:
    mine = {"certificate": "/etc/caddy/slipway.d/tls/shop-production/a.pem", "tags": ["x"]}
    others = [
        {"certificate": "/etc/caddy/slipway.d/tls/shop-production-2/a.pem", "tags": ["y"]},
        {"certificate": "/etc/ssl/by/hand.pem", "tags": ["z"]},
    ]
    config: dict[str, t.Any] = {"apps": {"tls": {"certificates": {"load_files": [mine, *others]}}}}
    new = {**mine, "tags": ["new"]}
    caddy_tls.put_files(config, "shop-production", [new])
    assert config["apps"]["tls"]["certificates"]["load_files"] == [*others, new]
    caddy_tls.put_files(config, "shop-production", [])
    assert config["apps"]["tls"]["certificates"]["load_files"] == others
    plain: dict[str, t.Any] = {"apps": {}}
    caddy_tls.put_files(plain, "shop-production", [])
    assert plain == {"apps": {}}
