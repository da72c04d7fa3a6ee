# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every page can be found and read, its links lead somewhere, and it leaves out nothing that it is there for."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.slipway.deploy.tests.unit.docs.pages import GENERATED, ROOT, WRITTEN, name_of


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _hash, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("page", [page for page in WRITTEN if page.name not in GENERATED], ids=name_of)
def test_a_page_is_short_enough_to_be_read(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 250


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    linked = {page.name for page in (ROOT / "docs").glob("*.md") if f"({page.name})" in index}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} == linked


def test_a_site_of_ones_own_takes_less_than_twenty_lines():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    own = text[text.index("## Your own site") : text.index("## Guarantees")]
    lines = "".join(re.findall(r"^```\w+\n(.*?)^```$", own, re.DOTALL | re.MULTILINE)).splitlines()
    assert 5 < len(lines) < 20


def test_every_cause_of_an_error_is_explained():
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "plugins").rglob("*.py"))]
    causes = {cause for text in texts for cause in re.findall(r'\bcause(?:: str)?="(\w+)"', text)}
    table = re.compile(r'^    \("[^"]+", "(\w+)", "[^"]+"\),', re.MULTILINE)  # the words of the Docker Engine
    causes |= {cause for text in texts for cause in table.findall(text)}
    page = "".join(
        (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("operations.md", "database_errors.md")
    )
    assert len(causes) > 60
    assert {cause for cause in causes if f"`{cause}`" not in page} == set()


@pytest.mark.parametrize("role", sorted(path.parent.name for path in (ROOT / "roles").glob("*/README.md")))
def test_the_readme_of_a_role_names_its_own_options(role):
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    own = {name for name in specs["argument_specs"]["main"].get("options", {}) if name.startswith(f"{role}_")}
    page = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert {name for name in own if f"`{name}`" not in page} == set()


def test_the_picture_is_what_the_script_draws():
    place = importlib.util.spec_from_file_location("slipway_draw_release", ROOT / "tools/draw_release.py")
    tool = importlib.util.module_from_spec(place)
    place.loader.exec_module(tool)
    assert tool.TARGET.read_text(encoding="utf-8") == tool.picture(), "run tools/draw_release.py"
