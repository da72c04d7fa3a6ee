# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of Traefik's dynamic configuration for one platform, and what can be read out of it (private to the collection).

Pure functions. JSON below our comments, which is YAML too, and has nothing that a template of Go would act on. Fields:
Traefik 3's file provider.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from . import traefik_tls as tls
from .certificates import Pair, notes
from .model import SIDES, Key, Line, Route, Server, Service, Traffic, Weights, side_of
from .structure import heading, unspecified

RETRIES = 3  # servers that are tried when no connection can be made; nothing is ever sent twice
CHECK_INTERVAL = "1s"
TIMEOUTS = {"dialTimeout": "2s", "responseHeaderTimeout": "300s", "idleConnTimeout": "1s"}
# No request has a method and has it not: what stands behind this is judged by Traefik and met by nobody.
NOBODY = "Method(`GET`) && !Method(`GET`)"
_GENERATION = "@generation@"
_GENERATION_LINE = re.compile(r"^# slipway-generation: ([0-9a-f]{16})$", re.MULTILINE)

Tree = dict[str, t.Any]
Sums = dict[tuple[str, str], tuple[int, int]]


def prefix(platform: str, environment: str) -> str:
    """What the names of all of a platform's parts begin with; neither of both has a dot."""
    return f"slipway.{platform}.{environment}"


def platform_text(
    traffic: Traffic, weights: Weights, entry_point: str, plain: str = "", pairs: t.Sequence[Pair] = ()
) -> str:
    """The file of one platform.

    :param entry_point: the name of the one on which clients connect.
    :param plain: the same of plain HTTP, where that leads to HTTPS.
    :param pairs: the certificates, when clients connect by TLS.
    """
    name = prefix(traffic.platform, traffic.environment)
    routers = _routers(traffic, weights, name, entry_point)
    if traffic.tls and plain:
        routers.update(tls.plain_routers(traffic.tls, name, plain, _checked(traffic, name)))
    http = {
        "routers": routers,
        "services": {**_services(traffic, weights, name), **tls.acme_service(traffic.tls, name)},
        "middlewares": {**_middlewares(traffic, name), **tls.middlewares(traffic, name)},
        "serversTransports": {name: {"forwardingTimeouts": TIMEOUTS}},
    }
    return _text([heading(traffic), *notes(pairs)], {"http": http, **tls.part(traffic, name, pairs)})


def trial(name: str) -> str:
    """What the names of all parts of a trial begin with.

    :param name: RV(prefix) of the platform.
    """
    return f"{name}..trial"


def trial_text(text: str, name: str) -> str:
    """The rules and the servers of a file of ours for nobody: by it the API tells whether Traefik accepts them.

    Without checks, so nothing is sent to the servers.
    """
    own = trial(name)
    routers = {
        f"{own}.{number}": {
            "entryPoints": router["entryPoints"],
            "priority": router["priority"],
            "rule": f"({router['rule']}) && {NOBODY}",
            "service": own,
        }
        for number, (_name, router) in enumerate(sorted(_http(text).get("routers", {}).items()))
    }
    servers = [{"url": url} for url in sorted(_urls(text))]
    parts = {
        "routers": routers,
        "services": {own: {"loadBalancer": {"servers": servers}}},
        "middlewares": {own: _marker()},
    }
    return _text(["# A trial of what is to be written; no request meets it."], {"http": parts})


def judged(text: str) -> set[tuple[str, ...]]:
    """All in a file of ours that comes from people, so that Traefik may refuse it: rules and addresses."""
    routers = _http(text).get("routers", {}).values()
    return {(router["rule"], *router["entryPoints"]) for router in routers} | {(url,) for url in _urls(text)}


def generation(text: str) -> str:
    """The generation that a file says it is, or nothing."""
    match = _GENERATION_LINE.search(text)
    return match[1] if match else ""


def rules(text: str) -> dict[str, str]:
    """The routers of a file of ours, or of its trial, and the rule that each was made of."""
    routers = sorted(_http(text).get("routers", {}).items())
    return {name: router["rule"].replace(f" && {NOBODY}", "") for name, router in routers}


def parse_servers(text: str) -> dict[Key, Line]:
    """Addresses and weights out of a file of ours."""
    services = _http(text).get("services", {})
    found: dict[Key, Line] = {}
    for name, service in services.items():
        address, key = _address(service), _key(name)
        if address is None or key is None:
            continue
        members = services.get(name.rpartition(f".{key[1]}")[0], {}).get("weighted", {}).get("services", ())
        weight = next((one["weight"] for one in members if one["name"] == name), 0)
        found[key] = Line(*address, weight)
    return found


def parse_log(text: str, name: str) -> Sums:
    """Requests and 5xx answers by (service, side) in lines of Traefik's access log; those of others are passed over.

    :param name: RV(prefix) of the platform.
    """
    sums: Sums = {}
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            status = int(entry["DownstreamStatus"])
            counted = _counted(entry, name)
        except (ValueError, KeyError, TypeError):
            continue
        for key in counted:
            requests, errors = sums.get(key, (0, 0))
            sums[key] = (requests + 1, errors + (status >= 500))
    return sums


# --- parts


def _routers(traffic: Traffic, weights: Weights, name: str, entry_point: str) -> Tree:
    """The first that fits is taken: priorities fall in the order of all providers, above those of rules by their length.

    A router's name tells the service and the sides that have its traffic: it is all that the log has of a request that
    Traefik answered itself, because no server was left.
    """
    routes = sorted(traffic.routes, key=Route.precedence)
    found: Tree = {}
    # Rule, host of it (of any: empty), service (of the closed door: none), middlewares.
    wanted: list[tuple[str, str, str, list[str]]] = []
    if traffic.closure:
        # Checks from outside go on to the program, because Traefik has no answers of its own.
        wanted += [(f"Path({_quoted(path)})", "", routes[0].service, []) for path in traffic.closure.paths]
        wanted.append((*tls.everything(traffic), "", [f"{name}..closed"]))
    else:
        wanted += [(_rule(route), route.host, route.service, [f"{name}..retry"]) for route in routes]
    sides = {one.name: _sides(one, weights) for one in traffic.services}
    common = tls.hsts(traffic, name)
    for number, (rule, host, service, middlewares) in enumerate(wanted):
        label = f".{service}.{sides[service]}" if service else ""
        found[f"{name}.{number}{label}"] = {
            "entryPoints": [entry_point],
            "rule": rule,
            "priority": 100_000 - number,
            "service": f"{name}.{service or '.closed'}",
            **({"middlewares": [*common, *middlewares]} if common or middlewares else {}),
            **tls.of_router(traffic, name, host),
        }
    return found


def _checked(traffic: Traffic, name: str) -> dict[str, str]:
    """The rules of what checks from outside ask for, and the service of each, as by TLS."""
    routes = sorted(traffic.routes, key=Route.precedence)
    if traffic.closure:
        return {f"Path({_quoted(path)})": f"{name}.{routes[0].service}" for path in traffic.closure.paths}
    return {
        f"Path({_quoted(path)}) && {_rule(route)}": f"{name}.{route.service}"
        for path in traffic.check_paths()
        for route in routes
    }


def _sides(service: Service, weights: Weights) -> str:
    """Those that have traffic, with a hyphen between."""
    return "-".join(sorted({server.side for server in service.servers if weights.get(server.key)})) or "none"


def _rule(route: Route) -> str:
    host = f"Host({_quoted(route.host)})" if route.host else ""
    if route.path == "/":
        return host or "PathPrefix(`/`)"
    path = f"(Path({_quoted(route.path)}) || PathPrefix({_quoted(route.path + '/')}))"
    return f"{host} && {path}" if host else path


def _quoted(text: str) -> str:
    """Backquotes, in which nothing is special; a route that has one itself goes into double quotes, as Go has them."""
    return f"`{text}`" if "`" not in text else json.dumps(text)


def _services(traffic: Traffic, weights: Weights, name: str) -> Tree:
    found: Tree = {f"{name}..closed": {"loadBalancer": {"servers": []}}} if traffic.closure else {}
    for service in traffic.services:
        members = [
            (f"{name}.{service.name}.{server.name}", server, weights.get(server.key, 0)) for server in service.servers
        ]
        serving = [{"name": member, "weight": weight} for member, _server, weight in members if weight]
        check = _check(traffic, service, {server.key for _name, server, weight in members if weight})
        # Only who is checked may be a member of who goes by checks; and who is idle is not, or it would never look empty.
        found[f"{name}.{service.name}"] = {"weighted": {"services": serving, **({"healthCheck": {}} if check else {})}}
        for member, server, weight in members:
            found[member] = {"loadBalancer": _balancer(server, name, check if weight else None)}
    return found


def _balancer(server: Server, name: str, check: Tree | None) -> Tree:
    address = f"[{server.address}]" if ":" in server.address else server.address
    return {
        "servers": [{"url": f"http://{address}:{server.port}"}],
        "serversTransport": name,
        **({"healthCheck": check} if check else {}),
    }


def _check(traffic: Traffic, service: Service, serving: set[Key]) -> Tree | None:
    """The check of a service's servers; none where Traefik cannot put it, or where the old version may not know it.

    Nor where it has a header that may be secret: those stand in no part of the file that is shown.
    """
    health = service.health
    headers = dict(health.headers)
    host = headers.pop("Host", "")
    if len(health.status) != 1 or headers or serving & set(traffic.unchecked):
        return None
    return {
        "path": health.path,
        "interval": CHECK_INTERVAL,
        "timeout": f"{max(1, round(health.timeout * 1000))}ms",
        "status": health.status[0],
        "followRedirects": False,
        **({"hostname": host} if host else {}),
    }


def _middlewares(traffic: Traffic, name: str) -> Tree:
    """Beside what is used, one that is not: by it the API tells which text runs."""
    found: Tree = {
        name: _marker(),
        f"{name}..retry": {"retry": {"attempts": RETRIES, "initialInterval": "100ms"}},
    }
    if traffic.closure:
        headers = {"Retry-After": str(traffic.closure.retry_after), "Cache-Control": "no-store"}
        found[f"{name}..closed"] = {"headers": {"customResponseHeaders": headers}}
    return found


def _marker() -> Tree:
    """A middleware that nobody uses, whose header is the generation of the text."""
    return {"headers": {"customResponseHeaders": {"X-Slipway-Generation": _GENERATION}}}


def _text(comments: list[str], parts_of: Tree) -> str:
    parts = [
        "# Written by slipway.deploy; changes are overwritten.",
        *comments,
        f"# slipway-generation: {_GENERATION}",
        json.dumps(parts_of, indent=1, sort_keys=True).replace("{{", "{\\u007b"),
    ]
    text = "\n".join(parts) + "\n"
    return text.replace(_GENERATION, hashlib.sha256(unspecified(text).encode()).hexdigest()[:16])


# --- reading


def _counted(entry: Tree, name: str) -> list[tuple[str, str]]:
    """Whom a line of the log counts for: the server that answered, or all who had the traffic when Traefik found nobody."""
    service = str(entry.get("ServiceName") or "").partition("@")[0]
    if service:
        key = _key(service) if service.startswith(f"{name}.") else None
        return [(key[0], side_of(key[1]))] if key else []
    router = str(entry.get("RouterName") or "").partition("@")[0]
    if not router.startswith(f"{name}."):
        return []
    label, _dot, sides = router[len(name) + 1 :].partition(".")[2].rpartition(".")
    return [(label, side) for side in sides.split("-") if side in SIDES and label]


def _urls(text: str) -> set[str]:
    services = _http(text).get("services", {}).values()
    return {server["url"] for service in services for server in (service.get("loadBalancer") or {}).get("servers", ())}


def _http(text: str) -> Tree:
    """What is below the comments; nothing where that is not ours."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    try:
        found = json.loads(body)["http"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _key(name: str) -> Key | None:
    """Service and server in the name of a server's part: C(slipway.PLATFORM.ENVIRONMENT.SERVICE.SERVER)."""
    rest = name.split(".", 3)[3] if name.count(".") >= 4 else ""
    for side in (".blue_", ".green_"):
        service, found, server = rest.partition(side)
        if found and service:
            return (service, f"{side[1:]}{server}")
    return None


def _address(service: Tree) -> tuple[str, int] | None:
    servers = (service.get("loadBalancer") or {}).get("servers") or ()
    match = re.fullmatch(r"http://(.+):(\d+)", servers[0]["url"]) if servers else None
    return (match[1].strip("[]"), int(match[2])) if match else None
