# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of database_backup: hands over the connection string so that its words mask no result, and shows how far
it is."""

from __future__ import annotations

import base64
import contextlib
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.backup.progress import path_of
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.plugin_utils.backup_options import spread
from ansible_collections.slipway.deploy.plugins.plugin_utils.progress import Watcher, reader
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import read_database_url

# What asks no database, unless it is about a physical backup or a snapshot: the secret stays where it is.
WITHOUT_DATABASE = ("reached", "verified")

display = Display()


class ActionModule(StageAction):
    """Runs database_backup alone or as a stage of a release; without a C(url) it takes the site's own."""

    module = "slipway.deploy.database_backup"
    takes = DATABASE_BACKUP

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        args = spread(args, dumps=args.get("state") in WITHOUT_DATABASE)
        url = str(args.get("url") or "")
        if not url and (args.get("state") not in WITHOUT_DATABASE or args.get("physical") or args.get("snapshot")):
            url = read_database_url(variables, self._templar)
        return {**args, "url": base64.b64encode(url.encode()).decode()} if url else args

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        with self._watched(str((task_vars or {}).get("inventory_hostname", ""))):
            return super().run(tmp, task_vars)

    def _watched(self, machine: str) -> t.ContextManager[t.Any]:
        """Only where this task does something that may take long."""
        args = self._task.args
        idle = (
            not args.get("name")
            or args.get("state") in ("listed", "reached")
            or not boolean(args.get("here", True), strict=False)
        )
        if idle or self._task.check_mode:
            return contextlib.nullcontext()
        name = str(args["name"])
        return Watcher(
            reader(self._connection, path_of(name)),
            lambda said: display.display(f"{machine}: backup of {name}: {said}"),
        )
