# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to containers, and bad options by name."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.spec import (
    RESERVED,
    SERVICE_KEYS,
    Mount,
    Order,
    Scope,
    digest,
    parse_services,
    wanted_containers,
)
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from hypothesis import given
from hypothesis import strategies as st

PORTS = {"blue": [20000, 20001], "green": [20010, 20011]}
WEB = {"image": "web:1", "port": 8080, "ports": PORTS}
SCOPE = Scope("shop", "production", "/var/lib/slipway/shop/production")


def order(option, side="green", **more):
    values = {"release": "1.1.0-20261123T121400Z-3fa9", "version": "1.1.0", "identity": "id", "publish": "0.0.0.0"}
    values = {**values, "secrets": {"TOKEN": "s3cret", "KEY": "s3cret-key"}, **more}
    return Order(scope=SCOPE, side=side, services=parse_services({"web": option}, side), **values)


def wanted(option, side="green", image="sha256:1", mounts=(), **more):
    made = order(option, side, **more)
    return wanted_containers(made, made.services[0], image, mounts)


def test_names_labels_and_ports_follow_platform_side_and_release():
    first, second = wanted({**WEB, "replicas": 2})
    assert second.name == "slipway-shop-production-web-1.1.0-20261123T121400Z-3fa9-2"
    assert first.keywords["ports"] == {"8080/tcp": ("0.0.0.0", 20010)}
    assert (first.host_port, second.host_port) == (20010, 20011)
    names = {"platform", "environment", "service", "side", "release", "version", "identity", "replica", "spec"}
    assert {f"slipway.{name}" for name in names} <= set(first.labels)


def test_a_release_with_odd_characters_still_makes_legal_names():
    assert wanted(WEB, release="1.0+build/7")[0].name == "slipway-shop-production-web-1.0_build_7-1"
    assert SCOPE.kept_image("Web", "1.0+build") == "slipway/shop-production-web:1.0_build"


def test_secrets_are_named_in_the_environment_and_values_are_only_where_asked_for():
    item = wanted({**WEB, "secrets": ["TOKEN"], "env_secrets": ["KEY"], "env": {"A": 1, "B": True}})[0]
    assert item.environment == {"A": "1", "B": "true", "TOKEN_FILE": "/run/secrets/TOKEN", "KEY": "s3cret-key"}
    assert "s3cret" not in str(item.labels) + str(item.keywords)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "sha256:2"},
        {"version": "1.1.1"},
        {"publish": "127.0.0.1"},
        {"side": "blue"},
        {"mounts": [Mount("/a", "/b")]},
        {"option": {**WEB, "env": {"A": "1"}}},
        {"option": {**WEB, "command": ["x"]}},
        {"option": {**WEB, "secrets": ["TOKEN"]}},
        {"option": {**WEB, "env_secrets": ["KEY"]}},
        {"option": {**WEB, "container": {"mem_limit": "1g"}}},
        {"option": {**WEB, "port": 8081}},
        {"option": {**WEB, "stop_grace": 20}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_makes_a_container_behave_differently_changes_its_hash(change):
    assert wanted(**{"option": WEB, **change})[0].spec != wanted(WEB)[0].spec


@pytest.mark.parametrize(
    "change",
    [
        {"release": "other"},
        {"identity": "other"},
        {"option": {**WEB, "image": "web:renamed"}},
        {"option": {**WEB, "replicas": 2}},
        {"option": {**WEB, "health": {"path": "/x"}}},
    ],
    ids=["release", "identity", "name of the same image", "replicas", "health"],
)
def test_what_does_not_concern_the_container_does_not_change_its_hash(change):
    assert wanted(**{"option": WEB, **change})[0].spec == wanted(WEB)[0].spec


def test_the_value_of_a_secret_is_no_part_of_the_hash():
    option = {**WEB, "secrets": ["TOKEN"], "env_secrets": ["KEY"]}
    assert wanted(option, secrets={"TOKEN": "a", "KEY": "b"})[0].spec == wanted(option)[0].spec


@pytest.mark.parametrize(
    ("option", "where"),
    [
        ({**WEB, "helth": {}}, "services.web.helth"),
        ({"port": 80}, "services.web.image"),
        ({**WEB, "replicas": 0}, "services.web.replicas"),
        ({**WEB, "replicas": True}, "services.web.replicas"),
        ({**WEB, "replicas": 3}, "services.web.ports.green"),
        ({**WEB, "port": "http"}, "services.web.port"),
        ({**WEB, "ports": [1]}, "services.web.ports"),
        ({**WEB, "ports": {"green": ["x"]}}, "services.web.ports"),
        ({**WEB, "pull": "sometimes"}, "services.web.pull"),
        ({**WEB, "env": ["A"]}, "services.web.env"),
        ({**WEB, "smoke": {"path": "/"}}, "services.web.smoke"),
        ({**WEB, "health": "/health"}, "services.web.health"),
        ({**WEB, "container": ["x"]}, "services.web.container"),
        ({**WEB, "secrets": "TOKEN"}, "services.web.secrets"),
        ({**WEB, "secrets": ["../x"]}, "services.web.secrets"),
        ({**WEB, "assets": {"path": "assets"}}, "services.web.assets.path"),
        ({**WEB, "assets": {"path": "/"}}, "services.web.assets.path"),
        ({**WEB, "assets": {"path": "/a", "keep": "2h"}}, "services.web.assets.keep"),
        ({**WEB, "stop_grace": -1}, "services.web.stop_grace"),
        ({"image": "web:1", "traffic": True}, "services.web.port"),
        ({**WEB, "secrets": ["TOKEN"], "env": {"TOKEN_FILE": "/x"}}, "services.web.env.TOKEN_FILE"),
        ({**WEB, "container": {"network_mode": "host"}}, "services.web.container.network_mode"),
        (None, "services.web"),
    ],
)
def test_a_bad_option_is_named(option, where):
    with pytest.raises(SlipwayError) as caught:
        parse_services({"web": option}, "green")
    assert caught.value.obj == where
    assert caught.value.cause == "invalid"


@pytest.mark.parametrize("keyword", sorted(RESERVED))
def test_keywords_that_are_slipways_own_are_refused_with_the_reason(keyword):
    with pytest.raises(SlipwayError) as caught:
        parse_services({"web": {**WEB, "container": {keyword: "x"}}}, "green")
    assert f"services.web.container.{keyword}" in caught.value.message
    assert RESERVED[keyword] in caught.value.message


def test_a_secret_without_a_value_is_named_without_the_others():
    with pytest.raises(SlipwayError) as caught:
        wanted({**WEB, "secrets": ["TOKEN", "OTHER"]})
    assert (caught.value.cause, caught.value.actual) == ("secret_missing", "OTHER")


@given(st.dictionaries(st.text(), st.integers()))
def test_the_digest_does_not_depend_on_the_order_of_keys(value):
    assert digest(value) == digest(dict(reversed(list(value.items()))))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(SERVICE_KEYS), VALUES))
def test_whatever_is_written_is_understood_or_refused_by_name(option):
    try:
        services = parse_services({"web": {"image": "web:1", **option}}, "green")
    except SlipwayError as error:
        assert error.obj.startswith("services.web")
    else:
        assert services[0].replicas >= 1
