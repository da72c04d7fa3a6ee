# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the builds of the site and of the images put together."""

from __future__ import annotations

import re
from pathlib import Path

import build
import build_site
import pytest


def assets_of(output: Path) -> set[str]:
    return {"/assets/" + path.name for path in (output / "html" / "assets").iterdir()}


def test_the_page_names_exactly_the_assets_that_exist(tmp_path: Path) -> None:
    build_site.build("1.1.0", tmp_path)
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r"/assets/[\w.]+", page)) == assets_of(tmp_path)
    assert "@" not in page.replace("@media", "")


def test_two_versions_never_share_the_name_of_a_script_or_style(tmp_path: Path) -> None:
    first, second = build_site.build("1.1.0", tmp_path / "a"), build_site.build("1.1.1", tmp_path / "b")
    assert all(first[name] != second[name] for name in ("app.js", "style.css"))


def test_the_same_version_built_again_has_the_same_names(tmp_path: Path) -> None:
    assert build_site.build("1.1.0", tmp_path / "a") == build_site.build("1.1.0", tmp_path / "b")


@pytest.mark.parametrize(("version", "there"), [("1.0.9", False), ("1.1.0", True), ("1.2.0", True), ("1.10.0", True)])
def test_an_overlay_is_in_its_own_version_and_all_later_ones(tmp_path: Path, version: str, there: bool) -> None:
    build_site.build(version, tmp_path)
    assert ("Popular right now" in (tmp_path / "html" / "index.html").read_text(encoding="utf-8")) is there


def test_a_page_that_names_an_asset_that_is_not_there_is_not_built() -> None:
    with pytest.raises(KeyError, match=r"gone\.js"):
        build_site.fill_in('<script src="@asset(gone.js)@">', {"app.js": "/assets/app.1.js"})


def test_a_version_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="latest"):
        build_site.build("latest", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "variant"),
    [(["1.3.0"], "ok"), (["1.2.0"], "unhealthy"), (["1.2.1"], "errors"), (["1.2.0", "--variant", "crash"], "crash")],
)
def test_a_version_is_broken_as_the_table_says_unless_told_otherwise(arguments: list[str], variant: str) -> None:
    options = build.arguments(arguments)
    assert f"VARIANT={variant}" in build.build_command(options, "backend", options.versions[0], "shop/backend:x")


def test_one_base_is_used_for_building_and_for_serving() -> None:
    options = build.arguments(["1.0.0", "--base", "mine:1"])
    assert {"BASE=mine:1", "BUILD_BASE=mine:1"} <= set(build.build_command(options, "frontend", "1.0.0", "x"))
