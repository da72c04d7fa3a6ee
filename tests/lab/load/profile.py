# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load consists of: kinds of requests with weights, and streams. The default fits examples/shop."""

from __future__ import annotations

import json
import typing as t

STREAMS = ("websocket", "sse")
NO_HEADERS: dict[str, str] = {}


class ProfileError(ValueError):
    """The profile is not one; the message names the key."""


class RequestSpec(t.NamedTuple):
    """One kind of request.

    C({n}) (number of the request) and C({run}) (random, one per run) are replaced in C(path), C(headers) and C(json).

    :param weight: its share of the schedule, relative to the others; 0 leaves it out.
    :param status: the statuses that are a success.
    :param json: the body to send, a JSON value.
    :param upload: the size of a random body to send, in bytes; the reply must name its C(sha256).
    :param contains: what the reply's body must contain.
    :param is_json: the reply must be a JSON object.
    :param finds: a regular expression; its group 1 finds the paths of assets in the reply, at least one.
    :param asset: instead of C(path), one of the assets found so far; its content must never change.
    """

    kind: str
    weight: float = 1.0
    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = NO_HEADERS
    status: tuple[int, ...] = (200,)
    json: t.Any = None
    upload: int = 0
    contains: str = ""
    is_json: bool = False
    finds: str = ""
    asset: bool = False


class StreamSpec(t.NamedTuple):
    """One kind of long-lived stream, opened again whenever the server ended it gracefully.

    :param type: C(websocket) (graceful: close code 1001) or C(sse) (graceful: a last C(event: bye)).
    :param copies: how many are open at the same time.
    :param interval: seconds between two messages of a WebSocket.
    :param silence: seconds without an answer (WebSocket) or event (SSE) that are a failure.
    :param consecutive: numeric SSE ids must grow by exactly 1 within one stream.
    """

    kind: str
    type: str
    path: str
    copies: int = 5
    interval: float = 1.0
    silence: float = 10.0
    consecutive: bool = True


class Profile(t.NamedTuple):
    """The whole load.

    :param fresh: the share of requests on a connection of their own (C(Connection: close)), 0..1.
    :param connections: kept connections.
    :param in_flight: requests under way at most; what is due beyond that is a failure, C(overflow).
    :param timeout: seconds for one request.
    :param remember: seconds for which assets of a page that was replaced are still asked for.
    :param headers: added to every request (C(Host), for a site that is chosen by name).
    """

    requests: tuple[RequestSpec, ...]
    streams: tuple[StreamSpec, ...] = ()
    fresh: float = 0.1
    connections: int = 20
    in_flight: int = 1000
    timeout: float = 10.0
    remember: float = 30.0
    headers: dict[str, str] = NO_HEADERS

    def with_weights(self, weights: t.Mapping[str, float]) -> Profile:
        """The same with other weights (requests) and copies (streams) for the kinds that are named.

        :raises ProfileError: a kind that it has not.
        """
        unknown = set(weights) - set(self.kinds)
        if unknown:
            raise ProfileError(f"weights: unknown kind {min(unknown)}; there are {', '.join(self.kinds)}")
        requests = tuple(spec._replace(weight=float(weights.get(spec.kind, spec.weight))) for spec in self.requests)
        streams = tuple(spec._replace(copies=int(weights.get(spec.kind, spec.copies))) for spec in self.streams)
        return _checked(self._replace(requests=requests, streams=streams))

    @property
    def kinds(self) -> list[str]:
        """All kinds, in the order of the records' C(kind) numbers."""
        return [spec.kind for spec in self.requests] + [spec.kind for spec in self.streams]

    def plain(self) -> dict[str, t.Any]:
        """As JSON values; RV(parse) of it is the same profile."""
        plain = self._asdict()
        plain["requests"] = [{**spec._asdict(), "status": list(spec.status)} for spec in self.requests]
        plain["streams"] = [spec._asdict() for spec in self.streams]
        return plain


ASSETS = r"""(?:src|href)=["']?([^"'> ]*assets/[^"'> ]+)"""

SHOP = Profile(
    requests=(
        RequestSpec("page", 25, path="/", finds=ASSETS),
        RequestSpec("products", 40, path="/api/products", is_json=True),
        RequestSpec("asset", 20, asset=True),
        RequestSpec(
            "order",
            10,
            method="POST",
            path="/api/orders",
            headers={"Idempotency-Key": "{run}-{n}"},
            json={"product": 1, "quantity": 1},
            status=(200, 201, 202),
            is_json=True,
        ),
        RequestSpec(
            "upload",
            1,
            method="POST",
            path="/api/upload",
            headers={"Idempotency-Key": "{run}-{n}"},
            upload=256 * 1024,
            status=(200, 201),
        ),
        RequestSpec("slow", 4, path="/api/slow?ms=300"),
    ),
    streams=(StreamSpec("ws", "websocket", "/api/ws"), StreamSpec("sse", "sse", "/api/events")),
)


def load(path: str) -> Profile:
    """Reads a profile from a JSON file."""
    with open(path, encoding="utf-8") as stream:
        try:
            return parse(json.load(stream))
        except ValueError as error:
            raise ProfileError(f"{path}: {error}") from error


def parse(value: t.Any) -> Profile:
    """A profile out of JSON values (the fields of the classes above).

    :raises ProfileError: an unknown key, a wrong type, or a value that makes no sense; it says which.
    """
    fields = _fields(Profile, value, "profile")
    for name, row in (("requests", RequestSpec), ("streams", StreamSpec)):
        listed = fields.get(name, [])
        if not isinstance(listed, (list, tuple)):
            raise ProfileError(f"profile.{name}: wanted a list")
        rows = [_fields(row, entry, f"profile.{name}[{index}]") for index, entry in enumerate(listed)]
        fields[name] = tuple(row(**entry) for entry in rows)
    return _checked(Profile(**fields))


_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "dict[str, str]": (dict,),
    "tuple[int, ...]": (list, tuple),
}


def _fields(row: t.Any, value: t.Any, where: str) -> dict[str, t.Any]:
    if not isinstance(value, dict):
        raise ProfileError(f"{where}: wanted an object, found {type(value).__name__}")
    fields = dict(value)
    for name, given in fields.items():
        if name not in row._fields:
            raise ProfileError(f"{where}.{name}: unknown; wanted one of {', '.join(row._fields)}")
        wanted = _TYPES.get(row.__annotations__[name].__forward_arg__)
        if wanted and (not isinstance(given, wanted) or (isinstance(given, bool) and bool not in wanted)):
            raise ProfileError(f"{where}.{name}: wanted {wanted[-1].__name__}, found {given!r}")
        if isinstance(given, list) and wanted:
            fields[name] = tuple(given)
    for name in row._fields:
        if name not in fields and name not in row._field_defaults:
            raise ProfileError(f"{where}.{name}: missing")
    return fields


def _checked(profile: Profile) -> Profile:
    for index, spec in enumerate(profile.requests):
        where = f"profile.requests[{index}]"
        _check(spec.weight >= 0, f"{where}.weight: below 0")
        _check(spec.asset or spec.path.startswith("/"), f"{where}.path: must start with /")
        _check(not (spec.asset and spec.weight) or _any_page(profile), f"{where}.asset: no request `finds` any")
        _check(spec.json is None or not spec.upload, f"{where}: either json or upload")
    for index, stream in enumerate(profile.streams):
        where = f"profile.streams[{index}]"
        _check(stream.type in STREAMS, f"{where}.type: wanted one of {', '.join(STREAMS)}")
        _check(stream.path.startswith("/"), f"{where}.path: must start with /")
        _check(stream.interval > 0 and stream.silence > 0, f"{where}: interval and silence must be above 0")
    _check(len(set(profile.kinds)) == len(profile.kinds), "profile: one kind is named twice")
    _check(len(profile.kinds) < 256, "profile: more than 255 kinds")
    _check(any(spec.weight for spec in profile.requests), "profile.requests: no weight above 0")
    _check(0 <= profile.fresh <= 1, "profile.fresh: wanted 0..1")
    _check(profile.connections > 0 and profile.in_flight > 0, "profile: connections and in_flight must be above 0")
    _check(profile.timeout > 0, "profile.timeout: must be above 0")
    return profile


def _any_page(profile: Profile) -> bool:
    return any(spec.finds and spec.weight for spec in profile.requests)


def _check(good: bool, problem: str) -> None:
    if not good:
        raise ProfileError(problem)
