# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of this repository, and what is fenced in them."""

from __future__ import annotations

import re
import shlex
import typing as t
from pathlib import Path

from ansible_collections.slipway.deploy.plugins.module_utils.bootstrap import files as bootstrap

ROOT = Path(__file__).resolve().parents[3]
WRITTEN = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "roles").glob("*/README.md"))]
PAGES = [*WRITTEN, *sorted((ROOT / "examples").glob("*/README.md")), ROOT / "tests/lab/README.md"]
GENERATED = {"configuration.md", "figures.md"}
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
PLAYBOOKS = {f"slipway.deploy.{path.stem}" for path in (ROOT / "playbooks").glob("*.yml")}
SITE_PLAYBOOKS = {path.name for path in (ROOT / "examples/shop").glob("*.yml")}
SITE_PLAYBOOKS |= {f"{name}.yml" for name in bootstrap.PLAYBOOKS}
# What init asks for belongs to no site.
ASKED = set(re.findall(r"slipway_init_\w+", (ROOT / "playbooks/init.yml").read_text(encoding="utf-8")))


class Block(t.NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(pages: t.Iterable[Path], language: str) -> list[Block]:
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            if match[1] == language:
                found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, match[2]))
    return found


def commands(pages: t.Iterable[Path]) -> list[list[str]]:
    """The words of every command of the pages, each once."""
    lines = [line for block in blocks(pages, "console") for line in block.text.splitlines()]
    return [shlex.split(line[2:]) for line in dict.fromkeys(lines) if line.startswith("$ ")]
