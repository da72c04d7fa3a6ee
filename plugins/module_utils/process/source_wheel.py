# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python program as a wheel, in a virtual environment of the release's own (private to the collection)."""

from __future__ import annotations

import os
import re
import typing as t

from ..side.options import invalid
from .source import Source, copied
from .spec import Step

REQUIREMENTS = ".requirements.txt"
INSTALLERS = ("pip", "uv")
#: Names of files and exact versions: packaging.python.org, "Binary distribution format", "Version specifiers".
_FILE = re.compile(r"[\w.]+-[\w.!+]+(-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class WheelSource(Source):
    """A wheel by its file, or by name and version out of an index; C(.venv) in the release has it and what it needs.

    C(requirements) are more lines as pip has them. With a hash anywhere, pip wants one of everything.
    """

    keys = ("hashes", "index", "installer", "package", "path", "python", "requirements")
    packed = True
    builds = True

    def resolve(self) -> dict[str, t.Any]:
        package, path = self.text("package"), self.text("path")
        if bool(package) == bool(path):
            raise invalid(f"{self.where}.path", path or None, "either path or package")
        if package and not _PACKAGE.fullmatch(package):
            raise invalid(f"{self.where}.package", package, "a name and one version, such as shop==1.2")
        if path and not _FILE.fullmatch(os.path.basename(path)):
            raise invalid(f"{self.where}.path", path, "a wheel under its own name, such as shop-1.2-py3-none-any.whl")
        about = {"content": self.file_content()} if path else {"package": package}
        installer = self.text("installer") or "pip"
        if installer not in INSTALLERS:
            raise invalid(f"{self.where}.installer", installer, " or ".join(INSTALLERS))
        return {
            "kind": "wheel",
            "file": os.path.basename(path),
            "hashes": self._hashes(),
            "index": self.url("index"),
            "installer": installer,
            "python": self.text("python") or "python3",
            "requirements": self.text("requirements"),
            **about,
        }

    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        wanted, hashes = resolved.get("package", ""), resolved["hashes"]
        if resolved["file"]:
            copied(self.file(), resolved["content"], os.path.join(target, resolved["file"]), self.where)
            wanted = f"./{resolved['file']}"
            hashes = [f"sha256:{resolved['content']}"] if hashes or "--hash" in resolved["requirements"] else []
        lines = [" ".join([wanted, *(f"--hash={item}" for item in hashes)]), resolved["requirements"]]
        self.place.system.replace_file(
            os.path.join(target, REQUIREMENTS), "".join(f"{line}\n" for line in lines if line).encode(), mode=0o644
        )

    def install(self, resolved: t.Mapping[str, t.Any], target: str, run: t.Callable[[t.Sequence[Step]], None]) -> None:
        python, environment = resolved["python"], ".venv/bin/python"
        if resolved["installer"] == "uv":
            make, install = (
                ["uv", "venv", "--python", python, ".venv"],
                ["uv", "pip", "install", "--python", environment],
            )
        else:
            make = [python, "-m", "venv", ".venv"]
            install = [environment, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        index = ["--index-url", resolved["index"]] if resolved["index"] else []
        commands = {"environment": make, "install": [*install, *index, "--requirement", REQUIREMENTS]}
        run([Step(name, command, {}, self.place.deadline) for name, command in commands.items()])

    def _hashes(self) -> list[str]:
        hashes = self.texts("hashes")
        for item in hashes:
            if not _HASH.fullmatch(item):
                raise invalid(f"{self.where}.hashes", item, "sha256: and 64 hexadecimal digits in small letters")
        if self.text("path") and hashes and f"sha256:{self.file_content()}" not in hashes:
            raise self.not_wanted(self.text("path"), f"sha256:{self.file_content()}", " or ".join(hashes))
        return sorted(hashes)
