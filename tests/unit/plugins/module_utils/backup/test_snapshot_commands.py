# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A storage's commands are words, with places in them; what a storage lists is read, and nothing of it is believed but names."""

from __future__ import annotations

import array
import pathlib
import re
import shlex

import pytest
import yaml
from ansible_collections.slipway.deploy.plugins.module_utils.backup import snapshot_clone, snapshot_prover
from ansible_collections.slipway.deploy.plugins.module_utils.backup.snapshot_commands import Commands, Storage
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

GOOD = {
    "create": ["echo", "{name}"],
    "clone": ["echo", "{name}", "{path}"],
    "unclone": ["echo", "{path}"],
    "remove": ["echo", "{name}"],
    "list": ["echo"],
}
ONE, OTHER = "20261128T031500Z-0a1b2c", "20261128T041500Z-ffffff"


def storage(target="shop-test", **changes):
    return Storage(Commands(**{**GOOD, **changes}), target, System())


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"create": []}, "snapshot.create: cannot be used; found 'nothing'"),
        ({"create": ["zfs", "snapshot", "tank/pg"]}, "wanted '{name} in it'"),
        ({"create": ["", "{name}"]}, "a command, as a list of words"),
        ({"create": ["zfs", "{nmae}", "{name}"]}, "{nmae}"),
        ({"create": ["zfs", "{path}", "{name}"]}, "wanted '{name} in braces'"),
        ({"create": ["{name}"]}, "a program's name as the first word"),
        ({"create": ["sync", "&&", "{name}"]}, "a program's name as the first word"),
        ({"create": ["snap", "{name}", "|", "tail"]}, "no shell reads them"),
        ({"create": ["snap", "{name}", "&&"]}, "a command, as a list of words"),
        ({"clone": ["snap", "{name}"]}, "wanted '{path} in it'"),
        ({"clone": ["snap", "{path}"]}, "wanted '{name} or {id} in it'"),
        ({"unclone": ["umount", "/srv"]}, "{name} or {id} or {path} in it"),
        ({"remove": ["snap", "delete"]}, "{name} or {id} in it"),
        ({"list": ["snap", "{name}"]}, "wanted 'nothing in braces'"),
        ({"data": "/srv/pg"}, "a path below {path}"),
        ({"data": "main/../.."}, "a path below {path}"),
        ({"target": "shop test"}, "of which snapshots can be named"),
        ({"target": "../shop"}, "of which snapshots can be named"),
        ({"target": "s" * 81}, "of which snapshots can be named"),
    ],
)
def test_commands_that_cannot_be_meant_are_refused(changes, said):
    with pytest.raises(SlipwayError) as caught:
        storage(**changes)
    assert caught.value.cause == "bad_input"
    assert said in caught.value.message


def shown_in_the_guide():
    page = (pathlib.Path(__file__).parents[5] / "docs" / "snapshot_backups.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return [
        yaml.safe_load(re.sub(r"{{.*?}}", "x", block))["slipway_database"]["backup"]["snapshot"] for block in blocks
    ]


@pytest.mark.parametrize("example", shown_in_the_guide())
def test_the_examples_of_the_guide_are_commands(example):
    commands = {name: shlex.split(example[name]) for name in GOOD}
    made = storage(**commands, data=example["data"])
    assert f"slipway-shop-test-{ONE}" in made.shown("create", ONE)
    assert "/srv/clone" in made.shown("clone", ONE, "snap-1", "/srv/clone")


def listing(text):
    return storage(list=["printf", "%b", text])


@pytest.mark.parametrize(
    "text, found",
    [
        ("", {}),
        (f"slipway-shop-test-{ONE}", {ONE: f"slipway-shop-test-{ONE}"}),
        (f"tank/pg@slipway-shop-test-{ONE}\\n", {ONE: f"slipway-shop-test-{ONE}"}),
        (f"  /srv/snapshots/slipway-shop-test-{ONE}  \\n", {ONE: f"slipway-shop-test-{ONE}"}),
        (f"slipway-shop-test-{ONE}\\tsnap-0a1b\\n", {ONE: "snap-0a1b"}),
        (f"slipway-shop-{ONE}\\nslipway-shop-test-other-{ONE}\\nslipway-shop-test-{ONE}x\\nby hand\\n", {}),
        (f"slipway-shop-test-{ONE} a\\nslipway-shop-test-{OTHER} b\\n", {ONE: "a", OTHER: "b"}),
        ("\\xff\\xfe\\x00\\n", {}),
    ],
)
def test_what_there_is_is_read_by_name(text, found):
    assert listing(text).there() == found


@pytest.mark.parametrize(
    "text", [f"slipway-shop-test-{ONE}\\nslipway-shop-test-{ONE}\\n", f"slipway-shop-test-{ONE} $(reboot)\\n"]
)
def test_a_list_that_cannot_be_true_is_refused(text):
    with pytest.raises(SlipwayError) as caught:
        listing(text).there()
    assert caught.value.cause == "unreadable"


def test_places_are_filled_in_and_nothing_of_them_is_split():
    made = storage(clone=["snap", "x={name},{id}", "&&", "mount", "{path}", "{else}x"[1:5]])
    shown = made.shown("clone", ONE, "snap-1", "/srv/with space")
    assert shown == f"snap x=slipway-shop-test-{ONE},snap-1 && mount '/srv/with space' else"


def test_of_several_commands_the_first_that_fails_is_the_last_but_for_unclone(tmp_path):
    later = tmp_path / "later"
    steps = ["false", "{name}", "{path}", "&&", "touch", str(later)]
    for option in ("clone", "unclone"):
        with pytest.raises(SlipwayError) as caught:
            getattr(storage(**{option: steps}), option)(ONE, "", "/nowhere")
        assert (caught.value.cause, later.exists()) == ("command_failed", option == "unclone")


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(SlipwayError) as caught:
        storage(list=["no-such-program"]).there()
    assert (caught.value.cause, caught.value.obj) == ("command_missing", "no-such-program")


@pytest.mark.parametrize(
    "pages, newest",
    [([], 0), ([(0, 0)], 0), ([(0, 5), (1, 2), (0, 9)], (1 << 32) + 2), ([(0, 7)] * 1500 + [(0, 8)], 8)],
)
def test_the_newest_page_of_a_file_is_found(tmp_path, pages, newest):
    path = tmp_path / "1259"
    rest = [0xFFFFFFFF] * (8192 // 4 - 2)
    path.write_bytes(b"".join(array.array("I", [*lsn, *rest]).tobytes() for lsn in pages) + b"torn")
    assert snapshot_prover.newest_page(str(path)) == newest


def test_only_files_of_relations_have_pages(tmp_path):
    page = array.array("I", [9, 9]).tobytes() + bytes(8184)
    for name in (
        "base/1/16384",
        "base/1/16384_vm",
        "base/1/16384.1",
        "global/1260",
        "base/1/t3_16400",
        "global/pg_control",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(page)
    newest = snapshot_prover.newest_pages(str(tmp_path))
    assert sorted(newest) == ["base/1/16384", "base/1/16384.1", "base/1/16384_vm", "global/1260"]
    assert len(snapshot_prover.pages_ahead(newest, "9/8")) == 4
    assert snapshot_prover.pages_ahead(newest, "9/9") == []


@pytest.mark.parametrize("data", ["live", "live/base", "above", "clone/link"])
def test_no_clone_is_what_is_live_nor_in_it_nor_around_it(tmp_path, data):
    live = tmp_path / ("above/live" if data == "above" else "live")
    (live / "base").mkdir(parents=True)
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "link").symlink_to(live)
    path = tmp_path / "clone" if data.startswith("clone") else tmp_path / data
    with pytest.raises(SlipwayError) as caught:
        snapshot_clone.expect_apart(str(path), str(tmp_path / data), str(live))
    assert caught.value.cause == "not_apart"


def test_links_within_a_clone_are_its_own(tmp_path):
    (tmp_path / "clone" / "main").mkdir(parents=True)
    (tmp_path / "clone" / "wal").mkdir()
    (tmp_path / "clone" / "main" / "pg_wal").symlink_to("../wal")
    snapshot_clone.expect_apart(str(tmp_path / "clone"), str(tmp_path / "clone" / "main"), str(tmp_path / "live"))


def test_a_note_that_cannot_be_read_lets_nothing_be_begun(tmp_path):
    note = tmp_path / "note"
    undone = snapshot_clone.Undone(str(note), System())
    assert undone.read() == {}
    undone.begin("clone", ONE, "/srv/x")
    assert undone.read() == {"doing": "clone", "id": ONE, "path": "/srv/x"}
    note.write_text("{")
    with pytest.raises(SlipwayError) as caught:
        undone.read()
    assert caught.value.cause == "unreadable"
