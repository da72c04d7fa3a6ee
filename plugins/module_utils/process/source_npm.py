# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Node.js program as an npm package, with what it needs, in C(node_modules) of the release (private to the collection)."""

from __future__ import annotations

import json
import os
import re
import typing as t

from ..side.options import invalid
from .source import Source, copied
from .spec import Step

LOCK = "package-lock.json"
QUIET = ["--no-audit", "--no-fund", "--no-update-notifier"]
#: Names and exact versions: docs.npmjs.com, "package.json"; semver.org.
_PACKAGE = re.compile(r"((?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*)@\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_INTEGRITY = re.compile(r"sha512-[A-Za-z0-9+/]{86}==")


class NpmSource(Source):
    """A package by its file (what C(npm pack) makes), or by name and version out of a registry.

    First only the lock file is made, and looked at; then exactly that is installed, without development dependencies.
    """

    keys = ("integrity", "package", "path", "registry")
    packed = True
    builds = True

    def resolve(self) -> dict[str, t.Any]:
        package, path, integrity = self.text("package"), self.text("path"), self.text("integrity")
        if bool(package) == bool(path):
            raise invalid(f"{self.where}.path", path or None, "either path or package")
        if package and not _PACKAGE.fullmatch(package):
            raise invalid(f"{self.where}.package", package, "a name and one version, such as @shop/backend@1.2.0")
        if path and not re.fullmatch(r"[\w.+-]+\.tgz", os.path.basename(path)):
            raise invalid(f"{self.where}.path", path, "what npm pack makes, such as shop-1.2.0.tgz")
        if integrity and (path or not _INTEGRITY.fullmatch(integrity)):
            raise invalid(f"{self.where}.integrity", integrity, "with package, sha512- and a hash in base64")
        about = {"content": self.file_content()} if path else {"package": package, "integrity": integrity}
        return {"kind": "npm", "file": os.path.basename(path), "registry": self.url("registry"), **about}

    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        if resolved["file"]:
            copied(self.file(), resolved["content"], os.path.join(target, resolved["file"]), self.where)
        # Without one, npm looks for it in the directories above.
        self.place.system.replace_file(os.path.join(target, "package.json"), b'{"private": true}\n', mode=0o644)

    def install(self, resolved: t.Mapping[str, t.Any], target: str, run: t.Callable[[t.Sequence[Step]], None]) -> None:
        wanted = f"./{resolved['file']}" if resolved["file"] else resolved["package"]
        registry = [f"--registry={resolved['registry']}"] if resolved["registry"] else []
        lock = ["npm", "install", "--package-lock-only", "--save-exact", *QUIET, *registry, "--", wanted]
        run([Step("lock", lock, {}, self.place.deadline)])
        if resolved.get("integrity"):
            self._expect(resolved["integrity"], os.path.join(target, LOCK))
        run([Step("install", ["npm", "ci", "--omit=dev", *QUIET, *registry], {}, self.place.deadline)])

    def _expect(self, integrity: str, path: str) -> None:
        """Before anything of the package is downloaded, and any script of it runs."""
        found = _PACKAGE.fullmatch(self.text("package"))
        try:
            locked = json.loads(self.place.system.read_file(path) or b"")["packages"]
            actual = locked[f"node_modules/{found.group(1) if found else ''}"]["integrity"]
        except (ValueError, KeyError, TypeError):
            actual = "none"
        if actual != integrity:
            raise self.not_wanted(self.text("package"), actual, integrity)
