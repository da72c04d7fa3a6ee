# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code in a git repository, by branch, tag or commit (private to the collection)."""

from __future__ import annotations

import os
import posixpath
import re
import typing as t
import urllib.parse

from ..errors import SlipwayError
from ..side.options import invalid
from .git_mirror import Mirror
from .source import Source

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


class GitSource(Source):
    """The files of one commit, without C(.git).

    A branch is where it is now. A tag stays what this machine has once seen it to be: one that has moved is refused, until
    C(commit) says that the new one is meant. What is fetched is a single commit, into a mirror that releases share.
    """

    keys = ("branch", "commit", "key", "known_hosts", "repository", "submodules", "tag")

    def resolve(self) -> dict[str, t.Any]:
        repository, mirror = self._repository(), self._mirror()
        branch, tag, commit = self.text("branch"), self.text("tag"), self._commit()
        if bool(branch) == bool(tag) and not (commit and not branch):
            raise invalid(f"{self.where}.branch", None, "one of branch, tag and commit")
        if tag:
            known = mirror.known_tag(tag)
            now = commit if commit and known == commit else mirror.remote(f"refs/tags/{tag}")
            seen = commit or known
            if seen and seen != now:
                raise SlipwayError(
                    "the tag has moved",
                    obj=f"{tag} of {repository}",
                    actual=now,
                    wanted=seen,
                    remedy="Release under a new tag; or give commit as well, if the new one is meant.",
                    cause="tag_moved",
                )
            commit = now
        elif not commit:
            commit = mirror.remote(f"refs/heads/{branch}")
        return {"kind": "git", "repository": repository, "commit": commit, "submodules": self._with_submodules()}

    def fetch(self, resolved: t.Mapping[str, t.Any], target: str) -> None:
        mirror = self._mirror()
        names = [
            f"refs/{kind}/{self.text(key)}" for kind, key in (("heads", "branch"), ("tags", "tag")) if self.text(key)
        ]
        mirror.check_out(resolved["commit"], target, names)
        if self.text("tag"):
            mirror.note_tag(self.text("tag"), resolved["commit"])
        if resolved["submodules"]:
            self._fetch_submodules(mirror, resolved["commit"], target)

    def _fetch_submodules(self, mirror: Mirror, commit: str, target: str) -> None:
        for path, (url, inner) in mirror.submodules(commit, target).items():
            if not url:
                raise SlipwayError(
                    "a submodule without a url in .gitmodules",
                    obj=f"{path} of {self._repository()}",
                    remedy="Mend .gitmodules, or set submodules: false.",
                    cause="submodule",
                )
            options = {key: self.options[key] for key in ("key", "known_hosts") if key in self.options}
            address = absolute(self._repository(), url)
            if is_local(address) and not is_local(self._repository()):
                raise invalid(f"{self.where}.submodules", address, "no submodule out of a directory of this machine")
            below = GitSource({"repository": address, "commit": inner, **options}, f"{self.where} {path}", self.place)
            below.fetch(below.resolve(), os.path.join(target, path))

    def _repository(self) -> str:
        address = self.text("repository", required=True)
        if "://" in address and urllib.parse.urlsplit(address).password:
            raise invalid(
                f"{self.where}.repository", "a URL with a password", "a URL without; programs see what others run"
            )
        return address

    def _mirror(self) -> Mirror:
        key = self.text("key")
        if key and key not in self.place.secrets:
            raise SlipwayError(
                "no value for a secret",
                obj=f"{self.where}.key",
                actual=key,
                remedy="Add it to slipway_secrets.",
                cause="secret_missing",
            )
        private = self.place.secrets[key] if key else ""
        return Mirror(self.place, self._repository(), private, self.text("known_hosts"))

    def _commit(self) -> str:
        commit = self.text("commit")
        if commit and not _COMMIT.fullmatch(commit):
            raise invalid(f"{self.where}.commit", commit, "a whole commit id, 40 hexadecimal digits")
        return commit

    def _with_submodules(self) -> bool:
        wanted = self.options.get("submodules", True)
        if not isinstance(wanted, bool):
            raise invalid(f"{self.where}.submodules", wanted, "true or false")
        return wanted


def is_local(address: str) -> bool:
    """Whether a repository is a directory of this machine."""
    return address.startswith(("/", "file://", "."))


def absolute(parent: str, url: str) -> str:
    """A submodule's URL, which may be relative to that of the repository it is in (gitmodules(5))."""
    if not url.startswith(("./", "../")):
        return url
    head, separator, path = parent.rpartition(":") if "://" not in parent and ":" in parent else ("", "", parent)
    if "://" in parent:
        parts = urllib.parse.urlsplit(parent)
        return parts._replace(path=posixpath.normpath(posixpath.join(parts.path, url))).geturl()
    return f"{head}{separator}{posixpath.normpath(posixpath.join(path, url))}"
