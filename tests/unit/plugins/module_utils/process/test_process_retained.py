# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine that is new is brought of the releases before it."""

from __future__ import annotations

import errno
import os
import shutil
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.process import tree as tree_module
from ansible_collections.slipway.deploy.plugins.module_utils.process.content import content_hash, pack
from ansible_collections.slipway.deploy.plugins.module_utils.process.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.process.packages import Packages
from ansible_collections.slipway.deploy.plugins.module_utils.process.retained import bring
from ansible_collections.slipway.deploy.plugins.module_utils.process.tree import Trees
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import World


@pytest.fixture
def new(tmp_path):
    """Nothing was ever released here."""
    return World(str(tmp_path))


def seen(world) -> dict[str, dict[str, t.Any]]:
    return {item["release"]: item for item in observe(world.scope, world.system, world.manager)["releases"]}


def brought(world, number: int, *, services: t.Any = None, check: bool = False, **more: t.Any) -> dict[str, t.Any]:
    about = {"release": f"r{number}", "version": f"{number}.0", "identity": f"id-r{number}", "side": "blue"}
    about.update({"services": services or world.services(number), "marks": {}, **more})
    order = world.order("green", "r3", world.services(3))
    return bring(order, [about], world.system, world.manager, check=check).result()


def test_its_code_comes_and_it_is_gone_back_to_without_its_source(new):
    said = brought(new, 1)
    assert "keep 1.0 (r1) to go back to" in said["actions"] and said["warnings"] == []
    assert seen(new)["r1"]["ready"]
    shutil.rmtree(f"{new.root}/sources/1")
    for state in ("prepared", "decided", "settled"):
        new.run(state, "green", "r3", new.services(3))
    services = new.services(1)
    shutil.rmtree(f"{new.root}/sources/1")
    new.run("prepared", "blue", "r4", services, kept_release="r1", live_side="green")


def test_it_is_told_from_other_code_by_what_the_others_have(new):
    brought(new, 1)
    marks = seen(new)["r1"]["marks"]
    assert set(marks) == {"web"}
    said = brought(new, 2, marks=marks)
    assert "[code_changed]" in said["warnings"][0]
    assert set(seen(new)) == {"r1"}
    assert brought(new, 1, marks=marks)["warnings"] == []


def test_a_preview_brings_nothing(new):
    assert brought(new, 1, check=True)["changed"]
    assert seen(new) == {}


# Handed on by another machine


def of_a_controller(world, number: int, **more: t.Any) -> tuple[dict[str, t.Any], dict[str, str]]:
    """Services whose code a controller had, as the plan tells of them; and the package of it, as it was put on the machine."""
    services = world.services(number, **more)
    path, package = world.source(number), f"{world.root}/handed-{number}"
    content = content_hash(path)
    with open(package, "wb") as stream:
        pack(path, (), stream, "x")
    services["web"]["source"] = {"kind": "directory", "path": "app", "from": "controller", "content": content}
    shutil.rmtree(path)
    return services, {content: package}


@pytest.fixture
def other(tmp_path):
    """A machine that has released 1.0 out of what the controller had then."""
    world = World(f"{tmp_path}/other")
    services, packages = of_a_controller(world, 1)
    Packages(world.system, world.scope.base).receive(packages)
    world.release("blue", "r1", services)
    return world


def test_what_another_machine_says_of_its_code_leads_to_the_very_same(new, other):
    """By what it was made of, and the package that it has of it."""
    (kept,) = observe(other.scope, other.system, other.manager)["releases"]
    content = kept["sources"]["web"]["content"]
    packages = Packages(other.system, other.scope.base)
    assert (kept["sources"]["web"], packages.names()) == ({"kind": "directory", "content": content}, [content])
    services, _handed = of_a_controller(other, 1)
    said = brought(new, 1, services=services, marks=kept["marks"], packages={content: packages.path(content)})
    assert said["warnings"] == [] and seen(new)["r1"]["ready"]
    assert seen(new)["r1"]["marks"] == kept["marks"]
    assert observe(new.scope, new.system, new.manager)["packages"] == [content], (
        "for a machine that comes after this one"
    )


def test_what_all_releases_share_is_that_of_this_machine(new, monkeypatch):
    shared = {"directories": ["assets"]}
    services, packages = of_a_controller(new, 1, shared=shared, user=str(os.getuid()))
    monkeypatch.setattr(tree_module.Builder, "run", lambda self, steps, where: None)
    assert brought(new, 1, services=services, packages=packages)["warnings"] == []
    own = new.scope.release_path("r1", "web/assets")
    assert os.path.realpath(own) == f"{new.scope.base}/shared/web/assets"


def test_a_package_that_did_not_come_is_a_warning_and_tried_again(new):
    services, packages = of_a_controller(new, 1)
    said = brought(new, 1, services=services)
    assert "[package_missing]" in said["warnings"][0] and seen(new) == {}
    assert brought(new, 1, services=services, packages=packages)["warnings"] == []
    assert seen(new)["r1"]["ready"]


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_what_is_not_the_code_of_the_others_is_not_laid_out(new, damage):
    services, packages = of_a_controller(new, 1)
    (path,) = packages.values()
    if damage == "cut":
        os.truncate(path, os.path.getsize(path) // 2)
    else:
        _services, others = of_a_controller(new, 2)
        shutil.copy(*others.values(), path)
    said = brought(new, 1, services=services, packages=packages)
    assert f"[{'archive' if damage == 'cut' else 'source_changed'}]" in said["warnings"][0]
    assert (seen(new), new.trees()) == ({}, ["r1"])
    assert os.listdir(new.scope.release_path("r1")) == []
    assert Packages(new.system, new.scope.base).names() == []


@pytest.mark.parametrize("where", ["package", "code", "shared"])
def test_no_room_for_it_is_a_warning_and_takes_none(new, monkeypatch, where):
    """The new version may need what is left."""
    services, packages = of_a_controller(new, 1)
    full = OSError(errno.ENOSPC, "No space left on device", "/srv")

    def no_room(*_args, **_more):
        raise full

    with monkeypatch.context() as patch:
        if where == "package":
            patch.setattr(shutil, "copyfileobj", no_room)
        elif where == "code":
            patch.setattr(new.system, "replace_file", no_room)
        else:
            patch.setattr(tree_module, "share", no_room)
        said = brought(new, 1, services=services, packages=packages)
    assert "1.0 (r1) cannot be gone back to on this machine [no_space]" in said["warnings"][0]
    assert seen(new) == {}
    assert not os.path.exists(new.scope.release_path("r1", "web"))
    assert brought(new, 1, services=services, packages=packages)["warnings"] == []


def test_what_one_machine_has_built_for_all_is_laid_out_as_it_is(new, other):
    one = {"build_on": "one"}
    built = other.run("built", "blue", "r2", {"web": other.services(2, **one)["web"]})["built"]["web"]
    package = Packages(other.system, other.scope.base).path(built["package"])
    services = new.services(2, **one)
    shutil.rmtree(f"{new.root}/sources/2")
    services["web"]["built"] = {"by": "app1", "package": built["package"], "source": built["source"]}
    assert brought(new, 2, services=services, check=True)["warnings"] == []
    assert not os.path.exists(new.scope.base)
    marks = {"web": Trees(other.system, other.scope).mark(other.scope.release_path("r2", "web")).digest}
    assert brought(new, 2, services=services, marks=marks, packages={built["package"]: package})["warnings"] == []
    assert seen(new)["r2"]["ready"] and seen(new)["r2"]["sources"]["web"]["built"] == built["package"]
