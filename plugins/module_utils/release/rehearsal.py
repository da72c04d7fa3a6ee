# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which migrations a release tries on a restored copy of the database, and where; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from .target import Live

OLD_VERSION = (
    300.0  # seconds that the services of the live version may take to start, twice, beside their own deadlines
)


def rehearsal(config: t.Mapping[str, t.Any], live: Live) -> dict[str, t.Any] | None:
    """What the stage rehearse needs.

    :return: C(host), C(options) of migration_rehearsal and, in C(takes), the seconds that it may need beside a restore; None where
        nothing is rehearsed.
    """
    migrations, backup = config["migrations"], (config["database"] or {}).get("backup")
    asked = (migrations or {}).get("rehearse") or {}
    if not migrations or not backup or config["waive_backup"] or asked.get("enabled") is False:
        return None
    host = backup["verify_host"]
    options = {name: asked[name] for name in ("max_lock", "max_duration")}
    takes = float(asked["max_duration"])
    if asked["old_version"] and config["model"] == "container":  # processes cannot be started beside themselves
        services = ((live.target or {}).get("services") or {}).get(host) or {}
        given = {name: asked[name] for name in ("database_secrets", "env") if asked.get(name)}
        options["old"] = {"services": services, "side": live.side, "release": live.release, **given}
        deadlines = [service["health"]["deadline"] for service in services.values() if service.get("health")]
        takes += OLD_VERSION + 2 * max([0.0, *map(float, deadlines)])
    return {"host": host, "options": options, "takes": takes}
