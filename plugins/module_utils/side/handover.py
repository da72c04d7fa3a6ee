# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long nobody did the work of a service of which there is one in the whole fleet (private to the collection).

While the old instance ends, and until the new one has started, a module may be killed, or its machine restarted. So the end is
in a file, with the time of a clock that never goes back and the boot that this clock belongs to; before that the time at which
it is told to end, which is what there is where nobody sees it.
"""

from __future__ import annotations

import json
import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from .held import Scope

FILE = "handed_over.json"


class Handover:
    """The singletons of one order."""

    def __init__(self, system: System, scope: Scope, singletons: t.Collection[str]) -> None:
        """:param singletons: names of services."""
        self.singletons = singletons
        self.gaps: dict[str, dict[str, t.Any]] = {}
        self._system = system
        self._directory = scope.directory
        self._path = os.path.join(scope.directory, FILE)

    def of(self, services: t.Iterable[str]) -> list[str]:
        """Those of these services that are singletons."""
        return sorted(set(services) & set(self.singletons))

    def ending(self, services: t.Iterable[str]) -> None:
        """The last instance of these is about to be told to end; durable when this returns."""
        self._note(services, seen=False)

    def ended(self, services: t.Iterable[str]) -> None:
        """The last instance of these has been seen to have ended, now; durable when this returns."""
        self._note(services, seen=True)

    def started(self, services: t.Iterable[str], *, now: bool = True) -> None:
        """An instance of each of these has been started, now; or was found at work, and started some time before that."""
        names = self.of(services)
        ended = self._read() if names else {}
        for name in [name for name in names if name in ended]:
            self.gaps[name] = self._since(ended.pop(name), now)
        if any(name in self.gaps for name in names):
            self._write(ended)

    def refuse_second(self, running: t.Iterable[tuple[str, str]]) -> None:
        """Refuse to start one while another instance is there.

        :param running: service and name of what runs and is not to be started.
        :raises SlipwayError: C(runs_already).
        """
        for service, name in running:
            if service in self.singletons:
                raise SlipwayError(
                    "an instance of this service runs that has not ended, and there may be one only",
                    obj=f"services.{service}",
                    actual=name,
                    wanted="none before the new one starts",
                    remedy="See who has started it, stop it, and run the release again.",
                    cause="runs_already",
                )

    def _note(self, services: t.Iterable[str], *, seen: bool) -> None:
        names = self.of(services)
        if names:
            now = {
                "boot": self._system.boot_id(),
                "at": self._system.boottime(),
                "wall": self._system.wall(),
                "seen": seen,
            }
            self._write({**self._read(), **dict.fromkeys(names, now)})

    def _since(self, ended: t.Mapping[str, t.Any], exact: bool) -> dict[str, t.Any]:
        """Across a restart of the machine there is only its wall clock, which may have been set meanwhile."""
        same = ended["boot"] == self._system.boot_id()
        now, then = (self._system.boottime(), ended["at"]) if same else (self._system.wall(), ended["wall"])
        return {"seconds": round(max(0.0, now - then), 3), "exact": exact and same and ended["seen"]}

    def _read(self) -> dict[str, dict[str, t.Any]]:
        try:
            found = json.loads(self._system.read_file(self._path) or b"{}")
            return {
                str(name): {key: about[key] for key in ("boot", "at", "wall", "seen")} for name, about in found.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}  # what is only measured holds nothing up

    def _write(self, ended: t.Mapping[str, t.Any]) -> None:
        self._system.make_directory(self._directory)
        self._system.replace_file(self._path, (json.dumps(ended, sort_keys=True) + "\n").encode())
