# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the lab that need no engine."""

from __future__ import annotations

import ipaddress
import json
import stat
from pathlib import Path

import pytest

from tests.lab import LabError, engine, network
from tests.lab.access import Access
from tests.lab.engine import Progress, run, run_logged, write_private
from tests.lab.image import Debian, names

DEBIAN = 'ID=debian\nVERSION_CODENAME=bookworm\nVERSION_ID="12"\n'
UBUNTU = "ID=ubuntu\nVERSION_CODENAME=noble\n"
MODERN = "Types: deb\n# a remark\nURIs: http://mirror.test/debian\nSuites: bookworm\nComponents: main\n"
CLASSIC = (
    "# deb http://no.test/ x\n"
    "deb https://tools.test/apt stable main\n"
    "deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/ubuntu noble main universe\n"
    "deb http://mirror.test/ubuntu noble-updates main\n"
)


def system(root: Path, release: str, **files: str) -> Debian:
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/os-release").write_text(release)
    for name, text in files.items():
        (root / "etc/apt" / name).write_text(text)
    return Debian(root)


def test_the_mirror_is_the_machines_own_in_the_new_format(tmp_path: Path) -> None:
    debian = system(tmp_path, DEBIAN, **{"sources.list.d/debian.sources": MODERN, "sources.list": CLASSIC})
    assert (debian.mirror(), debian.suite, debian.components()) == ("http://mirror.test/debian", "bookworm", "main")
    assert debian.sources() == {"sources.list.d/debian.sources": MODERN}


def test_the_mirror_is_the_machines_own_in_the_old_format_without_what_a_person_added(tmp_path: Path) -> None:
    ubuntu = system(tmp_path, UBUNTU, **{"sources.list": CLASSIC})
    assert (ubuntu.mirror(), ubuntu.components()) == ("http://mirror.test/ubuntu", "main,universe")
    assert ubuntu.sources()["sources.list"].splitlines() == CLASSIC.splitlines()[2:]


@pytest.mark.parametrize(
    ("release", "said"),
    [("ID=fedora\n", "this is fedora"), ("ID=debian\n", "this is debian"), (DEBIAN, "no source of debian")],
)
def test_a_machine_that_cannot_build_says_why(tmp_path: Path, release: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        system(tmp_path, release).mirror()


def test_a_changed_bare_image_changes_those_built_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = names()
    monkeypatch.setattr("tests.lab.image.BARE_PACKAGES", ["systemd"])
    after = names()
    assert all(before[kind] != after[kind] for kind in ("bare", "ready", "base"))


def test_addresses_that_machines_have_are_not_given_again() -> None:
    free = network.Network("n", "10.210.3.0/24", "10.210.3.1", 1400).free_addresses({"10.210.3.11"})
    assert [next(free), next(free)] == ["10.210.3.10", "10.210.3.12"]


def test_routes_are_read_in_the_kernels_byte_order() -> None:
    assert network._address("0004D50A") == "10.213.4.0"
    assert all(isinstance(route, ipaddress.IPv4Network) for route in network._routes())


def test_the_inventory_is_private_and_names_every_machine_once_with_its_groups(tmp_path: Path) -> None:
    access = Access(tmp_path)
    path = access.write_inventory(
        {"a": ["m1", "m2"], "b": ["m1"]}, {"m1": "10.0.0.1", "m2": "10.0.0.2"}, {"x": 1}, "deploy"
    )
    content = json.loads(path.read_text())["all"]
    assert content["hosts"] == {"m1": {"ansible_host": "10.0.0.1"}, "m2": {"ansible_host": "10.0.0.2"}}
    assert content["children"] == {"a": {"hosts": {"m1": {}, "m2": {}}}, "b": {"hosts": {"m1": {}}}}
    assert content["vars"]["x"] == 1 and content["vars"]["ansible_become"] is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_host_keys_of_stopped_machines_are_kept_and_of_new_ones_asked(tmp_path: Path) -> None:
    access = Access(tmp_path)
    asked = []

    def host_key(name: str) -> str:
        asked.append(name)
        return f"ssh-ed25519 key{len(asked)} comment"

    access.refresh({"m1": "10.0.0.1"}, host_key)
    access.refresh({"m1": "10.0.0.1", "m2": "10.0.0.2"}, host_key, fresh=["m2"])
    access.refresh({"m1": "10.0.0.1"}, host_key)
    access.refresh({"m1": "10.0.0.1", "m2": "10.0.0.2"}, host_key, fresh=["m1"])
    assert asked == ["m1", "m2", "m1", "m2"]
    assert access.known_hosts.read_text().splitlines() == [
        "m1,10.0.0.1 ssh-ed25519 key3",
        "m2,10.0.0.2 ssh-ed25519 key4",
    ]


def test_a_failed_command_is_told_with_what_it_said() -> None:
    with pytest.raises(LabError, match="exit status 3: broken"):
        run(["sh", "-c", "echo broken >&2; exit 3"])
    with pytest.raises(LabError, match="no-such-command-here: command not found"):
        run(["no-such-command-here"])


def test_what_is_quick_is_not_announced(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("something quick"):
        pass
    assert capsys.readouterr().err == ""


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    write_private(path, "one")
    write_private(path, "two")
    assert path.read_text() == "two" and [one.name for one in path.parent.iterdir()] == ["secret"]


def test_a_docker_client_that_came_without_an_engine_is_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(engine, "_which", lambda command: None if command == "dockerd" else f"/usr/bin/{command}")
    monkeypatch.setattr(engine, "_install", installed.append)
    monkeypatch.setattr(engine, "_answer", lambda: ("", "no daemon") if not installed else ("20.10.24", ""))
    monkeypatch.setattr(engine, "_start_detached", str)
    monkeypatch.setattr(engine, "_start_by_systemd", str)
    assert engine.ensure_engine() == "20.10.24"
    assert installed == [["docker.io"]]


def test_what_builds_an_image_in_another_root_is_not_told_of_a_temporary_directory_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    log = tmp_path / "log"
    with Progress("looking") as progress:
        run_logged(["sh", "-c", 'echo "${TMPDIR:-none} ${PATH:+path}"'], log, progress)
    assert log.read_text() == "none path\n"
