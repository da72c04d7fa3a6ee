# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kind of request sends and what it accepts as an answer."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import time
import typing as t
import urllib.parse

from .client import Call
from .failure import Failed
from .profile import Profile, RequestSpec
from .reply import Reply
from .target import Target

# Repeating one of these changes nothing (RFC 9110, 9.2.2); a POST is repeated only when it says how it is known again.
REPEATABLE = ("GET", "HEAD", "OPTIONS")
KEY = "Idempotency-Key"


class Assets:
    """The assets that pages named lately, as a browser that still shows an older page would ask for them.

    :param remember: seconds for which an asset is asked for after the last page that named it.
    """

    def __init__(self, remember: float) -> None:
        self._remember = remember
        self._last_seen: dict[str, float] = {}
        self._content: dict[str, bytes] = {}
        self._page = b""
        self._on_page: list[str] = []

    def learn(self, reply: Reply, pattern: re.Pattern[str], base: str) -> None:
        """Takes the assets out of a page.

        :raises Failed: C(body), when it names none.
        """
        if reply.body != self._page:
            names = pattern.findall(reply.body.decode("utf-8", "replace"))
            paths = [self._path(name, base) for name in names]
            self._on_page = sorted({path for path in paths if path})
            self._page = reply.body
        if not self._on_page:
            raise Failed("body", "the page names no asset of this site", reply.status)
        now = time.monotonic()
        for path in self._on_page:
            self._last_seen[path] = now

    def choose(self, draw: random.Random) -> str:
        """One of the assets, C("") when there is none."""
        oldest = time.monotonic() - self._remember
        for path in [path for path, seen in self._last_seen.items() if seen < oldest]:
            del self._last_seen[path]
        return draw.choice(list(self._last_seen)) if self._last_seen else ""

    def check(self, path: str, reply: Reply) -> None:
        """An asset with a hash in its name always has the same content.

        :raises Failed: C(body).
        """
        digest = hashlib.sha256(reply.body).digest()
        if self._content.setdefault(path, digest) != digest:
            raise Failed("body", f"{path} changed its content", reply.status)

    @staticmethod
    def _path(name: str, base: str) -> str:
        found, site = urllib.parse.urlsplit(urllib.parse.urljoin(base, name)), urllib.parse.urlsplit(base)
        return found.path if found.netloc == site.netloc else ""


class Kind:
    """One kind of request of a profile, ready to send.

    :param number: its place in C(profile.requests).
    :param run: replaces C({run}).
    """

    def __init__(
        self, number: int, spec: RequestSpec, profile: Profile, target: Target, assets: Assets, run: str
    ) -> None:
        self.spec = spec
        self._number = number
        self._target = target
        self._assets = assets
        headers = target.headers(profile.headers, spec.headers)
        self._headers = {name: value.replace("{run}", run) for name, value in headers.items()}
        self._finds = re.compile(spec.finds) if spec.finds else None
        self._bulk = os.urandom(max(0, spec.upload - 16))
        self._bulk_hash = hashlib.sha256(self._bulk)
        self._path = spec.path.replace("{run}", run)
        self._body = b"" if spec.json is None else json.dumps(spec.json).replace("{run}", run).encode()
        numbered = "{n}" in "".join((self._path, self._body.decode(), *self._headers.values()))
        self._fixed = not (spec.asset or spec.upload or numbered)
        self._ready: dict[bool, tuple[str, t.Sequence[bytes]]] = {}
        self._repeatable = spec.method in REPEATABLE or KEY in spec.headers

    def call(self, n: int, scheduled: float, fresh: bool, draw: random.Random) -> Call:
        """The request number C(n) of the schedule.

        :raises Failed: C(no_asset), when it should ask for an asset and no page has named one.
        """
        token = n.to_bytes(16, "big") if self.spec.upload else b""
        if fresh in self._ready:
            url, parts = self._ready[fresh]
        else:
            url, parts = self._build(n, fresh, token, draw)
            if self._fixed:
                self._ready[fresh] = (url, parts)
        return Call(self._number, scheduled, url, parts, fresh, self._repeatable, token)

    def check(self, call: Call, reply: Reply) -> None:
        """Checks a reply.

        :raises Failed: C(status_NNN), C(body).
        """
        if reply.status not in self.spec.status:
            raise Failed(f"status_{reply.status}", repr(reply.body[:120]), reply.status)
        if self.spec.contains and self.spec.contains.encode() not in reply.body:
            raise Failed("body", f"without {self.spec.contains!r}: {reply.body[:80]!r}", reply.status)
        if self.spec.is_json and not isinstance(reply.json(), dict):
            raise Failed("body", f"not a JSON object: {reply.body[:80]!r}", reply.status)
        if self._finds:
            self._assets.learn(reply, self._finds, self._target.url + self._path)
        if self.spec.asset:
            self._assets.check(call.url, reply)
        if self.spec.upload:
            self._check_upload(call, reply)

    def _build(self, n: int, fresh: bool, token: bytes, draw: random.Random) -> tuple[str, t.Sequence[bytes]]:
        path = self._assets.choose(draw) if self.spec.asset else self._path.replace("{n}", str(n))
        if not path:
            raise Failed("no_asset", "no page has named an asset yet")
        body = self._body.replace(b"{n}", b"%d" % n)
        length = self.spec.upload or len(body)
        headers = {name: value.replace("{n}", str(n)) for name, value in self._headers.items()}
        if length or self.spec.method not in REPEATABLE:
            headers.setdefault("Content-Type", "application/octet-stream" if self.spec.upload else "application/json")
            headers["Content-Length"] = str(length)
        if fresh:
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{self.spec.method} {path} HTTP/1.1\r\n{lines}\r\n".encode()
        return path, [head, self._bulk, token[-self.spec.upload :]] if self.spec.upload else [head + body]

    def _check_upload(self, call: Call, reply: Reply) -> None:
        wanted = self._bulk_hash.copy()
        wanted.update(call.token[-self.spec.upload :])
        answer = reply.json()
        found = answer.get("sha256") if isinstance(answer, dict) else None
        if found != wanted.hexdigest():
            raise Failed("body", f"sha256 {found!r} of the upload, wanted {wanted.hexdigest()}", reply.status)
