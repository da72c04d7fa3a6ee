# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator as a process of its own: the Python interface, the command, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
import uvloop

from .. import LoadError, LoadRun, Profile, RequestSpec, Result
from ..loadrun import ROOT
from .shop import BUSY, Shop


@pytest.fixture
def shop() -> t.Iterator[Shop]:
    """A well-behaved shop in a thread of its own."""
    ready, over = threading.Event(), asyncio.Event()
    found: list[tuple[Shop, asyncio.AbstractEventLoop]] = []

    async def serve() -> None:
        async with Shop() as shop:
            found.append((shop, asyncio.get_running_loop()))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    ready.wait()
    ((shop, loop),) = found
    yield shop
    loop.call_soon_threadsafe(over.set)
    thread.join()


def command(*argv: str) -> subprocess.CompletedProcess[str]:
    """C(python -m tests.lab.load …), to its end."""
    return subprocess.run(
        [sys.executable, "-m", "tests.lab.load", *argv], cwd=ROOT, input="", capture_output=True, text=True, check=False
    )


def test_a_run_begins_when_it_is_really_sending_and_ends_with_its_result(shop: Shop, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    with LoadRun(shop.url, rate=200, weights={"ws": 1, "sse": 1, "upload": 5}, out=out) as load:
        assert shop.seen["/api/products"] + shop.seen["/"] + shop.seen["/api/orders"] > 0
        assert load.progress["mark"] in ("ready", "progress")
        shop.busy.wait()
        result = load.stop()
    assert (result.failed, result.failures) == (0, [])
    assert result.requests >= BUSY
    assert result.window().requests == result.requests
    assert sum(row.requests for row in result.by_kind.values()) == result.requests
    assert set(result.by_version) == {"1.0.0"}
    assert sorted(session["end"] for session in result.sessions) == ["run_over", "run_over"]
    assert Result(str(out)).requests == result.requests
    assert sorted(os.listdir(tmp_path)) == ["r.json", "r.rec"]


def test_a_run_with_a_duration_sends_exactly_its_schedule(shop: Shop) -> None:
    profile = Profile((RequestSpec("get", path="/api/products"),))
    load = LoadRun(shop.url, rate=200, profile=profile, duration=0.25, seed=7).start()
    result = load.wait()
    assert result.requests == shop.seen["/api/products"] == 50
    assert (result.facts["seed"], result.facts["stopped_by"]) == (7, "duration")
    assert load.stop() is result


def test_a_refused_target_is_an_error_that_says_why() -> None:
    with pytest.raises(LoadError, match="talks only to this machine and its lab"):
        LoadRun("http://192.0.2.99").start()


def test_a_target_that_is_down_is_an_error_when_assets_are_needed() -> None:
    with pytest.raises(LoadError, match="connect_refused"):
        LoadRun("http://127.0.0.1:9").start()


def test_the_generator_stops_when_its_caller_is_gone(shop: Shop, tmp_path: Path) -> None:
    out, marks = str(tmp_path / "r.json"), str(tmp_path / "marks")
    argv = ["--url", shop.url, "--out", out, "--marks", marks, "--until-stdin-closes", "--quiet"]
    done = command(*argv)  # its standard input is a pipe that nobody holds any more
    assert done.returncode == 0, done.stderr
    assert json.loads(Path(out).read_text())["stopped_by"] == "stdin closed"
    assert json.loads(Path(marks).read_text().splitlines()[-1])["mark"] == "end"


def test_the_command_prints_a_table_and_its_status_says_whether_anything_failed(shop: Shop, tmp_path: Path) -> None:
    out = str(tmp_path / "r.json")
    good = command("--url", shop.url, "--rate", "200", "--duration", "0.2", "--out", out, "--weights", "ws=1,sse=1")
    assert good.returncode == 0, good.stderr
    assert "version 1.0.0" in good.stdout
    assert "FAILED" not in good.stdout
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"requests": [{"kind": "get", "path": "/api/products", "status": [404]}]}))
    bad = command("--url", shop.url, "--rate", "200", "--duration", "0.1", "--out", out, "--profile", str(profile))
    assert bad.returncode == 1
    assert "FAILED get: status_200 x 20" in bad.stdout


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--weights", "paeg=1"], "unknown kind paeg"),
        (["--weights", "page=x"], "could not convert"),
        (["--rate", "0"], "--rate: must be above 0"),
        (["--profile", "missing.json"], "missing.json"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_sent(argv: list[str], message: str, tmp_path: Path) -> None:
    done = command("--url", "http://127.0.0.1:9", "--out", str(tmp_path / "r.json"), *argv)
    assert done.returncode == 2
    assert message in done.stderr
