# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/tutorial.md, walked as it stands: its files are written, its commands are run, what it says comes out of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from tests.lab import Lab, base_image
from tests.shop.site import COLLECTIONS

from .machines import reset

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
MACHINE, NAME, BASE = "app1", "hello.example.com", "python:3.12-slim"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(t.NamedTuple):
    """One fenced block: commands, a file (named in its first line), or what the last command said."""

    kind: str
    text: str

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]

    @property
    def path(self) -> str:
        return self.text.partition("\n")[0].removeprefix("# ")


@pytest.fixture
def terminal(lab: Lab, tmp_path: Path) -> t.Iterator[dict[str, str]]:
    """The environment of a person whose ssh knows the machine by its name, as ~/.ssh/config and the DNS would tell it."""
    reset(lab, [MACHINE])
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()
    address = lab.address(MACHINE)
    there = f"-F {lab.access.ssh_config} -o Hostname={address} -o HostKeyAlias={MACHINE}"
    wrapper = f'#!/bin/sh\nexec /usr/bin/ssh {there} "$@"\n'
    curl = f'#!/bin/sh\nexec /usr/bin/curl --resolve {NAME}:80:{address} --resolve {NAME}:8081:{address} "$@"\n'
    for name, text in (("ssh", wrapper), ("curl", curl)):
        (bin_directory / name).write_text(text)
        (bin_directory / name).chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    yield {
        **inherited,
        "PATH": os.pathsep.join([str(bin_directory), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ANSIBLE_COLLECTIONS_PATH": os.environ.get("SLIPWAY_COLLECTIONS") or str(COLLECTIONS),
        "ANSIBLE_NOCOLOR": "1",
    }
    reset(lab, [MACHINE])


@pytest.mark.sample(6, among="journeys")
def test_a_newcomer_gets_to_a_release_of_their_own(
    terminal: dict[str, str], tmp_path: Path, record_property: t.Any
) -> None:
    """Every command of the page ends well; where a text follows, the last command that says something has said it."""
    directory, said, began = tmp_path, "", time.monotonic()
    blocks = [Block(*found) for found in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]
    walked = [block for block in blocks if block.kind != "text" or "pip install" not in block.text]
    count = 0
    for block in walked:
        if block.kind == "console":
            said = ""
            for command in block.commands:
                directory, output = run(command, directory, terminal)
                said, count = said + output, count + 1
        elif block.kind == "text":
            assert block.text in said, said
        else:  # there is no registry in the lab, so its own image stands for the one that everybody can pull
            (directory / block.path).write_text(block.text.replace(BASE, base_image()))
    assert count > 12  # else the page is read wrongly
    record_property("seconds", round(time.monotonic() - began, 1))


def run(command: str, directory: Path, terminal: dict[str, str]) -> tuple[Path, str]:
    """Run a line in a shell; the directory that it ends in, and what it said."""
    script = f"set -euo pipefail; {command}; pwd >&3"
    place = directory / ".pwd"
    with place.open("w") as third:
        done = subprocess.run(
            ["bash", "-c", f"exec 3>&{third.fileno()}; {script}"],
            check=False,
            cwd=directory,
            env=terminal,
            pass_fds=[third.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return Path(place.read_text().strip()), done.stdout
