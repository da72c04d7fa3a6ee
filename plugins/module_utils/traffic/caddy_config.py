# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a Caddyfile for one platform, and what can be read out of it (private to the collection).

Pure functions. Directives: Caddy 2.6 and newer. Where one side has all the traffic the text has both sides, and whether
there is a file decides at each request which of them it goes to: so the traffic moves without a change of the
configuration, which would close connections. A split is a comparison with a random number, because 2.6 has no weighted
policy. Every server is in the text, also those without traffic, because Caddy counts the requests under way only of
servers that its configuration names.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import typing as t

from . import caddy_tls as tls
from .by_file import status_host
from .certificates import Pair, notes
from .closure import OPEN_PATH_ANSWER, in_json
from .model import SIDES, Closure, Key, Line, Route, Server, Service, Traffic, Weights, side_of
from .structure import heading

MAX_FAILS = 3
STREAMS_TRIED = (
    "http:// {\n\treverse_proxy 127.0.0.1:1 {\n\t\tstream_close_delay 1h\n\t}\n}\n"  # refused before Caddy 2.7
)

_GENERATION = "@generation@"
_GENERATION_LINE = re.compile(r"^# slipway-generation: ([0-9a-f]{16})$", re.MULTILINE)
_LIVE = "# slipway-live: by file"
_SERVER = re.compile(r"^# slipway-server: (\S+) (\S+) (\S+) (\d+) weight (\d+)$", re.MULTILINE)
_SPECIAL = {"{": "{slipway_open}", "`": "{slipway_tick}", "\\": "{slipway_back}"}
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9/_-]")
_PROXY = """\
lb_policy round_robin
lb_try_duration 5s
lb_try_interval 50ms
lb_retry_match {{
    not path *
}}
fail_duration 2s
max_fails {max_fails}
flush_interval 20ms
trusted_proxies 0.0.0.0/0 ::/0
transport http {{
    dial_timeout 2s
    response_header_timeout 300s
    keepalive 1s
    keepalive_idle_conns_per_host 64
    compression off
}}"""
_STREAMS = "stream_close_delay 1h"


def name_of(platform: str, environment: str) -> str:
    """What our parts are called in Caddy's running configuration."""
    return f"slipway_{platform}_{environment}"


def flag_name(platform: str, environment: str, generation: str) -> str:
    """The file that says, by being there, that green is live. A text has its own, so that both change at once."""
    return f"{platform}-{environment}.{generation}.green"


def one_side(traffic: Traffic, weights: Weights) -> str:
    """The side that has all traffic of every service; nothing when it is split, or some service has none."""
    live = {one.side for one in traffic.servers() if weights.get(one.key)}
    served = {one.service for one in traffic.servers() if weights.get(one.key)}
    return live.pop() if len(live) == 1 and len(served) == len(traffic.services) else ""


def platform_text(
    traffic: Traffic, weights: Weights, log: str, directory: str, *, streams: bool, pairs: t.Sequence[Pair] = ()
) -> str:
    """The file of one platform; the same whichever side is live, unless the traffic is split.

    :param directory: where C(flag_name) is looked for.
    :param streams: whether this Caddy knows how to keep WebSockets over a change.
    :param pairs: the certificates, when clients connect by TLS.
    """
    live = one_side(traffic, weights)
    if live:
        idle_weight = max(weights.values())
        weights = {one.key: weights.get(one.key, 0) if one.side == live else idle_weight for one in traffic.servers()}
    servers = [
        f"# slipway-server: {one.service} {one.name} {one.address} {one.port} weight {weights.get(one.key, 0)}"
        for one in traffic.servers()
    ]
    body = _closed(traffic.closure) if traffic.closure else _open(traffic, weights, streams, live)
    idle = [one for one in traffic.servers() if traffic.closure or not weights.get(one.key)]
    flag = os.path.join(directory, flag_name(traffic.platform, traffic.environment, _GENERATION))
    site = [
        tls.bind(traffic),
        *tls.directives(traffic, pairs),
        *_log(log),
        "route {",
        *_indented(
            [
                *tls.hsts(traffic),
                *_green(flag, live),
                f"@slipway host {status_host(traffic.platform, traffic.environment)}",
                "handle @slipway {",
                f'\trespond @green "{_GENERATION} green" 200',
                f'\trespond "{_GENERATION} blue" 200',
                "}",
                *_idle(idle, streams),
                *body,
            ]
        ),
        "}",
    ]
    lines = [
        "# Written by slipway.deploy; changes are overwritten.",
        heading(traffic),
        f"# slipway-generation: {_GENERATION}",
        *([_LIVE] if live else []),
        *notes(pairs),
        *servers,
        f"{tls.scheme(traffic)}://:{traffic.listen} {{",
        *_indented(site),
        "}",
        *_plain(traffic, [*_green(flag, live), *body]),
    ]
    text = "\n".join(lines) + "\n"
    return text.replace(_GENERATION, hashlib.sha256(text.encode()).hexdigest()[:16])


def generation(text: str) -> str:
    """The generation that a file says it is, or nothing."""
    match = _GENERATION_LINE.search(text)
    return match[1] if match else ""


def parse_servers(text: str, flag: bool) -> dict[Key, Line]:
    """Addresses and weights out of a file of ours.

    :param flag: whether the file is there that C(flag_name) names.
    """
    live = ("green" if flag else "blue") if f"\n{_LIVE}\n" in text else ""
    return {
        (match[1], match[2]): Line(match[3], int(match[4]), int(match[5]) if live in ("", side_of(match[2])) else 0)
        for match in _SERVER.finditer(text)
        if side_of(match[2])
    }


def parse_log(text: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Requests and 5xx answers by (service, side) in lines of our access log; anything else is passed over."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            service, _space, side = str(entry["user_id"]).partition(" ")
            status = int(entry["status"])
        except (ValueError, KeyError, TypeError):
            continue
        if side in SIDES:
            requests, errors = sums.get((service, side), (0, 0))
            sums[(service, side)] = (requests + 1, errors + (status >= 500))
    return sums


def authority(address: str, port: int) -> str:
    """Address and port in one word, as Caddy lists them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def escaped(text: str) -> str:
    """A text as what can stand between back ticks and says itself: no placeholder in it, no escape and no tick.

    What a brace is comes out of a regular expression: a file that is imported may have its placeholders replaced twice.
    """
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


# The running configuration, in JSON ---------------------------------------------------------------------------


class Ours(t.NamedTuple):
    """Our parts of a configuration, and what they are called in it; without TLS there is no server for plain HTTP."""

    server_name: str
    server: dict[str, t.Any]
    log_name: str
    log: dict[str, t.Any]
    plain_name: str = ""
    plain: t.Optional[dict[str, t.Any]] = None
    files: tuple[dict[str, t.Any], ...] = ()


def find_ours(config: t.Mapping[str, t.Any], platform: str, environment: str) -> Ours | None:
    """The server that answers for our status host and its log; None when there is none."""
    host = status_host(platform, environment)
    servers = ((config.get("apps") or {}).get("http") or {}).get("servers", {})
    texts = {name: json.dumps(server) for name, server in servers.items()}
    name = next((name for name, text in texts.items() if f'"{host}"' in text), None)
    if name is None:
        return None
    plain = next((name for name, text in texts.items() if f'"{_plain_host(host)}"' in text), "")
    log_name = (servers[name].get("logs") or {}).get("default_logger_name", "")
    log = ((config.get("logging") or {}).get("logs") or {}).get(log_name, {})
    files = tuple(tls.files_of(config, f"{platform}-{environment}"))
    return Ours(name, servers[name], log_name, log, plain, servers.get(plain), files)


def is_alone(ours: Ours) -> bool:
    """Whether no other site shares a server: the Caddyfile's adapter puts sites of one address together."""
    routes = [server.get("routes") or [] for server in (ours.server, ours.plain) if server is not None]
    return all(len(some) == 1 and "match" not in some[0] for some in routes)


def merged(
    running: t.Mapping[str, t.Any], ours: Ours, platform: str, environment: str, text: str = ""
) -> dict[str, t.Any]:
    """What runs, with our parts in the place of those it has; everything else stays as it is.

    :param text: the Caddyfile that our parts come from.
    """
    there = find_ours(running, platform, environment)
    name = name_of(platform, environment)
    server_name, log_name = (there.server_name, there.log_name or name) if there else (name, name)
    config: dict[str, t.Any] = copy.deepcopy(dict(running))
    servers = config.setdefault("apps", {}).setdefault("http", {}).setdefault("servers", {})
    server, files = tls.tagged(ours.server, ours.files, text)
    servers[server_name] = {**server, "logs": {**server.get("logs", {}), "default_logger_name": log_name}}
    if there and there.plain_name:
        del servers[there.plain_name]
    if ours.plain is not None:
        servers[(there and there.plain_name) or f"{name}:plain"] = ours.plain
    tls.put_files(config, f"{platform}-{environment}", files)
    logs = config.setdefault("logging", {}).setdefault("logs", {})
    source = f"http.log.access.{log_name}"
    logs[log_name] = {**ours.log, "include": [source]}
    excluded = logs.setdefault("default", {}).setdefault("exclude", [])
    if source not in excluded:
        excluded.append(source)
    return config


# Parts of the text --------------------------------------------------------------------------------------------


def _log(path: str) -> list[str]:
    fields = ["request delete", "resp_headers delete"]
    return [
        "log {",
        f"\toutput file {path} {{",
        "\t\troll_size 50MiB",
        "\t\troll_keep 2",
        "\t}",
        "\tformat filter {",
        "\t\twrap json",
        "\t\tfields {",
        *(f"\t\t\t{field}" for field in fields),
        "\t\t}",
        "\t}",
        "}",
    ]


def _plain(traffic: Traffic, body: list[str]) -> list[str]:
    """A site for plain HTTP, which leads to HTTPS, but for those who cannot follow: an ACME server, and checks from outside."""
    if traffic.tls is None or not traffic.tls.redirect_from:
        return []
    paths = "|".join(_pattern(path) for path in traffic.check_paths())
    inside = [
        f"@slipway host {_plain_host(status_host(traffic.platform, traffic.environment))}",
        "handle @slipway {",
        f'\trespond "{_GENERATION}" 200',
        "}",
        *tls.challenge(traffic.tls),
        f"@checks path_regexp `^({paths})$`",
        "handle @checks {",
        *_indented(body),
        "}",
        tls.redirect(traffic),
    ]
    site = [tls.bind(traffic), "route {", *_indented(inside), "}"]
    return [f"http://:{traffic.tls.redirect_from} {{", *_indented(site), "}"]


def _plain_host(host: str) -> str:
    return f"plain.{host}"


def _idle(servers: t.Sequence[Server], streams: bool) -> list[str]:
    """Those without traffic, behind a matcher that never matches."""
    if not servers:
        return []
    return ["@idle not path *", *_proxy("reverse_proxy @idle", servers, streams)]


def _open(traffic: Traffic, weights: Weights, streams: bool, live: str) -> list[str]:
    services = {service.name: service for service in traffic.services}
    lines = []
    for index, route in enumerate(sorted(traffic.routes, key=Route.precedence)):
        matchers = [f"host {route.host}"] if route.host else []
        matchers += [f"path_regexp `^{_pattern(route.path)}(/|$)`"] if route.path != "/" else []
        body = _indented(_service(services[route.service], weights, streams, live))
        if matchers:
            lines += [f"@route{index} {{", *_indented(matchers), "}", f"handle @route{index} {{", *body, "}"]
        else:
            lines += ["handle {", *body, "}"]
    return [*lines, "respond 404"]


def _service(service: Service, weights: Weights, streams: bool, live: str) -> list[str]:
    sides = {side: [one for one in service.servers if one.side == side and weights.get(one.key)] for side in SIDES}
    blue, green = (sum(weights[one.key] for one in sides[side]) for side in SIDES)
    if not blue and not green:
        return ["respond 503"]
    if not blue or not green:
        return _side(service, "blue" if blue else "green", sides["blue"] or sides["green"], streams)
    return [
        *([] if live else [_share(blue, green)]),
        "handle @green {" if live else "handle @share {",
        *_indented(_side(service, "green", sides["green"], streams)),
        "}",
        "handle {",
        *_indented(_side(service, "blue", sides["blue"], streams)),
        "}",
    ]


def _green(flag: str, live: str) -> list[str]:
    """Whether green is live: the file is asked for at each request. Of a split it is what the status says."""
    if not live:
        return ["@green not path *"]
    return ["@green file {", f"\troot {os.path.dirname(flag)}", f"\ttry_files /{os.path.basename(flag)}", "}"]


def _share(blue: int, green: int) -> str:
    threshold = format(round(0x100000000 * green / (blue + green)), "08x")
    return f"@share expression `{{http.request.uuid}} < '{threshold}'`"


def _side(service: Service, side: str, servers: t.Sequence[Server], streams: bool) -> list[str]:
    """The side is told to the access log as the user's name, the one field of it that a configuration can set in 2.6."""
    return [
        "map {http.request.method} {http.auth.user.id} {",
        f'\tdefault "{service.name} {side}"',
        "}",
        *_proxy("reverse_proxy", servers, streams),
    ]


def _proxy(directive: str, servers: t.Sequence[Server], streams: bool) -> list[str]:
    addresses = dict.fromkeys(authority(one.address, one.port) for one in servers)
    options = _PROXY.format(max_fails=MAX_FAILS).splitlines() + ([_STREAMS] if streams else [])
    return [f"{directive} {' '.join(addresses)} {{", *_indented(options), "}"]


def _closed(closure: Closure) -> list[str]:
    paths = [f"@open{index} path_regexp `^{_pattern(path)}$`" for index, path in enumerate(closure.paths)]
    lines = []
    for index, matcher in enumerate(paths):
        answer = ["header Content-Type text/plain", f"respond `{OPEN_PATH_ANSWER}` 200"]
        lines += [matcher, f"handle @open{index} {{", *_indented(answer), "}"]
    return [
        *lines,
        f"header Retry-After {closure.retry_after}",
        "header Cache-Control no-store",
        'map "a{b" {slipway_open} {slipway_tick} {slipway_back} {',
        '\t~^a(.)b$ "$1" "`" `\\`',
        "}",
        "@programs {",
        "\theader Accept *application/json*",
        "\tnot header Accept *text/html*",
        "}",
        "handle @programs {",
        "\theader Content-Type application/json",
        f"\trespond `{escaped(in_json(closure))}` 503",
        "}",
        'header Content-Type "text/html; charset=utf-8"',
        f"respond `{escaped(closure.page)}` 503",
    ]


def _pattern(path: str) -> str:
    """A path as a regular expression that matches it alone, without a letter that means something to a Caddyfile."""
    return _NOT_PLAIN.sub(lambda match: f"\\x{ord(match[0]):02x}", path)


def _indented(lines: t.Iterable[str]) -> list[str]:
    """One level deeper; the lines of a text that a line holds stay as they are."""
    return [f"\t{line}" for line in lines]
