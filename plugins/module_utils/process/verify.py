# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of a side are asked, and what is known of those that fail (private to the collection)."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import typing as t

from ..errors import SlipwayError
from ..side import failures
from ..side.checks import Check, Prober, Running, Verdict, http_target
from ..side.options import invalid
from .manager import FAILED, RUNNING, Found, Manager, not_running
from .report import Report

LOOK = 0.2  # seconds between two looks at whether a process that is being asked still lives


def target(item: Running, option: t.Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    """What to ask a process, in the words of the probe engine."""
    kind = option.get("kind") or "http"
    about: dict[str, t.Any] = {"kind": kind, "name": item.name}
    if kind == "tcp":
        return {**about, "host": item.host, "port": item.port}
    if kind == "command":
        words = [str(word).replace("${PORT}", str(item.port)) for word in option.get("command") or ()]
        return {**about, "argv": words}
    if kind != "http":
        raise invalid(f"{where}.kind", kind, "http, tcp or command")
    return {**about, **http_target(item, option)}


def expect_free(item: Running) -> None:
    """Nothing listens on the port of a process that does not run yet: else that would be asked in its place.

    :raises SlipwayError: C(port_taken).
    """
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with contextlib.suppress(OSError), socket.socket(family) as probe:  # a machine may have only one of them
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, item.port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise SlipwayError(
                        "something else listens on its port",
                        obj=item.name,
                        actual=item.port,
                        remedy=f"See what it is: ss -ltnp sport = :{item.port}.",
                        cause="port_taken",
                    ) from None


class Failures(failures.Failures):
    """Collects what fails, so that one bad process does not hide the others."""

    def __init__(self, manager: Manager, report: Report, *, stop: bool = True) -> None:
        """:param stop: stop what failed; without it, what still runs is left alone."""
        super().__init__(report)
        self._manager = manager
        self._stop = stop

    def ask(self, probe: Prober, checks: t.Sequence[Check], started: t.Mapping[str, Found]) -> None:
        """Put all questions at once and note every wrong answer; a process that died does not get its time to answer.

        :param started: the processes as they were when they had started.
        """
        if not checks:
            return
        answers: list[t.Sequence[Verdict]] = []
        bugs: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(probe(checks))
            except BaseException as error:  # raised again by whoever waits
                bugs.append(error)

        # A daemon, because the module must be able to end while a try still hangs.
        thread = threading.Thread(target=work, name="probe", daemon=True)
        thread.start()
        while thread.is_alive() and not self.died(started):
            thread.join(LOOK)
        if bugs:
            raise bugs[0]
        self.judge(checks, answers[0] if answers else ())

    def died(self, started: t.Mapping[str, Found]) -> bool:
        """Note those that ended, or were started again, since then; whether there is one."""
        now = self._manager.inspect(list(started))
        for name, before in started.items():
            item = now.get(name)
            if item is None or item.status != RUNNING or item.run != before.run or item.restarts > before.restarts:
                self.note(name, not_running(name, item and item._replace(status=FAILED), self._manager))
        return bool(self._found)

    def _inspected(self, failed: t.Mapping[str, SlipwayError]) -> dict[str, dict[str, t.Any]]:
        if self._stop:
            items = self._manager.inspect(list(failed))
            self._manager.stop([item for item in items.values() if item.running])
        return {
            name: {**failures.what_failed(error), "logs": self._manager.logs(name)} for name, error in failed.items()
        }

    def _remedy(self, name: str) -> str:
        return f"See its log: {self._manager.log_command(name)}."
