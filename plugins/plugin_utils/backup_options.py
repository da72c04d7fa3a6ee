# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of database_backup out of what a release, or a site, says of its database's backups (private to the collection)."""

from __future__ import annotations

import typing as t

# Called the same there as here. How old a backup may be, and how long a release waits for one, are not for everybody who asks.
OF_DUMPS = (
    "engine",
    "store",
    "retention",
    "compression",
    "encryption",
    "format",
    "jobs",
    "scratch_dir",
    "bin_dir",
    "run_in",
)
BEYOND_DUMPS = ("method", "physical", "snapshot")  # another machine proves dumps alone
STANDS_ON_DUMPS = "incremental"
OF_PLATFORM = {"platform": "platform", "environment": "environment", "root": "state_root", "keep": "keep"}


def spread(args: t.Mapping[str, t.Any], *, dumps: bool = False) -> dict[str, t.Any]:
    """Options of the module, of which C(target) has given those that were left out.

    :param args: C(target) has C(platform), C(environment), C(state_root), C(keep) and C(backup), as that of a release has them.
    :param dumps: take nothing over that is not about dumps.
    """
    given, target = {name: value for name, value in args.items() if name != "target"}, args.get("target")
    if not target:
        return given
    found = {name: target.get(there) for name, there in OF_PLATFORM.items()}
    more = BEYOND_DUMPS if not dumps else ("method",) if target["backup"].get("method") == STANDS_ON_DUMPS else ()
    found.update((name, target["backup"].get(name)) for name in (*OF_DUMPS, *more))
    # None, or an empty one, says nothing.
    return {**{name: value for name, value in found.items() if value or value == 0}, **given}
