# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any other tool, by its commands (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..masking import mask
from . import model
from .child import Ended
from .model import Done, Migration, Status
from .outside import Outside, Run, Setup, failed
from .tool import Order

LINES = 1000  # of what a command says is pending


class Commands(t.NamedTuple):
    """argv lists, never a shell's lines.

    :param pending: ends with 0 where nothing is pending, and with one of RV(some) where something is; each line that it
        prints is told as one migration.
    :param preview: prints the SQL; empty where there is no such command.
    """

    apply: tuple[str, ...]
    pending: tuple[str, ...]
    preview: tuple[str, ...] = ()
    some: tuple[int, ...] = (1,)


class Command(Outside):
    """See RV(Tool). Its history is the word of a command."""

    name = "command"
    states = ("latest", "status")

    def __init__(self, setup: Setup, commands: Commands) -> None:
        super().__init__(setup)
        self._commands = commands

    def _read(self, _target: str, run: Run) -> Status:
        ended = run(*self._commands.pending)
        if ended.rc not in (0, *self._commands.some):
            raise SlipwayError(
                "does not say whether something is pending",
                obj=" ".join(self._commands.pending),
                actual=f"exit status {ended.rc}: {ended.said}",
                wanted=f"0 for nothing, {' or '.join(map(str, self._commands.some))} for something",
                remedy="Mend it, or correct project.pending and project.pending_rc.",
                cause="command_failed",
            )
        if ended.rc == 0:
            return Status("", True, (), mark="none")
        return Status("", True, tuple(_told(ended, self._setup.child.secrets)), mark="some")

    def _carry_out(
        self, _order: Order, _before: Status, _wanted: t.Sequence[Migration], run: Run
    ) -> t.Mapping[str, int]:
        ended = run(*self._commands.apply)
        if ended.rc != 0:
            raise self._ended(self._commands.apply, ended)
        return {}

    def _show(self, _order: Order, _status: Status, wanted: t.Sequence[Migration], run: Run) -> str:
        if not self._commands.preview:
            return "".join(f"-- {one.label} (no preview: project.preview is not set)\n" for one in wanted)
        ended = run(*self._commands.preview)
        if ended.rc != 0:
            raise self._ended(self._commands.preview, ended)
        return mask(ended.stdout, self._setup.child.secrets)

    def _done(self, before: Status, after: Status, _took: t.Mapping[str, int]) -> list[Done]:
        left = {one.script for one in after.pending}
        return [
            Done("", one.description, one.script, None, 0, True) for one in before.pending if one.script not in left
        ]

    def _ended(self, argv: t.Sequence[str], ended: Ended) -> SlipwayError:
        return failed(" ".join(argv), ended.said or f"exit status {ended.rc}", rc=ended.rc)


def _told(ended: Ended, secrets: t.Collection[str]) -> t.Iterator[Migration]:
    lines = [line.strip() for line in mask(ended.stdout, secrets).splitlines() if line.strip()]
    for line in lines[:LINES] or ["something"]:
        yield Migration(model.VERSIONED, "", "", line, model.PENDING)
