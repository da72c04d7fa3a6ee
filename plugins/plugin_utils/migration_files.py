# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the site's files tell of a version's migrations before any machine is asked (private to the collection)."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.config.migrations import FILES
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration import model, names
from ansible_collections.slipway.deploy.plugins.module_utils.migration.scripts import Reader, Script
from ansible_collections.slipway.deploy.plugins.module_utils.release.shipped import BASELINE
from ansible_collections.slipway.deploy.plugins.plugin_utils.site_files import site_path


def ships(config: dict[str, t.Any], variables: t.Mapping[str, t.Any], templar: t.Any) -> None:
    """Put in as C(ships) the migrations of phase contract that this version has, each script by its version; and its baseline
    scripts, which stand for all up to theirs.

    Of other tools, and of files that are on the machine already, the machine that migrates tells it.

    :raises SlipwayError: C(missing), C(denied), C(bad_input): what is there is no directory of migrations.
    """
    migrations = config["migrations"]
    if not migrations or migrations["tool"] not in FILES or not migrations.get("path"):
        return
    directory = site_path(migrations["path"], variables, templar)
    if not os.path.isdir(directory):
        raise SlipwayError(
            "there is no such directory on the controller",
            obj="slipway_migrations.path",
            actual=directory,
            remedy="Correct it; it is taken from slipway_site_dir.",
            cause="missing",
        )
    reader = Reader("", t.cast(t.Any, None), migrations["encoding"])  # of the notes alone, no statement
    found = {}
    for name in names.scan(directory):
        if name.kind == model.BASELINE:
            found[f"{BASELINE}{name.version}"] = name.script
        if name.kind not in (model.VERSIONED, model.REPEATABLE):
            continue
        if Script(name, os.path.join(directory, name.script), reader).phase == "contract":
            found[str(name.version or name.script)] = name.script
    migrations["ships"] = found
