# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever somebody chooses, the files of the new site are ones that a release takes."""

from __future__ import annotations

import itertools
import typing as t

import pytest
import yaml
from ansible_collections.slipway.deploy.plugins.module_utils.bootstrap.choices import (
    DATABASES,
    MIGRATIONS,
    MODELS,
    choose,
)
from ansible_collections.slipway.deploy.plugins.module_utils.bootstrap.files import files, next_steps
from ansible_collections.slipway.deploy.plugins.module_utils.bootstrap.place import missing, write
from ansible_collections.slipway.deploy.plugins.module_utils.config.findings import ConfigError
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate

SHAPES = {
    "one machine": {"machines": "shop.example.com"},
    "one machine at an address": {"machines": "shop=10.0.0.7", "user": "deploy"},
    "several": {"machines": "app1=10.0.0.1, app2=10.0.0.2", "balancers": "lb1=10.0.0.3,lb2=10.0.0.4"},
    "one of them balances": {"machines": ["app1=10.0.0.1", "app2=10.0.0.2"], "balancers": ["app1"]},
    "somebody else's balancer": {"machines": "app1 app2", "balancers": "none"},
}
VAULT = {"vault_database_url": "postgresql://shop:pw@10.0.0.20/shop"}


def made(**given: t.Any) -> dict[str, str]:
    return files(choose({"platform": "shop", **given}))


def validated(found: t.Mapping[str, str]) -> t.Any:
    """The site's variables as a release of 1.0.0 reads them."""
    inventory = yaml.safe_load(found["production/hosts.yml"])["all"]["children"]
    groups = {name: list(group["hosts"]) for name, group in inventory.items()}
    hosts = {name: dict(about or {}) for group in inventory.values() for name, about in group["hosts"].items()}
    text = found["production/group_vars/all/slipway.yml"].replace("{{ slipway_version }}", "1.0.0")
    for name, value in VAULT.items():
        text = text.replace(f"{{{{ {name} }}}}", value)
    assert "{{" not in text and "@" not in text.replace("shop:pw@", "")
    variables = {**yaml.safe_load(text), "slipway_version": "1.0.0"}
    return validate(variables, {"groups": groups, "hosts": hosts})


@pytest.mark.parametrize(("shape", "model"), list(itertools.product(SHAPES, MODELS)))
def test_every_choice_makes_a_site_that_a_release_takes(shape: str, model: str) -> None:
    for database, migrations in itertools.product(DATABASES, MIGRATIONS):
        if migrations != "none" and database == "none":
            continue
        found = validated(made(model=model, database=database, migrations=migrations, **SHAPES[shape]))
        assert (found["platform"], found["environment"], found["model"]) == ("shop", "production", model)
        assert (found["database"] or {}).get("engine", "none") == database
        assert (found["migrations"] or {}).get("tool", "none") == migrations
        assert bool(found["traffic"]) is (SHAPES[shape].get("balancers") != "none")
        assert not found["warnings"]


def test_one_machine_is_its_own_balancer_and_several_are_told_apart_by_their_addresses() -> None:
    alone = validated(made(machines="shop.example.com"))
    assert alone["machines"]["shop.example.com"]["parts"] == ["app", "proxy"] and alone["proxies"] == [
        "shop.example.com"
    ]
    several = validated(made(**SHAPES["several"]))
    assert several["machines"]["app1"]["address"] == "10.0.0.1" and several["proxies"] == ["lb1", "lb2"]


def test_the_other_files_are_what_they_have_to_be() -> None:
    found = made(machines="shop", database="postgresql", user="deploy")
    for name in ("deploy", "rollback", "status", "unlock", "provision", "logs", "run"):
        (play,) = yaml.safe_load(found[f"{name}.yml"])
        assert play["import_playbook"] == f"slipway.deploy.{name}"
    assert yaml.safe_load(found["collections/requirements.yml"])["collections"][0]["name"] == "slipway.deploy"
    assert ".slipway/" in found[".gitignore"].splitlines()
    assert "vault_database_url" in yaml.safe_load(found["production/group_vars/all/vault.yml.example"])
    assert yaml.safe_load(found["production/hosts.yml"])["all"]["vars"] == {
        "ansible_user": "deploy",
        "ansible_become": True,
    }
    assert all(text.endswith("\n") and max(map(len, text.splitlines())) <= 132 for text in found.values())
    assert any(
        "ansible-vault encrypt" in step
        for step in next_steps(choose({"platform": "shop", "machines": "a", "database": "mysql"}), "/x")
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "slipway_init_machines: missing"),
        ({"machines": "a b"}, "slipway_init_balancers: missing, and there are several machines"),
        ({"machines": "a,a", "balancers": "b"}, "slipway_init_machines: named twice"),
        ({"machines": "bad/name"}, "slipway_init_machines: no machine"),
        ({"machines": "a", "model": "containers"}, "slipway_init_model: unknown, did you mean container?"),
        ({"machines": "a", "database": "postgres"}, "slipway_init_database: unknown, did you mean postgresql?"),
        ({"machines": "a", "migrations": "sql"}, "slipway_init_migrations: needs a database"),
        ({"machines": "a", "platform": "My Shop"}, "slipway_init_platform: cannot be used"),
        ({"machines": "a", "image": "reg/shop:1.0"}, "slipway_init_image: has a tag already"),
        ({"machines": "a", "port": "http"}, "slipway_init_port: no port"),
        ({"machines": "a", "health": "health"}, "slipway_init_health: cannot be used"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(given: dict[str, t.Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose({"platform": "shop", **given})
    assert words in caught.value.message


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        choose({"platform": "shop", "machines": "a", "model": "vm", "database": "oracle"})
    assert [problem.path for problem in caught.value.problems] == ["slipway_init_model", "slipway_init_database"]


def test_what_is_there_is_never_changed_not_even_what_came_meanwhile(tmp_path: t.Any) -> None:
    wanted = made(machines="shop")
    (tmp_path / "deploy.yml").write_text("mine")
    new = missing(str(tmp_path), wanted)
    assert set(wanted) - set(new) == {"deploy.yml"}
    for path, text in new.items():
        write(str(tmp_path / path), text)
    assert missing(str(tmp_path), wanted) == {}
    with pytest.raises(FileExistsError):
        write(str(tmp_path / "deploy.yml"), wanted["deploy.yml"])
    assert (tmp_path / "deploy.yml").read_text() == "mine"
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(wanted)
