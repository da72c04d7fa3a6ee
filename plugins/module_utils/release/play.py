# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways of running a play that would release only a part of the platform; controller-only (private to the collection)."""

from __future__ import annotations

import typing as t


class Play(t.NamedTuple):
    """How this play is run."""

    wanted: list[str]  # the machines of the inventory's groups
    present: list[str]  # the machines this play runs on
    limit: str
    tags: list[str]
    skip_tags: list[str]
    start_at_task: str
    strategy: str
    serial: list[t.Any]


def objections(play: Play) -> list[str]:
    """Why this way of running cannot carry a release: its verdict counts every machine of the inventory, in one batch."""
    found = []
    missing = sorted(set(play.wanted) - set(play.present))
    if play.limit:
        found.append(f"--limit {play.limit}: a release needs all machines of the inventory. Run it without --limit.")
    elif missing:
        found.append(
            f"the play leaves out {', '.join(missing)}: a release needs all machines of slipway_app and slipway_proxy. "
            "Run it without serial, slices or narrower hosts."
        )
    if play.serial:
        found.append(f"serial {play.serial}: a release moves all machines together. Take serial out of the play.")
    if play.tags not in ([], ["all"]):
        found.append(f"--tags {','.join(play.tags)}: every stage belongs to a release. Run it without --tags.")
    if play.skip_tags:
        found.append(f"--skip-tags {','.join(play.skip_tags)}: every stage belongs to a release. Run it without.")
    if play.start_at_task:
        found.append(
            f"--start-at-task {play.start_at_task!r}: the journal knows where to go on. Run it without; an interrupted "
            "release is finished by itself."
        )
    if play.strategy.rpartition(".")[2] not in ("linear", "mitogen_linear"):
        found.append(f"strategy {play.strategy}: stages are decided over all machines together. Use strategy linear.")
    return found
