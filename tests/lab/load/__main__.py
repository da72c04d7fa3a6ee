# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(python -m tests.lab.load --url http://… --rate 500 --duration 10 --out r.json)

Ends with status 0 when no request failed, 1 when one did, 2 when the run could not begin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
import typing as t

import uvloop

from . import profile as profiles
from . import report
from .result import Result
from .runner import CannotBegin, Plan, Runner
from .target import TargetRefused, check

PROGRESS = 2.0  # seconds between two lines on a terminal
MARK = 1.0  # seconds between two marks


def main(argv: t.Sequence[str] | None = None) -> int:
    """The command."""
    options = _parser().parse_args(argv)
    try:
        plan = _plan(options)
        runner = uvloop.run(_run(plan, options))
    except (TargetRefused, profiles.ProfileError, CannotBegin, OSError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    runner.recorder.write(options.out, runner.facts())
    if not options.quiet:
        print(report.table(Result(options.out)))
    return 1 if runner.recorder.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True, help="http(s)://ADDRESS[:PORT], of this machine or its lab")
    parser.add_argument("--authority", default="", help="file with the certificate of who issued that of https://…")
    parser.add_argument("--name", default="", help="the host that the certificate of https://… must be good for")
    parser.add_argument("--out", required=True, help="the result, JSON; the records go beside it")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second (default 100)")
    parser.add_argument("--duration", type=float, help="seconds; else until SIGTERM or SIGINT")
    parser.add_argument("--profile", help="JSON file; the default fits examples/shop")
    parser.add_argument("--weights", default="", help="kind=weight,… (of a stream: its copies), over the profile's")
    parser.add_argument("--header", action="append", default=[], help="NAME: VALUE for every request, such as Host")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"), help="of the draws")
    parser.add_argument("--no-stale-retry", action="store_true", help="a dead kept connection is a failure")
    parser.add_argument("--marks", help="file for one line of JSON a second: ready, progress, end")
    parser.add_argument("--until-stdin-closes", action="store_true", help="stop, too, when the caller is gone")
    parser.add_argument("--quiet", action="store_true", help="no table, no progress")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    profile = profiles.load(options.profile) if options.profile else profiles.SHOP
    pairs = [pair.partition("=") for pair in options.weights.split(",") if pair]
    try:
        weights = {name: float(value) for name, _is, value in pairs}
    except ValueError as error:
        raise profiles.ProfileError(f"--weights: {error}") from error
    lines = [line.partition(":") for line in options.header]
    headers = {**profile.headers, **{name.strip(): value.strip() for name, _colon, value in lines}}
    profile = profile.with_weights(weights)._replace(headers=headers)
    if options.rate <= 0:
        raise profiles.ProfileError("--rate: must be above 0")
    return Plan(
        check(options.url, options.authority, options.name),
        profile,
        options.rate,
        options.duration,
        options.seed,
        not options.no_stale_retry,
    )


async def _run(plan: Plan, options: argparse.Namespace) -> Runner:
    marks = Marks(options.marks)
    runner = Runner(plan, on_ready=lambda: marks.write("ready", runner))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runner.stop, signal.Signals(number).name)
    if options.until_stdin_closes:
        loop.add_reader(0, _read_stdin, runner)
    tasks = [asyncio.create_task(marks.go_on(runner))]
    if sys.stderr.isatty() and not options.quiet:
        tasks.append(asyncio.create_task(_progress(runner)))
    try:
        await runner.run()
    finally:
        for task in tasks:
            task.cancel()
    marks.write("end", runner)
    return runner


def _read_stdin(runner: Runner) -> None:
    if not os.read(0, 4096):
        asyncio.get_running_loop().remove_reader(0)
        runner.stop("stdin closed")


class Marks:
    """The marks file: one JSON object a line with C(mark), C(time), C(monotonic) and the counts so far."""

    def __init__(self, path: str | None) -> None:
        self._stream = open(path, "a", buffering=1, encoding="utf-8") if path else None  # noqa: SIM115

    def write(self, mark: str, runner: Runner) -> None:
        """Appends one line."""
        if self._stream is not None:
            self._stream.write(json.dumps({"mark": mark, **_now(runner)}) + "\n")

    async def go_on(self, runner: Runner) -> None:
        """A mark each second."""
        while True:
            await asyncio.sleep(MARK)
            self.write("progress", runner)


async def _progress(runner: Runner) -> None:
    while True:
        await asyncio.sleep(PROGRESS)
        now = _now(runner)
        print("load: {requests} requests, {failed} failed, {stale_idle} stale".format_map(now), file=sys.stderr)


def _now(runner: Runner) -> dict[str, t.Any]:
    recorder = runner.recorder
    return {
        "time": time.time(),
        "monotonic": time.monotonic(),
        "requests": recorder.requests,
        "failed": recorder.failed,
        "stale_idle": recorder.stale_idle,
    }


if __name__ == "__main__":
    sys.exit(main())
