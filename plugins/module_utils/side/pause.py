# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers of the live side paused, for as long as the platform is closed for maintenance (private to the collection)."""

from __future__ import annotations

import typing as t

from .held import Held, Scope, forget_held, read_held, write_held
from .report import Report


class Workers(t.Protocol):
    """Those of the live side, as what they run as stops and starts them."""

    @property
    def names(self) -> t.Sequence[str]:
        """As what they run as knows them."""

    def announce(self, work: bool, check: bool) -> bool:
        """Say what is to be done; whether that was all of it: nothing is to be done, or it is a preview."""

    def stop(self) -> None:
        """And see that they stay so whatever happens: a reboot, a release that is put back, a restore.

        :raises SlipwayError: C(not_confirmed).
        """

    def start(self) -> None:
        """:raises SlipwayError: C(exited) when one does not stay up; C(not_confirmed)."""


Note = t.Callable[..., None]


def hold(found: t.Callable[[], Workers], scope: Scope, report: Report, note: Note, *, check: bool) -> None:
    """They stop, and that is written down first, so that whoever comes after a kill leaves them so.

    :param found: looks for them.
    """
    workers = found()
    if workers.announce(False, check) or not workers.names:
        return
    system = report.system
    held = read_held(system, scope)
    if held is None or held.ending:
        write_held(system, scope, Held(held.since if held else system.wall()))
        note("workers_paused", workers=list(workers.names))
    workers.stop()
    report.said = "workers paused"


def let_go(found: t.Callable[[], Workers], scope: Scope, report: Report, note: Note, *, check: bool) -> None:
    """They work again, where they were paused; one that does not counts as paused until another run has started it.

    :param found: looks for them.
    """
    system = report.system
    held = read_held(system, scope)
    if held is None:
        return
    workers = found()
    if workers.announce(True, check):
        return
    write_held(system, scope, held._replace(ending=True))
    workers.start()
    forget_held(system, scope)
    note("workers_resumed", paused_seconds=held.seconds(system))
    report.said = f"workers at work again after {held.seconds(system)} s"
