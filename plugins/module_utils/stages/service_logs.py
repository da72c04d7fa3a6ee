# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What service_logs reads on a machine, without Ansible (private to the collection)."""

from __future__ import annotations

import calendar
import os
import re
import time
import typing as t

from ..container.log import Reading, read, shown
from ..errors import SlipwayError
from ..masking import mask
from ..system import System
from .one_side import read_secrets

AT_ONCE = 2000  # lines of a replica that one look at it gives, where it is followed
EVERY = 0.3  # seconds between two looks

Params = t.Mapping[str, t.Any]
Clean = t.Callable[[str], t.Optional[str]]


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(service_arguments.SERVICE_LOGS), with every default filled in.
    """
    try:
        system = System()
        return run(params, system, keeper(params, system))
    except SlipwayError as error:
        return {"failed": True, **error.result()}


def run(params: Params, system: System, engine: t.Any) -> dict[str, t.Any]:
    """Everything but the exit: at once, or when there is something to say, or when the wait is over."""
    hidden = [*read_secrets(params["secrets"]).values(), *kept_secrets(system, params)]
    clean = cleaner(params["grep"], hidden)
    end = system.monotonic() + params["wait"]
    while True:
        found = {one["name"]: one_log(engine, one["name"], params, system, clean) for one in params["replicas"]}
        if any(reading.lines for reading in found.values()) or system.monotonic() >= end:
            break
        system.sleep(min(EVERY, max(0.0, end - system.monotonic())))
    return {
        "changed": False,
        "entries": [
            {"stamp": line.stamp, "replica": f"{one['service']}.{one['number']}", "text": line.text}
            for one in params["replicas"]
            for line in found[one["name"]].lines
        ],
        "cursor": {name: reading.last for name, reading in found.items()},
        "running": [now.name for now in _now(engine, params) if now is not None and now.running],
    }


class Processes:
    """The logs of processes in the words of an engine of containers."""

    def __init__(self, manager: t.Any) -> None:
        self._manager = manager
        self.log = manager.log

    def inspect(self, name: str) -> t.Any:
        """How it is now."""
        return self._manager.inspect([name]).get(name)


def keeper(params: Params, system: System) -> t.Any:
    """Whoever keeps the logs of a model; only that one is imported."""
    if params["model"] == "process":
        from ..process.factory import make_manager

        base = os.path.join(params["code_root"], params["platform"], params["environment"])
        return Processes(make_manager(params["manager"], system, base))
    from ..container.engine import Engine

    return Engine()


def one_log(engine: t.Any, name: str, params: Params, system: System, clean: Clean) -> Reading:
    """One replica's lines; of one that is followed those after its cursor."""
    follows = params["cursor"] is not None
    after = str((params["cursor"] or {}).get(name, ""))
    try:
        since = seconds_of(after) if after else int(system.wall() - params["since"]) if params["since"] else 0
        chunks = engine.log(name, since=since, tail=0 if follows or params["grep"] else params["lines"])
        limits = {"first": AT_ONCE} if follows else {"last": params["lines"]}
        return read(chunks, after=after, clean=clean, **limits)
    except SlipwayError as error:
        if follows:
            raise
        raise SlipwayError(
            "its log cannot be read",
            obj=name,
            actual=error.actual or error.what,
            remedy="Where its log driver keeps none, look where that one sends it.",
            cause=error.cause,
        ) from None


def seconds_of(stamp: str) -> int:
    """Since the epoch; the whole ones of a stamp."""
    return calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


def cleaner(grep: str, hidden: t.Sequence[str]) -> Clean:
    """A line without secrets and control characters; None where it does not have what is looked for."""
    wanted = re.compile(grep)

    def clean(text: str) -> str | None:
        plain = shown(mask(text, hidden))
        return plain if wanted.search(plain) else None

    return clean


def kept_secrets(system: System, params: Params) -> list[str]:
    """The values in the files of this machine, those of the other side and of services that are gone among them."""
    roots = [
        os.path.join(root, params["platform"], params["environment"]) for root in (params["root"], params["code_root"])
    ]
    directories = [os.path.join(root, "secrets") for root in roots]
    paths = [
        os.path.join(place, name) for top in directories for place, _below, names in os.walk(top) for name in names
    ]
    return [value.decode("utf-8", "replace") for path in paths if (value := system.read_file(path))]


def _now(engine: t.Any, params: Params) -> list[t.Any]:
    return [engine.inspect(one["name"]) for one in params["replicas"]]
