# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known faults of Ansistrano, Capistrano and Deployer, one test each: its name says the fault, and we do not have it.

Real directories and links; the process manager is one in memory, so that nothing here waits for a process.
"""

from __future__ import annotations

import io
import os
import pathlib
import shutil
import tarfile
import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.process.tree import fingerprint
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.process.process_world import STATES, World

OTHER = {"blue": "green", "green": "blue"}


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(str(tmp_path))


def release_all(world: World, *versions: int, keep: int = 9) -> str:
    """One release after the other, C(r1), C(r2), …; the side that is idle then."""
    side = "blue"
    for version in versions:
        world.release(side, f"r{version}", world.services(version), keep=keep)
        side = OTHER[side]
    return side


def code(world: World, release: str) -> str:
    """The version that the code of a release is."""
    return pathlib.Path(world.scope.release_path(release, "web"), "version").read_text()


def ready(world: World) -> dict[str, bool]:
    """Release → whether it is ready for a rollback."""
    found = observe(world.scope, world.system, world.manager)["releases"]
    return {item["release"]: item["ready"] for item in found}


def make_newest(world: World, release: str) -> None:
    """By every time of its files and directories."""
    for directory, _directories, files in os.walk(world.scope.release_path(release)):
        for name in ("", *files):
            path = os.path.join(directory, name)
            if not path.endswith("/version"):  # of the code itself a time that changes is a change by hand
                os.utime(path, (4e9, 4e9))


# Ansistrano ---------------------------------------------------------------------------------------------------------


def test_ansistrano_takes_the_newest_directory_for_the_current_one(world: World) -> None:
    idle = release_all(world, 1, 2)
    make_newest(world, "r1")
    assert observe(world.scope, world.system, world.manager)["current"] == "r2"
    world.run("prepared", idle, "r3", world.services(3))
    world.run("decided", idle, "r3", world.services(3))
    world.run("reverted", idle, "r3", world.services(3), live_side=OTHER[idle])
    assert world.current() == "r2"


def test_ansistrano_takes_the_last_name_for_the_newest_release(world: World) -> None:
    for side, name, version in (("blue", "9", 1), ("green", "10", 2), ("blue", "2026", 3)):
        world.release(side, name, world.services(version), keep=2)
    assert (world.current(), world.trees()) == ("2026", ["10", "2026"])  # "9" was the oldest, and sorts last


def test_ansistrano_goes_back_to_the_same_release_the_second_time(world: World) -> None:
    idle = release_all(world, 1, 2, 3)
    world.release(idle, "back-1", world.services(2), kept_release="r2", keep=9)
    assert code(world, world.current()) == "2"
    world.release(OTHER[idle], "back-2", world.services(1), kept_release="r1", keep=9)
    assert (code(world, world.current()), ready(world)["r3"]) == ("1", True)


def test_ansistrano_going_back_to_the_newest_release_deletes_it(world: World) -> None:
    idle = release_all(world, 1, 2, keep=1)
    world.release(idle, "again", world.services(2), kept_release="r2", keep=1, identity="id-r2")
    assert (world.current(), code(world, "again")) == ("again", "2")
    assert ready(world)["again"]


def test_ansistrano_cleans_up_without_asking_which_release_is_live(world: World) -> None:
    idle = release_all(world, 1)
    world.ill = {f"r{number}" for number in range(2, 7)}
    for number in range(2, 7):
        with pytest.raises(SlipwayError):
            world.run("prepared", idle, f"r{number}", world.services(number), keep=1)
        make_newest(world, f"r{number}")
    world.run("settled", "blue", "r1", world.services(1), keep=1)
    assert (world.current(), code(world, "r1"), "r1" in world.trees()) == ("r1", "1", True)
    assert {name: state for name, state in world.seen().items() if "r1" in name}["web r1 1"] == ("running", True)


def test_ansistrano_with_rsync_changes_files_under_the_running_program(world: World) -> None:
    idle = release_all(world, 1)
    live = world.scope.release_path("r1", "web")
    before, seen = fingerprint(live), set()
    world.manager.watch = lambda: seen.add(fingerprint(live))
    for state in STATES:
        world.run(state, idle, "r2", world.services(2))
    with pytest.raises(SlipwayError) as caught:  # another code under the id of the one that is live
        world.run("prepared", "green", "r1", world.services(3))
    assert caught.value.cause in ("in_use", "live_side")
    assert (fingerprint(live), seen) == (before, {before})


def test_ansistrano_mixes_two_versions_in_a_release_that_is_deployed_again(world: World) -> None:
    pathlib.Path(world.source(1), "only-in-1").write_text("x")
    world.run("prepared", "blue", "r1", world.services(1))
    world.run("prepared", "blue", "r1", world.services(2))
    assert os.listdir(world.scope.release_path("r1", "web")) == ["version"]


@pytest.mark.parametrize("what", ["directory", "file"])
def test_ansistrano_puts_the_first_link_into_a_directory_of_its_name(world: World, what: str) -> None:
    place = pathlib.Path(world.scope.base, "current")
    place.parent.mkdir(parents=True)
    place.mkdir() if what == "directory" else place.write_text("precious")
    with pytest.raises(SlipwayError) as caught:
        world.run("prepared", "blue", "r1", world.services(1))
    assert (caught.value.cause, caught.value.obj) == ("current_taken", str(place))
    assert os.listdir(place.parent) == ["current"] and not place.is_symlink()


@pytest.mark.parametrize("target", ["nowhere", "/old/releases/r1", "releases/none"])
def test_ansistrano_trusts_a_link_that_somebody_else_has_left(world: World, target: str) -> None:
    place = pathlib.Path(world.scope.base, "current")
    place.parent.mkdir(parents=True)
    place.symlink_to(target)
    release_all(world, 1)
    assert os.readlink(place) == "releases/r1" and (place / "web" / "version").read_text() == "1"


# Capistrano ---------------------------------------------------------------------------------------------------------


def test_capistrano_has_no_current_release_for_a_moment(world: World) -> None:
    idle, done = release_all(world, 1, 2), threading.Event()
    place, missing, seen = f"{world.scope.base}/current/web/version", [], set()

    def read() -> None:
        while not done.is_set():
            try:
                seen.add(pathlib.Path(place).read_text())
            except OSError as error:
                missing.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _time in range(30):
        world.run("prepared", idle, "r3", world.services(3))
        world.run("decided", idle, "r3", world.services(3))
        world.run("reverted", idle, "r3", world.services(3), live_side=OTHER[idle])
    done.set()
    reader.join()
    assert (missing, seen) == ([], {"2", "3"})


def cut_archive(path: pathlib.Path) -> str:
    """Half of an archive."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        info = tarfile.TarInfo("version")
        info.size = 100_000
        archive.addfile(info, io.BytesIO(os.urandom(100_000)))
    path.write_bytes(data.getvalue()[:50_000])
    return str(path)


def test_capistrano_leaves_half_a_release_that_counts_as_one(world: World) -> None:
    idle = release_all(world, 1)
    broken = {"kind": "archive", "path": cut_archive(pathlib.Path(world.root, "x.tgz"))}
    with pytest.raises(SlipwayError) as caught:
        world.run("prepared", idle, "r2", world.services(2, source=broken))
    assert (caught.value.cause, world.current()) == ("archive", "r1")
    assert ready(world) == {"r1": True, "r2": False}
    with pytest.raises(SlipwayError) as caught:
        world.run("prepared", idle, "r3", world.services(2), kept_release="r2")
    assert caught.value.cause == "not_kept"
    world.release(idle, "r2", world.services(2))
    assert (code(world, "r2"), ready(world)["r2"]) == ("2", True)


def test_capistrano_deletes_the_release_that_it_goes_back_from(world: World) -> None:
    idle = release_all(world, 1, 2)
    world.release(idle, "back", world.services(1), kept_release="r1")
    assert (ready(world)["r2"], code(world, "r2")) == (True, "2")
    world.release(OTHER[idle], "forth", world.services(2), kept_release="r2")
    assert code(world, world.current()) == "2"


def test_capistrano_shows_a_program_its_release_before_what_is_shared_is_in_it(world: World) -> None:
    pathlib.Path(world.source(1), "uploads").mkdir()
    pathlib.Path(world.source(1), "uploads", "default").write_text("of the release")
    more = {"user": str(os.getuid()), "shared": {"directories": ["uploads"]}}
    linked = []

    def look() -> None:
        if world.manager.starts:
            linked.append(os.path.islink(os.path.join(world.scope.release_path("r1", "web"), "uploads")))

    world.manager.watch = look
    world.release("blue", "r1", world.services(1, **more))
    assert linked and all(linked)
    shared = pathlib.Path(world.scope.base, "shared", "web", "uploads")
    (shared / "of-a-customer").write_text("precious")
    world.release("green", "r2", world.services(2, **more))
    (shared / "while-both-run").write_text("precious")
    names = ["of-a-customer", "while-both-run"]
    assert sorted(os.listdir(f"{world.scope.base}/current/web/uploads")) == names
    world.release("blue", "r3", world.services(3, **more), keep=1)
    assert sorted(os.listdir(shared)) == names  # of a release that goes the link goes, and nothing behind it


def test_capistrano_fails_after_the_switch_because_an_old_release_cannot_be_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = release_all(world, 1, 2)
    real, held = shutil.rmtree, world.scope.release_path("r1", "web")

    def busy(path: str, *args: t.Any, **more: t.Any) -> None:
        if path == held:
            raise OSError(16, "Device or resource busy", path)
        real(path, *args, **more)

    monkeypatch.setattr(shutil, "rmtree", busy)
    for state in STATES[:2]:
        world.run(state, idle, "r3", world.services(3), keep=1)
    result = world.run("settled", idle, "r3", world.services(3), keep=1)
    assert "cannot be removed" in result["warnings"][0] and held in result["warnings"][0]
    assert (world.current(), "r1" in world.trees(), ready(world)) == ("r3", True, {"r3": True})
    monkeypatch.setattr(shutil, "rmtree", real)
    world.run("settled", idle, "r3", world.services(3), keep=1)
    assert world.trees() == ["r3"]


def test_capistrano_cannot_enter_a_directory_that_a_program_has_closed(world: World) -> None:
    idle = release_all(world, 1, 2)
    closed = pathlib.Path(world.scope.release_path("r1", "web"), "cache", "deep")
    closed.mkdir(parents=True)
    (closed / "x").write_text("x")
    closed.chmod(0)
    closed.parent.chmod(0)
    world.release(idle, "r3", world.services(3), keep=1)
    assert world.trees() == ["r3"]


def test_capistrano_counts_failed_releases_as_kept_ones(world: World) -> None:
    idle = release_all(world, 1, 2, keep=2)
    world.ill = {f"r{number}" for number in range(3, 8)}
    for number in range(3, 8):
        with pytest.raises(SlipwayError):
            world.run("prepared", idle, f"r{number}", world.services(number), keep=2)
    world.release(idle, "r8", world.services(8), keep=2)
    assert {name for name, is_ready in ready(world).items() if is_ready} >= {"r2", "r8"}
    assert code(world, "r2") == "2"


def test_capistrano_orders_releases_by_a_clock_that_may_go_back(world: World) -> None:
    now = iter(range(2_000_000_000, 0, -100_000))
    world.system.wall = lambda: float(next(now))  # type: ignore[method-assign]
    side = "blue"
    for version in range(1, 5):
        world.release(side, f"r{version}", world.services(version), keep=2)
        stamp = next(now)
        os.utime(world.scope.release_path(f"r{version}"), (stamp, stamp))
        side = OTHER[side]
    assert (world.trees(), world.current()) == (["r3", "r4"], "r4")


# Deployer -----------------------------------------------------------------------------------------------------------


def test_deployer_offers_a_bad_release_for_a_rollback_because_its_directory_is_whole(world: World) -> None:
    """Its directory stays to be looked at, as C(BAD_RELEASE) does; what became of it is in its record."""
    idle = release_all(world, 1)
    world.ill = {"r2"}
    with pytest.raises(SlipwayError):
        world.run("prepared", idle, "r2", world.services(2))
    world.run("reverted", idle, "r2", world.services(2), live_side=OTHER[idle])
    found = observe(world.scope, world.system, world.manager)["releases"]
    assert {item["release"]: item["outcome"] for item in found} == {"r1": "settled", "r2": "reverted"}
    assert code(world, "r2") == "2"


def test_deployer_takes_a_release_that_was_changed_by_hand_for_what_it_was(world: World) -> None:
    idle = release_all(world, 1, 2)
    pathlib.Path(world.scope.release_path("r1", "web"), "version").write_text("by hand")
    assert ready(world) == {"r1": False, "r2": True}
    world.release(idle, "r3", world.services(1))
    assert (code(world, "r3"), world.current()) == ("1", "r3")
