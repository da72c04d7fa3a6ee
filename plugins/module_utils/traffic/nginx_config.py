# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of nginx's configuration for one platform, and what can be read out of it (private to the collection).

Pure functions. Directives: nginx 1.18 and newer.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from . import nginx_tls as tls
from .by_file import status_host
from .certificates import Pair, notes
from .closure import OPEN_PATH_ANSWER, in_json
from .model import Closure, Key, Line, Route, Server, Service, Traffic, Weights, side_of
from .structure import LINE_BYTES, heading
from .tls import ACME_PATH

_GENERATION = "@generation@"
_GENERATION_LINE = re.compile(r"^# slipway-generation: ([0-9a-f]{16})$", re.MULTILINE)
_UPSTREAM = re.compile(r"^upstream slipway_\S+? \{ # (\S+)$")
_SERVER = re.compile(r"^    server (\S+):(\d+) (?:down|weight=(\d+)); # (\S+)$")


def platform_text(traffic: Traffic, weights: Weights, log: str, pairs: t.Sequence[Pair] = ()) -> str:
    """The file of one platform. The workers answer with the hash of this text, so that a reload can be proved.

    :param pairs: the certificates, when clients connect by TLS.
    """
    name = _variable(traffic)
    parts = [
        "# Written by slipway.deploy; changes are overwritten.",
        heading(traffic),
        f"# slipway-generation: {_GENERATION}",
        *notes(pairs),
        f"map $http_upgrade ${name}_connection {{\n    default upgrade;\n    '' '';\n}}",
        _side_map(traffic, name),
        f'log_format {name} escape=json \'{{"side":"${name}_side","service":"${name}_service","status":"$status"}}\';',
        *[_upstream(traffic, service, weights) for service in traffic.services],
        *([_closed_maps(name)] if traffic.closure else []),
        _status_server(traffic, pairs),
        *[_server(traffic, host, name, log, pairs) for host in tls.server_names(traffic, pairs)],
        *_plain_servers(traffic, name, log, pairs),
    ]
    text = "\n".join(parts) + "\n"
    return text.replace(_GENERATION, hashlib.sha256(text.encode()).hexdigest()[:16])


def generation(text: str) -> str:
    """The generation that a file says it is, or nothing."""
    match = _GENERATION_LINE.search(text)
    return match[1] if match else ""


def parse_servers(text: str) -> dict[Key, Line]:
    """Addresses and weights out of a file of ours."""
    found: dict[Key, Line] = {}
    service = ""
    for line in text.splitlines():
        upstream, server = _UPSTREAM.match(line), _SERVER.match(line)
        if upstream:
            service = upstream[1]
        elif server and service and side_of(server[4]):
            found[(service, server[4])] = Line(server[1].strip("[]"), int(server[2]), int(server[3] or 0))
    return found


def parse_log(text: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Requests and 5xx answers by (service, side) in lines of our access log; anything else is passed over."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            key, status = (str(entry["service"]), str(entry["side"])), int(entry["status"])
        except (ValueError, KeyError, TypeError):
            continue
        requests, errors = sums.get(key, (0, 0))
        sums[key] = (requests + 1, errors + (status >= 500))
    return sums


def _side_map(traffic: Traffic, name: str) -> str:
    """Which side answered: the last address tried (C($upstream_addr) lists them all)."""
    lines = [f"map $upstream_addr ${name}_side {{", "    default '';"]
    for server in sorted(set(traffic.servers()), key=lambda one: one.key):
        address = re.escape(_authority(server)).replace("'", "")
        lines.append(f"    '~(^|[ ,]){address}$' {server.side};")
    return "\n".join([*dict.fromkeys(lines), "}"])


def _upstream(traffic: Traffic, service: Service, weights: Weights) -> str:
    lines = [f"upstream {_upstream_name(traffic, service.name)} {{ # {service.name}"]
    for server in service.servers:
        weight = weights.get(server.key, 0)
        lines.append(f"    server {_authority(server)} {f'weight={weight}' if weight else 'down'}; # {server.name}")
    return "\n".join([*lines, "    keepalive 64;", "}"])


def _status_server(traffic: Traffic, pairs: t.Sequence[Pair]) -> str:
    lines = [
        "server {",
        *tls.listens(traffic, first=True),
        f"    server_name {status_host(traffic.platform, traffic.environment)};",
        *tls.ends_tls(traffic, pairs, ""),
        "    access_log off;",
        "    default_type text/plain;",
        f"    location / {{ return 200 '{_GENERATION}'; }}",
        "}",
    ]
    return "\n".join(lines)


def _server(traffic: Traffic, host: str, name: str, log: str, pairs: t.Sequence[Pair]) -> str:
    lines = [
        "server {",
        *tls.listens(traffic, default=not host),
        f"    server_name {host or '_'};",
        *tls.ends_tls(traffic, pairs, host),
        f"    access_log {log} {name};",
        f"    set ${name}_service '';",
    ]
    if traffic.closure:
        return "\n".join([*lines, *_closed(traffic, traffic.closure, name), "}"])
    routes = _routes_of(traffic, host)
    lines += _proxying(traffic, name)
    for path in sorted(routes):
        lines += _locations(traffic, routes[path], name)
    if "/" not in routes:
        lines.append("    location / { return 404; }")
    return "\n".join([*lines, "}"])


def _plain_servers(traffic: Traffic, name: str, log: str, pairs: t.Sequence[Pair]) -> list[str]:
    """Plain HTTP leads to HTTPS, but for what those ask for who cannot follow: an ACME server, and checks from outside."""
    if traffic.tls is None or not traffic.tls.redirect_from:
        return []
    port = "" if traffic.listen == 443 else f":{traffic.listen}"
    acme = f"location ^~ {ACME_PATH} {{ proxy_pass http://127.0.0.1:{traffic.tls.acme_port}; }}"
    servers = []
    for host in tls.server_names(traffic, pairs):
        lines = [
            "server {",
            *tls.plain_listens(traffic, traffic.tls, default=not host),
            f"    server_name {host or '_'};",
            f"    access_log {log} {name};",
            f"    set ${name}_service '';",
            *_proxying(traffic, name),
            *([f"    {acme}"] if traffic.tls.acme_port else []),
            *_excepted(traffic, host, name),
            f"    location / {{ return 308 https://$host{port}$request_uri; }}",
            "}",
        ]
        servers.append("\n".join(lines))
    return servers


def _excepted(traffic: Traffic, host: str, name: str) -> t.Iterator[str]:
    """What is answered in plain HTTP as it is by TLS."""
    if traffic.closure:
        yield from _open_paths(traffic.closure)
        return
    routes = _routes_of(traffic, host)
    for path in traffic.check_paths():
        holding = [one for one in routes if _holds(one, path)]
        if holding:
            yield f"    location = '{_plain(path)}' {{ {_to_service(traffic, routes[max(holding, key=len)], name)} }}"


def _proxying(traffic: Traffic, name: str) -> list[str]:
    """How requests are passed on."""
    return [
        "    client_max_body_size 0;",
        "    proxy_http_version 1.1;",
        "    proxy_buffering off;",
        "    proxy_connect_timeout 2s;",
        "    proxy_read_timeout 300s;",
        "    proxy_send_timeout 300s;",
        "    proxy_set_header Host $http_host;",
        "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "    proxy_set_header Upgrade $http_upgrade;",
        f"    proxy_set_header Connection ${name}_connection;",
        *(["    proxy_set_header X-Forwarded-Proto $scheme;"] if traffic.tls else []),
    ]


def _routes_of(traffic: Traffic, host: str) -> dict[str, Route]:
    """What a server has, by path. nginx takes the longest, but a route with the host goes before each without one."""
    own = {route.path: route for route in traffic.routes if route.host == host}
    rest = (route for route in traffic.routes if not route.host)
    return {**{route.path: route for route in rest if not any(_holds(path, route.path) for path in own)}, **own}


def _holds(path: str, other: str) -> bool:
    """Whether a request for the other path is one for this path as well."""
    return path in ("/", other) or other.startswith(f"{path}/")


def _closed_maps(name: str) -> str:
    """Who asks for JSON; and the dollar, which cannot be escaped in a text: C(geo) alone takes it for what it is."""
    wants = ["    default 0;", "    '~text/html' 0;", "    '~application/json' 1;"]
    lines = [f"map $http_accept ${name}_json {{", *wants, "}", f"geo ${name}_dollar {{", "    default '$';", "}"]
    return "\n".join(lines)


def _closed(traffic: Traffic, closure: Closure, name: str) -> list[str]:
    """What a closed platform answers. Texts come together in variables: no word may be longer than 4096 bytes."""
    headers = f"add_header Retry-After {closure.retry_after} always; add_header Cache-Control no-store always;"
    headers += f" {tls.hsts(traffic.tls)}" if traffic.tls and traffic.tls.hsts else ""
    texts = {"page": closure.page, "programs": in_json(closure)}
    lines = []
    for kind, text in texts.items():
        lines.append(f"    set ${name}_{kind} '';")
        parts = _in_parts(text, f"${{{name}_dollar}}")
        lines += [f"    set ${name}_{kind} '${{{name}_{kind}}}{part}';" for part in parts]
    lines += [
        *_open_paths(closure),
        "    location / {",
        f"        if (${name}_json) {{ rewrite ^ /{name}_json last; }}",
        f"        charset utf-8; default_type text/html; {headers} return 503 ${name}_page;",
        "    }",
        f"    location = /{name}_json {{",
        f"        internal; default_type application/json; {headers} return 503 ${name}_programs;",
        "    }",
    ]
    return lines


def _open_paths(closure: Closure) -> list[str]:
    answer = f"default_type text/plain; return 200 '{OPEN_PATH_ANSWER}';"
    return [f"    location = '{_plain(path)}' {{ {answer} }}" for path in closure.paths]


def _in_parts(text: str, dollar: str) -> list[str]:
    """A text as what can stand between single quotes, in parts that are short enough."""
    parts = [""]
    for letter in text:
        told = dollar if letter == "$" else _plain(letter)
        if len((parts[-1] + told).encode()) > LINE_BYTES:
            parts.append("")
        parts[-1] += told
    return parts


def _locations(traffic: Traffic, route: Route, name: str) -> list[str]:
    body = _to_service(traffic, route, name)
    if route.path == "/":
        return [f"    location / {{ {body} }}"]
    path = _plain(route.path)
    return [f"    location = '{path}' {{ {body} }}", f"    location ^~ '{path}/' {{ {body} }}"]


def _to_service(traffic: Traffic, route: Route, name: str) -> str:
    return f"set ${name}_service {route.service}; proxy_pass http://{_upstream_name(traffic, route.service)};"


def _plain(path: str) -> str:
    return path.replace("\\", "\\\\").replace("'", "\\'")


def _authority(server: Server) -> str:
    address = f"[{server.address}]" if ":" in server.address else server.address
    return f"{address}:{server.port}"


def _upstream_name(traffic: Traffic, service: str) -> str:
    return f"slipway_{traffic.platform}_{traffic.environment}_{service}"


def _variable(traffic: Traffic) -> str:
    """A prefix for nginx's variables, which take no hyphens."""
    return re.sub(r"[^a-z0-9]", "_", f"slipway_{traffic.platform}_{traffic.environment}")
