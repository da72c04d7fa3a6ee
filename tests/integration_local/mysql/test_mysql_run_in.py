# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MariaDB backed up and restored by programs that only an image has."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools_container import Image
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools_running import Running
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local import tool_images
from tests.integration_local.kept_containers import kept

from .conftest import EVERYTHING, Server
from .replays import by_rows, taken
from .target import Target


@pytest.mark.sample(1)
def test_everything_comes_back_by_programs_of_an_image(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.script(database, EVERYTHING)
    tools = Image(tool_images.full(), System())
    target = Target(server.url(database), tmp_path / "store", scratch, tools=tools)
    made = target.back_up().backup
    assert made is not None
    assert made.verified_by == "restore"
    assert tool_images.containers() == []


@pytest.mark.sample(1)
def test_everything_and_the_logs_after_it_come_back_by_programs_of_a_container_that_runs(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.script(database, EVERYTHING)
    with kept(tool_images.full()) as container, by_rows(server):
        target = Target(server.url(database), tmp_path / "store", scratch, tools=Running(container.name, System()))
        said = taken(target)
        assert any("were replayed up to" in one for one in said)
        assert container.programs() == ["sh"]
        assert container.said("ls", "-A", "/dev/shm") == ""
    assert tool_images.containers() == []
