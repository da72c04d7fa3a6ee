# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each misbehaviour of a server is counted exactly as often as it happened, under its own name."""

from __future__ import annotations

import asyncio
import collections

import pytest
import uvloop

from .. import session
from ..profile import Profile, RequestSpec, StreamSpec
from ..runner import CannotBegin, Plan, Runner
from ..target import check
from .shop import Shop

GET = RequestSpec("get", path="/api/products", is_json=True)
POST = RequestSpec("post", method="POST", path="/api/orders", json={"n": "{n}"}, is_json=True)
UPLOAD = RequestSpec("upload", method="POST", path="/api/upload", upload=65536)
PAGE = RequestSpec("page", finds=r'(?:src|href)="([^"]+)"')
ASSET = RequestSpec("asset", asset=True)


def run(shop: Shop, profile: Profile, requests: int = 60, stale_retry: bool = True) -> Runner:
    """A run of so many requests against a shop."""

    async def main() -> Runner:
        async with shop:
            rate = 300.0
            runner = Runner(Plan(check(shop.url), profile, rate, requests / rate, 1, stale_retry))
            await runner.run()
            return runner

    return uvloop.run(main())


CASES = [
    # fault, kind of request, every n-th, cause
    ("status_500", GET, 5, "status_500"),
    ("status_500", GET, 1, "status_500"),
    ("not_json", GET, 4, "body"),
    ("reset_middle", GET, 6, "reset"),
    ("truncate", GET, 6, "truncated"),
    ("broken_chunk", GET, 6, "truncated"),
    ("garbage", GET, 6, "protocol"),
    ("stale_close", POST, 4, "closed"),
    ("stale_reset", POST, 4, "reset"),
    ("close", POST, 4, "closed"),
    ("wrong_hash", UPLOAD, 5, "body"),
    ("reset_middle", UPLOAD, 5, "reset"),
    ("silent", GET, 10, "timeout"),
]


@pytest.mark.parametrize(
    ("fault", "spec", "every", "cause"), CASES, ids=lambda value: getattr(value, "kind", str(value))
)
def test_every_misbehaviour_is_one_failure_with_its_cause(
    fault: str, spec: RequestSpec, every: int, cause: str
) -> None:
    shop = Shop({spec.path: (fault, every)})
    runner = run(shop, Profile((spec,), fresh=0.0, connections=4, timeout=2.0))
    assert shop.committed[fault] > 0
    assert runner.recorder.causes == {(spec.kind, cause): shop.committed[fault]}
    assert runner.recorder.failed == shop.committed[fault] == len(runner.recorder.failures)
    assert runner.recorder.requests == 60
    assert runner.recorder.stale_idle == 0


HARMLESS = ["early", "until_eof", "twice"]


@pytest.mark.parametrize("behaviour", HARMLESS)
@pytest.mark.parametrize("fresh", [0.0, 1.0])
def test_what_http_allows_is_no_failure(behaviour: str, fresh: float) -> None:
    shop = Shop({GET.path: (behaviour, 3)})
    runner = run(shop, Profile((GET,), fresh=fresh, connections=4))
    assert shop.committed[behaviour] > 0
    assert (runner.recorder.failed, runner.recorder.requests, runner.recorder.stale_idle) == (0, 60, 0)


@pytest.mark.parametrize("behaviour", ["close_idle", "unasked"])
def test_connections_that_end_while_idle_are_counted_but_no_failure(behaviour: str) -> None:
    shop = Shop({GET.path: (behaviour, 3)})
    runner = run(shop, Profile((GET,), fresh=0.0, connections=30), requests=60)
    assert runner.recorder.failed == 0
    assert 0 < runner.facts()["connections"]["idle_closed"] <= shop.committed[behaviour]


@pytest.mark.parametrize("fault", ["stale_close", "stale_reset"])
def test_a_stale_get_is_repeated_once_and_both_attempts_are_recorded(fault: str) -> None:
    shop = Shop({GET.path: (fault, 4)})
    runner = run(shop, Profile((GET,), fresh=0.0, connections=4))
    stale = shop.committed[fault]
    assert stale > 0
    assert (runner.recorder.failed, runner.recorder.requests, runner.recorder.stale_idle) == (0, 60, stale)
    assert len(runner.recorder.records.data) == 16 * (60 + stale)
    assert len(shop.heads) == 60 + stale


@pytest.mark.parametrize(("key", "repeated"), [({}, False), ({"Idempotency-Key": "{run}-{n}"}, True)])
def test_a_stale_post_is_repeated_only_when_it_has_an_idempotency_key(key: dict[str, str], repeated: bool) -> None:
    shop = Shop({GET.path: ("stale_reset", 4)})
    post = GET._replace(method="POST", headers=key)
    runner = run(shop, Profile((post,), fresh=0.0, connections=4))
    stale = shop.committed["stale_reset"]
    assert stale > 0
    wanted = (0, stale) if repeated else (stale, 0)
    assert (runner.recorder.failed, runner.recorder.stale_idle) == wanted


@pytest.mark.parametrize(("fault", "cause"), [("stale_close", "closed"), ("stale_reset", "reset")])
def test_without_the_repeat_a_stale_get_is_a_failure(fault: str, cause: str) -> None:
    shop = Shop({GET.path: (fault, 4)})
    runner = run(shop, Profile((GET,), fresh=0.0, connections=4), stale_retry=False)
    assert runner.recorder.causes == {("get", cause): shop.committed[fault]}
    assert runner.recorder.stale_idle == 0
    assert all(failure["reused"] and failure["local_port"] for failure in runner.recorder.failures)


@pytest.mark.parametrize(("fault", "cause"), [("close", "closed"), ("reset", "reset")])
def test_a_fresh_connection_that_dies_is_never_repeated(fault: str, cause: str) -> None:
    shop = Shop({GET.path: (fault, 4)})
    runner = run(shop, Profile((GET,), fresh=1.0))
    assert runner.recorder.causes == {("get", cause): shop.committed[fault]} == {("get", cause): 15}


def test_the_repeat_that_fails_too_is_a_failure() -> None:
    shop = Shop({GET.path: ("close", 1)})
    runner = run(shop, Profile((GET,), fresh=0.0, connections=4))
    assert runner.recorder.causes == {("get", "closed"): 60}


def test_a_refused_connection_is_a_failure_by_that_name() -> None:
    async def main() -> Runner:
        async with Shop() as shop:
            target = check(shop.url)
        runner = Runner(Plan(target, Profile((GET,)), 300.0, 0.1))
        await runner.run()
        return runner

    assert uvloop.run(main()).recorder.causes == {("get", "connect_refused"): 30}


def test_what_is_due_beyond_the_bound_fails_at_once_and_nothing_is_slowed() -> None:
    async def main() -> Runner:
        async with Shop({GET.path: ("hold", 1)}) as shop:
            runner = Runner(Plan(check(shop.url), Profile((GET,), in_flight=5), 1000.0, 0.02))
            task = asyncio.create_task(runner.run())
            while runner.recorder.failed < 15:
                await asyncio.sleep(0.001)
            shop.release.set()
            await task
            return runner

    runner = uvloop.run(main())
    assert runner.recorder.causes == {("get", "overflow"): 15}
    assert runner.recorder.requests == 20


def test_the_page_gives_the_assets_and_their_content_may_not_change() -> None:
    shop = Shop({"/assets/app-3c4d.js": ("other_asset", 2)})
    runner = run(shop, Profile((PAGE, ASSET)), requests=100)
    assert set(runner.recorder.causes) == {("asset", "body")}
    assert runner.recorder.causes["asset", "body"] == shop.committed["other_asset"] > 0
    assert shop.seen["/assets/app-1a2b.css"] > 0


def test_a_page_without_assets_is_a_failure() -> None:
    shop = Shop({"/": ("no_assets", 3)})
    runner = run(shop, Profile((PAGE, ASSET)))
    assert runner.recorder.causes == {("page", "body"): shop.committed["no_assets"]}


def test_a_run_that_needs_assets_does_not_begin_without_the_page() -> None:
    with pytest.raises(CannotBegin, match="status_500"):
        run(Shop({"/": ("status_500", 1)}), Profile((PAGE, ASSET)))


def test_numbered_bodies_and_headers_are_all_different() -> None:
    shop = Shop()
    run(shop, Profile((POST._replace(headers={"Idempotency-Key": "{run}-{n}"}),), headers={"host": "shop.example"}))
    keys = [line for head in shop.heads for line in head.split(b"\r\n") if line.startswith(b"Idempotency-Key")]
    assert len(set(keys)) == len(set(shop.bodies)) == 60
    assert all(head.count(b"Host: shop.example\r\n") == 1 for head in shop.heads)


def test_versions_are_told_apart_by_when_they_answered() -> None:
    async def main() -> Runner:
        async with Shop() as shop:
            runner = Runner(Plan(check(shop.url), Profile((GET,)), 300.0, None))
            task = asyncio.create_task(runner.run())
            for version, enough in (("1.0.0", 10), ("1.1.0", 30)):
                shop.version = version
                while runner.recorder.requests < enough:
                    await asyncio.sleep(0.001)
            runner.stop("test")
            await task
            return runner

    runner = uvloop.run(main())
    assert runner.recorder.records.versions.names == ["", "1.0.0", "1.1.0"]


# Streams ------------------------------------------------------------------------------------------------------


def stream(monkeypatch: pytest.MonkeyPatch, shop: Shop, spec: StreamSpec) -> Runner:
    """A run with one stream, until the shop has played its script and the stream is open again."""
    monkeypatch.setattr(session, "PAUSE", 0.01)

    async def main() -> Runner:
        async with shop:
            profile = Profile((GET,), (spec,), fresh=0.0)
            runner = Runner(Plan(check(shop.url), profile, 100.0))
            task = asyncio.create_task(runner.run())
            async with asyncio.timeout(60):  # else a session never ended as it should
                await shop.done.wait()
            await asyncio.sleep(0.05)
            runner.stop("test")
            await task
            return runner

    return uvloop.run(main())


SOCKET_ENDS = {
    "1001": None,
    "1000": "ws_1000",
    "1011": "ws_1011",
    "cut": "ws_1006",
    "reset": "reset",
    "wrong": "ws_echo",
    "mute": "ws_silent",
    "refuse": "status_503",
}


def test_a_websocket_may_end_with_1001_and_in_no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    script = [role for role in SOCKET_ENDS for _twice in range(2)]
    spec = StreamSpec("ws", "websocket", "/api/ws", copies=1, interval=0.01, silence=1.0)
    runner = stream(monkeypatch, Shop(sockets=script), spec)
    wanted = collections.Counter({("ws", cause): 2 for cause in SOCKET_ENDS.values() if cause})
    assert runner.recorder.causes == wanted
    assert [entry["end"] for entry in runner.recorder.sessions] == [SOCKET_ENDS[role] or role for role in script] + [
        "run_over"
    ]
    good = runner.recorder.sessions[0]
    assert (good["messages"], good["version"], good["failed"]) == (2, "1.0.0", False)
    assert good["lifetime"] > 0


STREAM_ENDS = {
    "bye": None,
    "end": "sse_no_bye",
    "truncate": "truncated",
    "reset": "reset",
    "gap": "sse_gap",
    "hush": "timeout",
    "refuse": "status_502",
}


def test_an_event_stream_may_end_with_bye_and_in_no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    script = [role for role in STREAM_ENDS for _twice in range(2)]
    spec = StreamSpec("sse", "sse", "/api/events", copies=1, silence=1.0)
    runner = stream(monkeypatch, Shop(streams=script), spec)
    wanted = collections.Counter({("sse", cause): 2 for cause in STREAM_ENDS.values() if cause})
    assert runner.recorder.causes == wanted
    assert [entry["end"] for entry in runner.recorder.sessions] == [STREAM_ENDS[role] or role for role in script] + [
        "run_over"
    ]
    assert (runner.recorder.sessions[0]["messages"], runner.recorder.sessions[0]["version"]) == (3, "1.0.0")
