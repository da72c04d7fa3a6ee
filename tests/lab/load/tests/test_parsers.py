# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes arrive in any pieces; what is made of them may not depend on that."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..events import EventReader
from ..failure import Failed
from ..reply import ReplyParser
from ..session import Session
from .shop import chunk, event

HEAD = b"HTTP/1.1 200 OK\r\nX-Version: 1.1.0\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
REPLIES = {
    "length": HEAD + b"Content-Length: 5\r\n\r\nhello",
    "no body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "chunked": CHUNKED + chunk(b"hel") + chunk(b"lo") + chunk(b""),
    "trailer": CHUNKED + chunk(b"hello") + b"0\r\nX-Sum: 5\r\n\r\n",
    "until the end": HEAD + b"\r\nhello",
    "closing": HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello",
    "error": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "cut in the head": b"HTTP/1.1 200 OK\r\nConte",
    "cut in the body": HEAD + b"Content-Length: 9\r\n\r\nhello",
    "cut in a chunk": CHUNKED + b"9\r\nhello",
    "no last chunk": CHUNKED + chunk(b"hello"),
    "bad chunk": CHUNKED + b"zz\r\nhello",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "goes on": HEAD + b"Content-Length: 5\r\n\r\nhello" + HEAD,
    "goes on after close": HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello" + b"more",
}
OUTCOMES = {
    "length": (200, b"hello", True),
    "no body": (204, b"", True),
    "chunked": (200, b"hello", True),
    "trailer": (200, b"hello", True),
    "until the end": (200, b"hello", False),
    "closing": (200, b"hello", False),
    "interim": (200, b"hello", True),
    "error": (503, b"", True),
    "cut in the head": None,
    "cut in the body": None,
    "cut in a chunk": None,
    "no last chunk": None,
    "bad chunk": "protocol",
    "not HTTP": "protocol",
    "upgrade": "protocol",
    "goes on": (200, b"hello", False),
    "goes on after close": (200, b"hello", False),
}


def pieces(data: bytes, cuts: t.Iterable[int]) -> t.Iterator[bytes]:
    """The data, cut at these places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(data)]):
        if start < end:
            yield data[start:end]


def read(data: bytes, cuts: t.Iterable[int]) -> tuple[int, bytes, bool] | str | None:
    """What a parser makes of it."""
    parser = ReplyParser()
    try:
        for piece in pieces(data, cuts):
            parser.feed(piece)
    except Failed as failed:
        return failed.cause
    parser.end()
    reply = parser.reply
    return None if reply is None else (reply.status, reply.body, reply.clean)


@pytest.mark.parametrize("name", REPLIES)
def test_a_whole_reply_is_read_as_what_it_is(name: str) -> None:
    assert read(REPLIES[name], []) == OUTCOMES[name]


@given(st.sampled_from(sorted(REPLIES)), st.lists(st.integers(0, 1000)))
def test_any_split_of_the_bytes_gives_the_same_reply(name: str, cuts: list[int]) -> None:
    assert read(REPLIES[name], cuts) == OUTCOMES[name]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_no_bytes_raise_anything_but_a_failure(data: bytes, cuts: list[int]) -> None:
    read(b"HTTP/1.1 200 OK\r\n" + data, cuts)


@given(st.binary(max_size=300), st.lists(st.integers(0, 1000)), st.lists(st.integers(1, 40), min_size=1))
def test_a_chunked_body_comes_out_as_it_went_in(body: bytes, cuts: list[int], sizes: list[int]) -> None:
    chunks, rest = [], body
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    data = CHUNKED + b"".join(chunk(part) for part in [*chunks, rest] if part) + chunk(b"")
    assert read(data, cuts) == (200, body, True)


@pytest.mark.parametrize(
    ("headers", "body", "version"),
    [
        (b"X-Version: 1.2.0\r\n", b'{"version": "9"}', "1.2.0"),
        (b"Content-Type: application/json\r\n", b'{"version": "1.2.0"}', "1.2.0"),
        (b"Content-Type: application/json; charset=utf-8\r\n", b'{"version": "1.2.0"}', "1.2.0"),
        (b"Content-Type: application/json\r\n", b'{"version": 1.2}', ""),
        (b"Content-Type: application/json\r\n", b"[1]", ""),
        (b"Content-Type: application/json\r\n", b"{", ""),
        (b"Content-Type: text/html\r\n", b'{"version": "1.2.0"}', ""),
    ],
)
def test_the_version_comes_from_the_header_or_the_json(headers: bytes, body: bytes, version: str) -> None:
    parser = ReplyParser()
    parser.feed(b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (headers, len(body), body))
    assert parser.reply is not None
    assert parser.reply.version() == version


def listen(data: bytes, cuts: t.Iterable[int], consecutive: bool = True) -> tuple[int, str, bool, str] | str:
    """What a reader makes of an event stream."""
    session = Session(0, "/", lambda: None)
    reader = EventReader(session, consecutive)
    try:
        for piece in pieces(data, cuts):
            reader.feed(piece)
    except Failed as failed:
        return failed.cause
    return session.messages, reader.last_id, reader.bye, session.version


EVENTS = b"retry: 500\n\n: comment\n\n" + b"".join(event(n, "stats", "1.0.0") for n in (7, 8, 9))
STREAMS: dict[bytes, tuple[int, str, bool, str] | str] = {
    EVENTS: (3, "9", False, "1.0.0"),
    EVENTS + event(9, "bye", "1.0.0"): (3, "9", True, "1.0.0"),
    EVENTS.replace(b"\n", b"\r\n"): (3, "9", False, "1.0.0"),
    EVENTS + event(11, "stats", "1.0.0"): "sse_gap",
    EVENTS + event(9, "stats", "1.0.0"): "sse_gap",
    EVENTS + event(9, "bye", "1.0.0") + event(10, "stats", "1.0.0"): "sse_after_bye",
    EVENTS + b"id: 10\nevent: stats\ndata: {": (3, "9", False, "1.0.0"),
    b"id: 1\ndata: {\n\n": "body",
    b"data:one\ndata:two\n\n": (1, "", False, ""),
}


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 1000)))
def test_any_split_of_an_event_stream_gives_the_same_events(data: bytes, cuts: list[int]) -> None:
    assert listen(data, cuts) == STREAMS[data]


def test_ids_may_jump_where_the_profile_says_so() -> None:
    assert listen(EVENTS + event(20, "stats", "1.0.0"), [], consecutive=False) == (4, "20", False, "1.0.0")
