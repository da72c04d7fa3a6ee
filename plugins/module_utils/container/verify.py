# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the containers of a side are asked, and what is known of those that fail (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..side import failures
from ..side.checks import Check, Prober, Running, http_target
from ..side.options import invalid
from ..side.parallel import parallel
from .engine import Engine, Found
from .report import Report

FAILED_GRACE = 1.0  # seconds that a container which failed gets to end


def target(item: Running, option: t.Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    """What to ask a container, in the words of the probe engine; one that ends meanwhile is asked no longer."""
    kind = option.get("kind") or "http"
    about: dict[str, t.Any] = {"kind": kind, "name": item.name}
    if kind == "container":
        return {**about, "container": item.name}
    about["companion"] = item.name
    if kind == "tcp":
        return {**about, "host": item.host, "port": item.port}
    if kind == "command":
        return {**about, "argv": ["docker", "exec", item.name, *option.get("command", ())]}
    if kind != "http":
        raise invalid(f"{where}.kind", kind, "http, tcp, command or container")
    return {**about, **http_target(item, option)}


class Failures(failures.Failures):
    """Collects what fails, so that one bad container does not hide the others."""

    def __init__(self, engine: Engine, report: Report, *, stop: bool = True) -> None:
        """:param stop: stop what failed; without it, what still runs is left alone."""
        super().__init__(report)
        self._engine = engine
        self._stop = stop

    def guarded(self, work: t.Callable[[t.Any], t.Any], name: t.Callable[[t.Any], str]) -> t.Callable[[t.Any], t.Any]:
        """The same work, with a failure noted under the container's name and None returned instead."""

        def attempt(item: t.Any) -> t.Any:
            try:
                return work(item)
            except SlipwayError as error:
                self.note(name(item), error)
                return None

        return attempt

    def ask(self, probe: Prober, checks: t.Sequence[Check]) -> None:
        """Put all questions at once and note every wrong answer."""
        self.judge(checks, probe(checks) if checks else ())

    def expect_running(self, names: t.Sequence[str]) -> None:
        """Read back that these have a process."""
        for name, container in zip(names, parallel(self._engine.inspect, names)):
            if container is None or container.status != "running":
                self.note(name, not_running(name, container))

    def _inspected(self, failed: t.Mapping[str, SlipwayError]) -> dict[str, dict[str, t.Any]]:
        return dict(zip(failed, parallel(lambda name: self._inspect(name, failed[name]), failed)))

    def _inspect(self, name: str, error: SlipwayError) -> dict[str, t.Any]:
        about = failures.what_failed(error)
        container = self._engine.inspect(name)
        if container is not None:
            about["status"], about["exit_code"] = container.status, container.exit_code
            if self._stop:
                self._put_down(container)
            about["logs"] = self._engine.logs(container)
        return about

    def _put_down(self, container: Found) -> None:
        if container.restart != "no":
            self._engine.set_restart(container, "no")
        if container.running:
            self._engine.stop(container, FAILED_GRACE)

    def _remedy(self, name: str) -> str:
        return f"See its log: docker logs {name}. It is kept for inspection."


def not_running(name: str, container: Found | None) -> SlipwayError:
    """The error for a container that should run and does not."""
    if container is None:
        return SlipwayError("the container is gone", obj=name, remedy="Run the release again.", cause="gone")
    return SlipwayError(
        "the container does not run",
        obj=name,
        actual=f"{container.status}, exit code {container.exit_code}",
        wanted="running",
        remedy=f"See its log: docker logs {name}.",
        cause="oom" if container.oom else "exited",
        evidence={"status": container.status, "exit_code": container.exit_code, "out_of_memory": container.oom},
    )
