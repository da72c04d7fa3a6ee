# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked for: profiles and targets; everything else is refused with a reason."""

from __future__ import annotations

import ipaddress
import json
import typing as t
from pathlib import Path

import pytest

from .. import profile as profiles
from ..profile import SHOP, ProfileError, parse
from ..target import Target, TargetRefused, bridge_networks, check, is_local


def test_the_default_profile_survives_json() -> None:
    assert parse(json.loads(json.dumps(SHOP.plain()))) == SHOP


def test_weights_replace_those_of_the_profile() -> None:
    changed = SHOP.with_weights({"upload": 0, "ws": 2, "slow": 7.5})
    assert {spec.kind: spec.weight for spec in changed.requests}["slow"] == 7.5
    assert [spec.copies for spec in changed.streams] == [2, 5]


GOOD = {"requests": [{"kind": "get"}]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "profile: wanted an object"),
        ({}, "profile.requests: missing"),
        ({"requests": {}}, "profile.requests: wanted a list"),
        ({"requests": [{"kind": "get", "wieght": 1}]}, r"requests\[0\].wieght: unknown; wanted one of kind, weight"),
        ({"requests": [{"weight": 1}]}, r"requests\[0\].kind: missing"),
        ({"requests": [{"kind": "get", "weight": "1"}]}, r"requests\[0\].weight: wanted float, found '1'"),
        ({"requests": [{"kind": "get", "weight": -1}]}, r"requests\[0\].weight: below 0"),
        ({"requests": [{"kind": "get", "path": "x"}]}, r"requests\[0\].path: must start with /"),
        ({"requests": [{"kind": "get", "upload": True}]}, r"requests\[0\].upload: wanted int"),
        ({"requests": [{"kind": "get", "asset": True}]}, r"requests\[0\].asset: no request `finds` any"),
        ({"requests": [{"kind": "get", "json": {}, "upload": 1}]}, r"requests\[0\]: either json or upload"),
        ({"requests": [{"kind": "a"}, {"kind": "a"}]}, "one kind is named twice"),
        ({"requests": [{"kind": "a", "weight": 0}]}, "no weight above 0"),
        ({**GOOD, "fresh": 1.5}, "profile.fresh: wanted 0..1"),
        ({**GOOD, "connections": 0}, "connections and in_flight must be above 0"),
        ({**GOOD, "timeout": 0}, "profile.timeout"),
        ({**GOOD, "streams": [{"kind": "x", "type": "grpc", "path": "/"}]}, r"streams\[0\].type: wanted one of"),
        ({**GOOD, "streams": [{"kind": "x", "type": "sse", "path": "/", "interval": 0}]}, r"streams\[0\]: interval"),
    ],
)
def test_a_wrong_profile_is_refused_with_the_key_that_is_wrong(value: t.Any, message: str) -> None:
    with pytest.raises(ProfileError, match=message):
        parse(value)


def test_an_unknown_kind_among_the_weights_is_refused() -> None:
    with pytest.raises(ProfileError, match="unknown kind paeg; there are page"):
        SHOP.with_weights({"paeg": 1})


def test_a_profile_file_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text("{")
    with pytest.raises(ProfileError, match=r"profile\.json"):
        profiles.load(str(path))


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34",
        "http://10.255.255.1:8080",
        "http://[2606:4700::1111]",
        "http://0.0.0.0",
        "http://224.0.0.1",
    ],
)
def test_an_address_that_leaves_this_machine_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", answer_with(url))
    with pytest.raises(TargetRefused, match="talks only to this machine and its lab"):
        check(url)


def answer_with(url: str) -> t.Callable[..., list[t.Any]]:
    """A resolver that asks nobody."""
    address = url.removeprefix("http://").strip("[]").removesuffix(":8080")
    return lambda *_question, **_options: [(0, 0, 0, "", (address, 80))]


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1", "127.0.0.1", "http://127.0.0.1/path", "http://u@127.0.0.1", "ftp://x"]
)
def test_only_a_plain_base_url_is_a_target(url: str) -> None:
    with pytest.raises(TargetRefused, match="wanted http://ADDRESS"):
        check(url)


def test_this_machine_is_a_target_by_any_of_its_addresses() -> None:
    assert check("http://127.0.0.1:8080") == Target("http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", 8080)
    assert is_local(ipaddress.ip_address("127.8.9.10"), [])


def test_a_target_by_tls_is_asked_for_by_the_name_of_its_certificate() -> None:
    target = check("https://127.0.0.1", name="shop.example.com")
    assert (target.port, target.authority, target.name) == (443, "shop.example.com", "shop.example.com")
    assert target.client is not None and target.client.check_hostname
    assert check("https://127.0.0.1:8443", name="a.b").authority == "a.b:8443"


@pytest.mark.parametrize(
    ("address", "local"),
    [("172.17.0.9", True), ("172.18.0.9", False), ("8.8.8.9", False), ("fd00:17::9", True), ("fe80::9", False)],
)
def test_the_network_of_a_bridge_is_local_when_it_is_private(address: str, local: bool) -> None:
    networks = [ipaddress.ip_network(text) for text in ("172.17.0.0/16", "8.8.8.0/24", "fd00:17::/64", "fe80::/64")]
    assert is_local(ipaddress.ip_address(address), networks) is local


def test_a_bridge_with_a_hardware_port_leads_off_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bridge, port in (("docker0", "veth1"), ("br0", "eth9")):
        (tmp_path / bridge / "bridge").mkdir(parents=True)
        (tmp_path / bridge / "brif" / port).mkdir(parents=True)
    (tmp_path / "eth9" / "device").mkdir(parents=True)
    (tmp_path / "veth1").mkdir()
    network = ipaddress.ip_network("172.17.0.0/16")
    monkeypatch.setattr("{}.target._networks_of".format(__package__.rpartition(".")[0]), {"docker0": [network]}.get)
    assert bridge_networks(str(tmp_path)) == [network]
