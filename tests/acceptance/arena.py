# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One fleet for many cases: each begins with the version that the one before it has left, and says how it ended."""

from __future__ import annotations

import os
import shutil
import typing as t
from pathlib import Path

from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import holder_is_gone

from tests.lab import Lab
from tests.lab.engine import STATE as LAB_STATE
from tests.shop import Run

from . import check, machines, settings
from .fleet import Fleet
from .interruption import course, locks

ROOT = Path(__file__).resolve().parents[2]
APPS = ("app1", "app2")
GOOD = ("1.0.0", "1.1.0")
# Short enough for many cases.
BRIEF: dict[str, t.Any] = {
    "slipway_watch": {"bake": 0},
    "slipway_drain": {"deadline": 1},
    "slipway_services": settings.services(backend={"replicas": 1}),
}
COPIED = ("meta", "playbooks", "plugins", "roles", "galaxy.yml", "LICENSE")


class Arena:
    """Machines with a live version.

    A case that fails leaves them as they are; the next one begins on machines on which nothing was ever released.
    """

    def __init__(self, lab: Lab, names: t.Sequence[str], facts: t.Mapping[str, t.Any], directory: Path) -> None:
        self.lab, self.names, self.facts, self.directory = lab, list(names), facts, directory
        self.live = self.before = self.after = ""
        self._fleet: Fleet | None = None
        self._made = 0

    def case(self, *proxies: str) -> Fleet:
        """A fleet of app1, app2 and these balancers, on which C(before) is live and C(after) is not."""
        wanted = list(proxies or ("lb1",))
        if self._fleet is None or not self.live or (self._fleet.apps, self._fleet.proxies) != (list(APPS), wanted):
            self._fleet = self._begin(wanted)
        self._fleet.variables = {**settings.quick(), **BRIEF}
        self._fleet.write_variables()
        self.before, self.live = self.live, ""
        self.after = next(one for one in GOOD if one != self.before)
        return self._fleet

    def _begin(self, proxies: t.Sequence[str]) -> Fleet:
        machines.reset(self.lab, self.names)
        self._made += 1
        directory = self.directory / f"site{self._made}"
        fleet = Fleet(self.lab, directory, apps=APPS, proxies=proxies, facts=self.facts, variables=BRIEF)
        check.succeeded(fleet.deploy(GOOD[0]))
        self.live = GOOD[0]
        return fleet

    def ends_on(self, fleet: Fleet, version: str, *, nothing_done: bool = False) -> None:
        """One version everywhere, every journal closed, every lock free; without hand work.

        :param nothing_done: the last run had nothing to do, so it took no lock, and left that of a dead one to lapse.
        """
        check.all_on(fleet, version)
        leases = {machine: lock["lease"] for machine, lock in locks(fleet).items() if lock["lease"]}
        held = {name: one for name, one in leases.items() if not (nothing_done and holder_is_gone(one["holder"]))}
        assert held == {}, held
        self.live = version


# --- what the next run may be


def next_run(arena: Arena, fleet: Fleet, variant: str) -> tuple[Run, str]:
    """The run after an interruption, to its end, and the version that it asked for.

    :param variant: C(same) version, C(other) version, C(added) machine, other C(settings), rotated C(secrets), or a
        C(newer) collection. The next case is as ever.
    """
    wanted = arena.before if variant == "other" else arena.after
    env: dict[str, str] = {}
    if variant == "added":
        fleet.apps = [*APPS, next(name for name in arena.names if name not in fleet.machines)]
        fleet.write_inventory()
    elif variant == "settings":
        changed = settings.services(backend={"replicas": 2, "env": {"LOG_LEVEL": "debug"}})
        fleet.write_variables(slipway_services=changed)
    elif variant == "secrets":
        fleet.write_variables(slipway_secrets={"DATABASE_URL": "{{ vault_database_url }}?application_name=rotated"})
    elif variant == "newer":
        env["ANSIBLE_COLLECTIONS_PATH"] = str(_newer_collection(arena.directory))
    return fleet.deploy(wanted, **env), wanted


def _newer_collection(directory: Path) -> Path:
    """This checkout under a higher version, in a place of its own."""
    path = directory / "newer"
    target = path / "ansible_collections" / "slipway" / "deploy"
    if not target.exists():
        target.mkdir(parents=True)
        for part in COPIED:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, target / part)
        manifest = target / "galaxy.yml"
        text = manifest.read_text(encoding="utf-8")
        lines = ["version: 99.0.0" if line.startswith("version:") else line for line in text.splitlines()]
        manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --- the table of ``make soak``


class Table:
    """What came of each case; in ``make soak`` written to ``.lab/soak-<name>.md``."""

    def __init__(self, name: str) -> None:
        self._path = LAB_STATE / f"soak-{name}.md"
        self._rows: list[tuple[str, ...]] = []

    def add(self, case: str, run: Run | None, outcome: str, requests: int, failed: int = 0) -> None:
        """One line: what the next run did first, and how it ended.

        :param failed: requests that had to; a case with others never gets here.
        """
        row = (case, course(run.output) if run else "", outcome, str(requests), str(failed))
        self._rows.append(row)
        print(" | ".join(row))

    def write(self) -> None:
        """Only a whole matrix is worth keeping."""
        if not os.environ.get("SLIPWAY_SOAK") or not self._rows:
            return
        head = ("case", "course taken", "outcome", "requests", "failed")
        rows = [head, ("---",) * len(head), *self._rows]
        text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(text + "\n", encoding="utf-8")
