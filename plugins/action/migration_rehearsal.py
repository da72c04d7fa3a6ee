# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of migration_rehearsal: the options of both modules that it is made of, the site's files, and secrets that are no
plain arguments."""

from __future__ import annotations

import base64
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP, Arguments
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_arguments import MIGRATION_RUNNER
from ansible_collections.slipway.deploy.plugins.module_utils.stages.rehearsal_arguments import MIGRATION_REHEARSAL
from ansible_collections.slipway.deploy.plugins.plugin_utils import backup_options, migration_options
from ansible_collections.slipway.deploy.plugins.plugin_utils.handed_secrets import encode_secrets, site_secrets
from ansible_collections.slipway.deploy.plugins.plugin_utils.host_engine import checked
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import StageAction, plain
from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import (
    read_database_url,
    read_migration_url,
)

WHOLE_CLUSTERS = ("physical", "snapshot")


class ActionModule(StageAction):
    """Runs migration_rehearsal alone or as a stage of a release."""

    module = "slipway.deploy.migration_rehearsal"
    takes = MIGRATION_REHEARSAL

    def completed(self, args: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        here = boolean(args.get("here", True), strict=False)
        backup = spread_backup({"id": "latest", **plain(args.get("backup") or {})})
        found = {**args, "backup": self._backup(backup, variables, here=here)}
        migrations = {"here": here, "engine": backup.get("engine", "postgresql"), **plain(args.get("migrations") or {})}
        migrations = migration_options.shipped(migration_options.spread(migrations), variables, self._templar)
        migrations["secrets"] = self._handed(migrations, [migrations.get("container")], variables, here=here)
        found["migrations"] = taken("migrations", migrations, MIGRATION_RUNNER)
        if here and not args.get("role"):
            found["role"] = role_of(found["migrations"]["engine"], read_migration_url(variables, self._templar))
        if args.get("old"):
            old = plain(args["old"])
            services = [*(old.get("services") or {}).values()]
            found["old"] = {**old, "secrets": self._handed(old, services, variables, here=here)}
        return found

    def _backup(self, backup: dict[str, t.Any], variables: dict[str, t.Any], *, here: bool) -> dict[str, t.Any]:
        """Only beside the live cluster, whose backups are of all of it, the connection string is needed."""
        url = str(backup.pop("url", "") or "")
        if here and any(backup.get(name) for name in WHOLE_CLUSTERS):
            url = url or read_database_url(variables, self._templar)
        given = {"state": "verified", **backup, **({"url": base64.b64encode(url.encode()).decode()} if url else {})}
        return taken("backup", given, DATABASE_BACKUP)

    def _handed(
        self, given: t.Mapping[str, t.Any], named: t.Iterable[t.Any], variables: dict[str, t.Any], *, here: bool
    ) -> str:
        """The secrets that some options name, whose likes will take their place on the machine."""
        if not here:
            return ""
        return encode_secrets(given.get("secrets") or site_secrets(named, variables, self._templar))


def spread_backup(backup: dict[str, t.Any]) -> dict[str, t.Any]:
    """Options of database_backup; another machine than the one that takes the backups knows dumps alone."""
    hosts = (backup.get("target") or {}).get("backup") or {}
    return backup_options.spread(backup, dumps=hosts.get("host") != hosts.get("verify_host"))


def taken(option: str, given: dict[str, t.Any], takes: Arguments) -> dict[str, t.Any]:
    """Options of another module, as that one would have them.

    :raises AnsibleActionFail: what is wrong with them.
    """
    try:
        return checked(given, takes)
    except ValueError as error:
        raise AnsibleActionFail(f"{option}: {error}") from None


def role_of(engine: str, url: str) -> str:
    """As whom the migrations will be applied; the rest of the connection string stays here."""
    if engine != "postgresql" or not url:
        return ""
    from urllib.parse import unquote, urlsplit

    if "://" in url:
        return unquote(urlsplit(url).username or "")
    words = dict(word.split("=", maxsplit=1) for word in url.split() if "=" in word)
    return words.get("user", "").strip("'")
