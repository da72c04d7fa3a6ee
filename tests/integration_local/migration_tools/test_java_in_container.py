# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flyway and Liquibase in a container; their Java runtime and their jars are mounted, as they would make an image large."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import typing as t

import pytest

from tests.integration_local import tool_images
from tests.integration_local.backup.conftest import Server

from .outside import ROOT, Project
from .test_tool_flyway import FLYWAY, Flyway
from .test_tool_in_container import InImage
from .test_tool_liquibase import Liquibase

JAVA = pathlib.Path(shutil.which("java") or "/usr/bin/java").resolve()
HOME = str(JAVA.parents[1])
CONFIGURATION = "/etc/java-17-openjdk"  # where Debian's runtime leads to

pytestmark = pytest.mark.sample(1)


class InJava(InImage):
    """Beside what another class says of the tool."""

    def options(self, **given: t.Any) -> dict[str, t.Any]:
        places = [HOME, str(ROOT / ".cache/tools"), str(self.directory), CONFIGURATION]
        volumes = [f"{place}:{place}:ro" for place in places if pathlib.Path(place).exists()]
        container = {
            "image": tool_images.java(HOME),
            "env": {"PLAIN": "a b", "JAVA_HOME": HOME},
            "keywords": {"cpu_shares": 2, "volumes": volumes},
        }
        return super().options(container=container, **given)


class FlywayInImage(Flyway, InJava):
    """With its own options first."""


class LiquibaseInImage(Liquibase, InJava):
    """With its own options first."""


@pytest.mark.parametrize("kind", [FlywayInImage, LiquibaseInImage])
def test_it_is_applied_once_by_a_user_who_is_none_here(
    kind: type[InJava], tool_server: Server, tmp_path: pathlib.Path
) -> None:
    for path in [*tmp_path.parents][:-2]:
        with contextlib.suppress(PermissionError):
            path.chmod(path.stat().st_mode | 0o011)
    project: Project = kind(tool_server, tmp_path)  # type: ignore[call-arg]
    if kind is FlywayInImage:
        project.project["program"] = [str(JAVA), *FLYWAY[1:]]
        project.project["directory"] = str(tmp_path)
    tmp_path.chmod(0o755)
    shown = project.run(check=True)
    assert shown["changed"] and "TABLE item" in shown["sql"] and project.empty()
    told = project.run()
    assert told["changed"] and len(told["applied"]) == 3 and project.tables() == {"item"}
    assert not project.run()["changed"]
    assert project.containers() == []
