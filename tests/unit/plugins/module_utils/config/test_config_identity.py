# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.identity import canonical, secrets_hash
from ansible_collections.slipway.deploy.plugins.module_utils.config.option import Option
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema import OPTIONS
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config.sites import config, inventory, site
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1.4.3"},
        {"environment": "staging"},
        {"services__backend__env__LOG_LEVEL": "debug"},
        {"services__backend__replicas": 3},
        {"services__backend__container__mem_limit": "512m"},
        {"services__backend__health__path": "/ready"},
        {"services__backend__publish_from": 21000},
        {"services__worker__command": "python -m shop.worker --slow"},
        {"services__frontend__assets__path": "/srv/assets"},
        {"traffic__listen": 8080},
        {"traffic__provider": "nginx"},
        {"secrets__DATABASE_URL": "postgresql://shop:other-secret-2@db/shop"},
    ],
)
def test_what_changes_what_runs_is_a_release(changes):
    assert config(site(**changes))["identity"] != config()["identity"]


@pytest.mark.parametrize(
    "changes",
    [
        {"watch": {"bake": 99}},
        {"drain": {"deadline": "1m"}},
        {"gate": 99},
        {"keep": 9},
        {"lock_wait": "1m"},
        {"preflight": {"min_free_disk": "2g"}},
        {"allow_bad": True},
        {"break_glass": True},
        {"rollback_to": "1.0.0"},
        {"services__backend__smoke": [{"path": "/other"}]},
        {"services__backend__health__deadline": "5m"},
        {"services__backend__stop_grace": 30},
        {"services__backend__pull": "always"},
        {"services__frontend__assets__keep": "5h"},
        {"secrets__UNUSED": "not-used-by-any-1"},
        {"database": None},
        {"state_root": "/srv/slipway"},
    ],
)
def test_what_does_not_change_what_runs_is_no_release(changes):
    assert config(site(**changes))["identity"] == config()["identity"]


def test_the_order_in_which_things_are_written_does_not_matter():
    variables = copy.deepcopy(site())
    variables["slipway_services"] = dict(reversed(variables["slipway_services"].items()))
    assert config(dict(reversed(variables.items())))["identity"] == config()["identity"]


def test_another_form_of_the_same_is_the_same():
    other = site(services__backend__replicas="2", services__backend__health__status=200, traffic__bind="*")
    assert config(other)["identity"] == config()["identity"]
    one, two = (
        {"secrets__A": "a1", "services__backend__secrets": names}
        for names in (["A", "DATABASE_URL"], ["DATABASE_URL", "A"])
    )
    assert config(site(**one))["identity"] == config(site(**two))["identity"]


def test_another_machine_is_a_release_and_another_balancer_too():
    assert config(machines=inventory(apps="app1 app2 app3"))["identity"] != config()["identity"]
    assert config(machines=inventory(proxies="lb1 lb2"))["identity"] != config()["identity"]


def test_an_identity_is_the_same_on_every_controller():
    # A change here makes every platform release itself once more: do it on purpose, and say so in the changelog.
    assert config()["identity"] == "2c70c1e9561338621fb4f8f333e7402cf76ac11f1692886209eedfcb562111a3"
    assert config()["secrets_hash"] == "70dcfafeda4e7eb98efa6a24cf60f3645dbf709e65f6a505da75ef3a2876134d"


def test_only_a_secret_changes_only_the_hash_of_the_secrets():
    other = config(site(secrets__DATABASE_URL="postgresql://shop:other-secret-2@db/shop"))
    assert other["configuration_hash"] == config()["configuration_hash"]
    assert other["secrets_hash"] != config()["secrets_hash"]


def test_the_same_secrets_have_another_hash_on_another_platform():
    hashes = {secrets_hash(platform, place, {"A": "b"}) for platform in "xy" for place in "pq"}
    assert len(hashes) == 4
    assert secrets_hash("x", "p", {}) == ""


def test_secrets_are_hashed_slowly(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "hashlib.pbkdf2_hmac", lambda name, data, salt, rounds: asked.append((name, salt, rounds)) or b""
    )
    secrets_hash("shop", "production", {"A": "1", "B": "2"})
    ((name, salt, rounds),) = asked
    assert (name, len(salt)) == ("sha256", 32) and rounds >= 100_000


@given(JSON)
def test_equal_values_have_equal_bytes_whatever_their_order(value):
    def shuffled(item):
        return {name: shuffled(item[name]) for name in reversed(item)} if isinstance(item, dict) else item

    assert canonical(shuffled(value)) == canonical(value)


def _all(option: Option):
    yield option
    for inner in option.options:
        yield from _all(inner)
    if option.element is not None:
        yield from _all(option.element)


def test_every_option_of_the_schema_is_explained_and_possible():
    for option in (inner for top in OPTIONS for inner in _all(top)):
        assert option.text.endswith("."), option.name
        assert "{{" not in option.text, "argument specifications are templated by Ansible"
        assert (option.kind == "section") == bool(option.options), option.name
        assert (option.kind in ("list", "map")) == (option.element is not None), option.name
        assert (option.kind == "map") == (option.key is not None), option.name
        if option.choices and option.default is not None:
            assert option.default in option.choices
