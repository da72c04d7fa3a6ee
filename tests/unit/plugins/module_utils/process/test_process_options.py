# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of services: what is refused names its key, and what is taken is complete."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.spec import (
    Order,
    Scope,
    SecretPlaces,
    wanted_program,
)
from ansible_collections.slipway.deploy.plugins.module_utils.process.tree import tree_digest
from ansible_collections.slipway.deploy.plugins.module_utils.stages.process_deploy import make_scope

GOOD = {
    "source": {"kind": "directory", "path": "/x"},
    "command": ["run", "${PORT}"],
    "port": 80,
    "ports": {"blue": [1], "green": [2]},
}


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"sorce": {}}, "services.web.sorce"),
        ({"code": "web"}, "services.web.source"),
        ({"source": None}, "services.web.source"),
        ({"source": None, "code": "other"}, "services.web.code"),
        ({"command": "run it"}, "services.web.command"),
        ({"command": []}, "services.web.command"),
        ({"command": ["run", "${PROT}"]}, "services.web.command"),
        ({"command": ["run", "--token=${TOKEN}"], "env_secrets": ["TOKEN"]}, "services.web.command"),
        ({"replicas": 2}, "services.web.ports.blue"),
        ({"replicas": 0}, "services.web.replicas"),
        ({"replicas": float("inf")}, "services.web.replicas"),
        ({"ports": {"blue": ["x"]}}, "services.web.ports"),
        ({"ports": {"blue": [65536]}}, "services.web.ports"),
        ({"notify": "no"}, "services.web.notify"),
        ({"traffic": "no"}, "services.web.traffic"),
        ({"port": None, "traffic": True}, "services.web.port"),
        ({"env": {"A-B": "1"}}, "services.web.env"),
        ({"env": {"PORT": "1"}}, "services.web.env.PORT"),
        ({"env": {"TOKEN_FILE": "1"}, "secrets": ["TOKEN"]}, "services.web.env.TOKEN_FILE"),
        ({"secrets": ["../x"]}, "services.web.secrets"),
        ({"user": "root; id"}, "services.web.user"),
        ({"build": [{"command": "make"}], "user": "app"}, "services.web.build[0]"),
        ({"build": [{"command": ["make"], "dir": "x"}], "user": "app"}, "services.web.build[0].dir"),
        ({"build": [{"command": ["make"]}]}, "services.web.user"),
        ({"shared": {"directories": ["../x"]}, "user": "app"}, "services.web.shared.directories"),
        ({"shared": {"dirs": ["x"]}, "user": "app"}, "services.web.shared.dirs"),
        ({"unit": {"MemoryMax": "1G\nExecStartPre=/bin/x"}}, "services.web.unit.MemoryMax"),
        ({"unit": {"a b": "1"}}, "services.web.unit.a b"),
        ({"stop_grace": True}, "services.web.stop_grace"),
        ({"smoke": ["x"]}, "services.web.smoke"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named(more, key):
    with pytest.raises(SlipwayError) as caught:
        parse_services({"web": {**GOOD, **more}}, "blue")
    assert (caught.value.cause, caught.value.obj) == ("invalid", key)


@pytest.mark.parametrize("name", ["Web", "web.1", "web/x", "-web", ""])
def test_names_of_services_fit_into_names_of_units(name):
    with pytest.raises(SlipwayError):
        parse_services({name: GOOD}, "blue")


def test_two_platforms_never_have_the_same_name():
    with pytest.raises(SlipwayError):
        make_scope({"platform": "a.b", "environment": "c", "root": "/r", "code_root": "/c"})
    assert Scope("a-b", "c", "", "").program_name("d", "blue") != Scope("a", "b-c", "", "").program_name("d", "blue")


def spec_of(more=None, **order_more):
    service = parse_services({"web": {**GOOD, **(more or {})}}, "blue")[0]
    values = {"side": "blue", "release": "r1", "version": "1", "identity": "i", "publish": "", **order_more}
    order = Order(scope=Scope("p", "e", "/s", "/c"), services=[service], secrets={"T": "x", "U": "y"}, **values)
    return wanted_program(order, service, "/tree", "digest", SecretPlaces({}, lambda number, name: name)).labels.spec


@pytest.mark.parametrize(
    "more",
    [
        {"command": ["run"]},
        {"env": {"A": "1"}},
        {"secrets": ["T"]},
        {"env_secrets": ["T"]},
        {"user": "app"},
        {"notify": True},
        {"unit": {"MemoryMax": "1G"}},
        {"stop_grace": 11},
        {"start_limit": 61},
        {"ports": {"blue": [9]}},
        {"replicas": 2, "ports": {"blue": [1, 2]}},
        {"shared": {"directories": ["x"]}, "user": "app"},
    ],
    ids=lambda value: next(iter(value)),
)
def test_whatever_makes_a_process_different_makes_its_specification_different(more):
    assert spec_of(more) != spec_of()


def test_a_release_and_the_value_of_a_secret_make_no_difference():
    assert spec_of(release="r2", identity="j") == spec_of()
    assert spec_of({"env_secrets": ["T"]}) == spec_of({"env_secrets": ["T"]})


@pytest.mark.parametrize(
    "more",
    [
        {"build": [{"command": ["make"]}], "user": "app"},
        {"user": "app"},
        {"shared": {"files": ["x"]}, "user": "app"},
    ],
)
def test_whatever_the_code_depends_on_makes_another_directory(more):
    plain, other = (parse_services({"web": option}, "blue")[0] for option in (GOOD, {**GOOD, **more}))
    assert tree_digest(plain, {"commit": "a"}) != tree_digest(other, {"commit": "a"})
    assert tree_digest(plain, {"commit": "a"}) != tree_digest(plain, {"commit": "b"})
