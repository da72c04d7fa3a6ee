# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of migration_runner: hands over the connection string so that its words mask no result, and the site's files."""

from __future__ import annotations

import base64
import contextlib
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_progress import file_of
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets, site_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.migration_options import shipped, spread
from ansible_collections.slipway.deploy.plugins.plugin_utils.progress import Watcher, reader
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import read_migration_url, read_replica_urls

display = Display()


class ActionModule(StageAction):
    """Runs migration_runner alone or as a stage of a release; without a C(url) it takes the site's own."""

    module = "slipway.deploy.migration_runner"
    takes = MIGRATION_RUNNER
    kept = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        with self._watched(str((task_vars or {}).get("inventory_hostname", ""))):
            return super().run(tmp, task_vars)

    def _watched(self, machine: str) -> t.ContextManager[t.Any]:
        """Only where this task does something that may take long."""
        args = spread(self._task.args)
        here = boolean(args.get("here", True), strict=False)
        if self._task.check_mode or args.get("state") == "status" or not here:
            return contextlib.nullcontext()
        return Watcher(
            reader(self._connection, file_of(args)), lambda said: display.display(f"{machine}: migrations: {said}")
        )

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        args = spread(args)
        if args.get("state") == "replayed":
            return self._about_replicas(args, variables)
        args = shipped(args, variables, self._templar)
        if not boolean(args.get("here", True), strict=False):
            return args  # the secret stays where it is
        secrets = args.get("secrets") or site_secrets([args.get("container")], variables, self._templar)
        return self._to_database({**args, "secrets": encode_secrets(secrets)}, variables)

    def _about_replicas(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """No migration is sent for that."""
        urls = args.get("replicas") or []
        args = {name: value for name, value in args.items() if name not in ("path", "files", "replicas")}
        if not boolean(args.get("here", True), strict=False):
            return args
        urls = urls or read_replica_urls(variables, self._templar)
        encoded = [base64.b64encode(str(url).encode()).decode() for url in urls]
        return self._to_database({**args, "replicas": encoded}, variables)

    def _to_database(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        url = str(args.get("url") or "") or read_migration_url(variables, self._templar)
        return {**args, "url": base64.b64encode(url.encode()).decode()} if url else args
