# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of migration_runner out of what a release, or a site, says of its migrations (private to the collection)."""

from __future__ import annotations

import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.slipway.deploy.plugins.plugin_utils.site_files import packed, site_path
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain

OF_PLATFORM = {"platform": "platform", "environment": "environment", "root": "state_root"}


def spread(args: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options of the module, of which C(site) has given those that were left out.

    :param args: C(site) has C(platform), C(environment), C(state_root) and C(migrations.options), as a release's target has them.
    """
    given, site = {name: value for name, value in args.items() if name != "site"}, plain(args.get("site"))
    if not site:
        return given
    found = {name: site.get(there) for name, there in OF_PLATFORM.items()}
    return {**found, **(site["migrations"] or {}).get("options", {}), **given}


def shipped(args: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any], templar: t.Any) -> dict[str, t.Any]:
    """Options of the module, the files of C(path) among them; nothing of them for a machine that does not migrate.

    :raises AnsibleActionFail: they cannot be read, or are no migrations.
    """
    found = {name: value for name, value in args.items() if name not in ("path", "files")}
    if args.get("path") and boolean(args.get("here", True), strict=False):
        path = str(args["path"])
        found["files"] = packed(site_path(path, variables, templar), path)
    return found
