# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be in the repository, and what must not grow too large to be read."""

from __future__ import annotations

import ast
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from .conftest import ROOT

LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 50
# A module's documentation stands in its file: only what follows it is counted.
DOCUMENTED = ("plugins/modules/", "plugins/doc_fragments/")
# A file that may be longer, with the reason.
LONGER_FILES: dict[str, str] = {}
LONGER_FUNCTIONS: dict[str, str] = {}

HEADER = "# SPDX-License-Identifier: GPL-3.0-or-later"
# Each pattern is written so that it does not match itself.
FORBIDDEN = {
    "the host of a registry or mirror": re.compile(
        r"\b(?:pypi[.]org|pythonhosted[.]org|registry[.]npmjs[.]org|proxy[.]golang[.]org|crates[.]io|repo1?[.]maven"
        r"|(?:deb|security|ftp|archive)[.](?:debian|ubuntu)[.](?:org|com)|registry-1[.]docker[.]io|docker[.]io/"
        r"|quay[.]io|gcr[.]io|ghcr[.]io)"
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:work|home/(?!deploy\b|carrier\b|me\b|\")\w+)/|/root/[.](?:pyenv|cache|ansible)"
    ),
    "a conflict that nobody has solved": re.compile(r"^(?:<{7}|>{7}) \S"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
    "an access key": re.compile(r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[baprs]-[A-Za-z0-9-]{10,})\b"),
}


def tracked() -> list[str]:
    """Every text file that git knows, or that is new and not ignored."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [path for path in listed if path and (ROOT / path).is_file() and b"\0" not in (ROOT / path).read_bytes()]


FILES = tracked()
ENGINES = [path for path in FILES if path.startswith("plugins/") and path.endswith(".py")]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_is_in_a_file_that_belongs_elsewhere(what: str) -> None:
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path in FILES
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == [], what


def test_every_program_says_whose_it_is_and_under_which_licence() -> None:
    programs = [path for path in FILES if path.endswith((".py", ".sh")) and not path.startswith("tests/lab/recipe/")]
    without = [
        path
        for path in programs
        if (ROOT / path).stat().st_size and HEADER not in (ROOT / path).read_text(encoding="utf-8")[:400]
    ]
    assert without == []


def test_what_is_run_can_be_run() -> None:
    scripts = [path for path in FILES if path.startswith("tools/") and path.endswith(".sh")]
    assert [path for path in [*scripts, ".ci/run"] if not (ROOT / path).stat().st_mode & 0o100] == []


def test_no_file_of_the_plugins_is_too_long_to_be_read() -> None:
    lengths = {path: code_lines(path) for path in ENGINES}
    long = {path: lines for path, lines in lengths.items() if lines > LINES_OF_A_FILE}
    assert sorted(long) == sorted(LONGER_FILES), long


def test_no_function_of_the_plugins_is_too_long_to_be_read() -> None:
    lengths = {f"{path}:{function.name}": length(function) for path in ENGINES for function in functions(path)}
    long = {name: lines for name, lines in lengths.items() if lines > LINES_OF_A_FUNCTION}
    assert sorted(long) == sorted(LONGER_FUNCTIONS), long


def code_lines(path: str) -> int:
    """The lines of a file, without the documentation that Ansible wants in it."""
    text = (ROOT / path).read_text(encoding="utf-8")
    lines = len(text.splitlines())
    if path.startswith(DOCUMENTED):
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.end_lineno:
                lines -= node.end_lineno - node.lineno + 1
    return lines


def functions(path: str) -> t.Iterator[ast.FunctionDef]:
    """Every function and method of a file."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.FunctionDef):
            yield node


def length(function: ast.FunctionDef) -> int:
    """The lines of a function, without its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def test_the_licence_is_there() -> None:
    assert Path(ROOT / "LICENSE").read_text(encoding="utf-8").lstrip().startswith("GNU GENERAL PUBLIC LICENSE")
