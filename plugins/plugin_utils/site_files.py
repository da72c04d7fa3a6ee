# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of the site, packed so that it travels to a machine among a module's arguments (private to the collection)."""

from __future__ import annotations

import base64
import io
import os
import typing as t
import zipfile

from ansible.errors import AnsibleActionFail

MOST = 64 * 2**20  # bytes of all files together; migrations are text
MOST_FILES = 20_000
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same archive


def site_path(path: str, variables: t.Mapping[str, t.Any], templar: t.Any) -> str:
    """Where a path of the site is on the controller: below C(slipway_site_dir), or else the working directory."""
    site = str(templar.template(variables.get("slipway_site_dir") or "") or os.curdir)
    return os.path.abspath(os.path.join(os.path.expanduser(site), os.path.expanduser(path)))


def packed(directory: str, name: str) -> dict[str, str]:
    """All files below a directory, as C(stages.site_files.unpacked) takes them.

    :param name: what people call that directory, for messages.
    :raises AnsibleActionFail: there is no such directory, it cannot be read, or there is more in it than migrations.
    """
    if not os.path.isdir(directory):
        raise AnsibleActionFail(f"{name}: there is no directory {directory}. Correct the path, or make it.")
    stream, size = io.BytesIO(), 0
    try:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, path in enumerate(_below(directory), start=1):
                size += os.path.getsize(path)
                if size > MOST or number > MOST_FILES:
                    raise AnsibleActionFail(
                        f"{name}: there are more than {MOST_FILES} files or {MOST // 2**20} MiB below {directory}. Give the"
                        " migrations a directory of their own."
                    )
                with open(path, "rb") as file:
                    archive.writestr(zipfile.ZipInfo(os.path.relpath(path, directory), _EPOCH), file.read())
    except OSError as error:
        raise AnsibleActionFail(f"{name}: {error.filename or directory} cannot be read: {error.strerror}") from None
    return {"name": name, "content": base64.b64encode(stream.getvalue()).decode()}


def _below(directory: str) -> t.Iterator[str]:
    """Every file, links to files followed; what versions and caches leave there is no migration."""
    for place, directories, files in os.walk(directory):
        directories[:] = sorted(one for one in directories if one not in (".git", "__pycache__", "node_modules"))
        yield from (os.path.join(place, file) for file in sorted(files) if os.path.isfile(os.path.join(place, file)))
