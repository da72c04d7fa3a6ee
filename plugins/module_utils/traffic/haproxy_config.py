# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of HAProxy's configuration for one platform, and what can be read out of it (private to the collection).

Pure functions. Directives: HAProxy Configuration Manual 2.4 and newer (named defaults; Ubuntu 22.04 has 2.4).
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from .closure import OPEN_PATH_ANSWER, in_json
from .listening import EVERY, addresses
from .model import Closure, Route, Service, Traffic, Weights
from .structure import heading, unspecified
from .tls import ACME_PATH, CIPHER_SUITES, CIPHERS, CURVES, Tls

SHARED_FILE = "00-slipway.cfg"
UNROUTED = "slipway_unrouted"
ENTRANCE_PORT = 1
HOLD_PAUSE_MS = 100

# What changes at run time: the address and weight of a server, and the name that its addresses give to the state file.
_RUN_TIME = re.compile(r"(?<=    server )(\S+) \S+ weight \d+|^    server-state-file-name .*$", re.MULTILINE)


def backend_name(platform: str, environment: str, service: str) -> str:
    """The backend of a service: names are shared by all platforms of a proxy."""
    return f"slipway_{platform}_{environment}_{service}"


def shared_text(socket: str) -> str:
    """C(00-slipway.cfg): what all platforms of this proxy share."""
    return f"""\
# Written by slipway.deploy; changes are overwritten. Your own configuration belongs into haproxy.cfg.
global
    stats socket {quoted(socket)} mode 600 level admin expose-fd listeners

defaults slipway
    mode http
    log global
    option httplog
    option dontlognull
    option forwardfor
    timeout connect 2s
    timeout http-request 10s
    timeout http-keep-alive 60s
    timeout queue 5s
    # Silence on a connection, not the length of a request: a stream that says something now and then lives on.
    timeout client 300s
    timeout server 300s
    timeout tunnel 1h
    # Only a connection that could not be made is tried again, and on another server: nothing is ever sent twice.
    retries 3
    retry-on conn-failure
    option redispatch 1

backend {UNROUTED} from slipway
    http-request return status 404 content-type text/plain string "no route\\n"
"""


def platform_text(traffic: Traffic, weights: Weights, state_directory: str, certificates: str = "") -> str:
    """The file of one platform; its weights name the live side, also when every state file is lost.

    :param certificates: the directory of those of this platform.
    """
    lines = [
        "# Written by slipway.deploy; changes are overwritten. Your own configuration belongs into haproxy.cfg.",
        heading(traffic),
        "global",
        f"    set-var {variable(traffic.platform, traffic.environment)} str({generation(traffic)})",
        "",
        *_frontends(traffic, certificates),
        *_held(traffic),
        *_backends(traffic, weights, state_directory),
    ]
    return "\n".join(lines) + "\n"


def variable(platform: str, environment: str) -> str:
    """The variable in which a process tells which generation it runs; such names take no hyphens."""
    return f"proc.slipway_{platform}_{environment}".replace("-", ".")


def generation(traffic: Traffic) -> str:
    """A digest of the frontend and one of the backends: what differs here needs a reload, the rest is done at run time."""
    parts = ("\n".join([*_frontends(traffic, ""), *_held(traffic)]), structure("\n".join(_backends(traffic, {}, ""))))
    return "-".join(hashlib.sha256(part.encode()).hexdigest()[:16] for part in parts)


def structure(text: str) -> str:
    """The text without what changes at run time, and without the comments that say the addresses once more."""
    return _RUN_TIME.sub(r"\1", unspecified(text))


def same_frontend(one: str, other: str) -> bool:
    """Whether two generations listen on the same address and have the same routes."""
    return one.partition("-")[0] == other.partition("-")[0]


def state_file_name(traffic: Traffic, service: Service, directory: str) -> str:
    """The state file of one backend, named by the addresses of its servers.

    HAProxy lets the file's port override the configuration's (haproxy#1412), so a file that was written for other
    addresses must never be found.
    """
    addresses = " ".join(f"{server.name}={server.address}:{server.port}" for server in service.servers)
    digest = hashlib.sha256(addresses.encode()).hexdigest()[:8]
    return f"{directory}/{backend_name(traffic.platform, traffic.environment, service.name)}.{digest}.state"


def quoted(text: str) -> str:
    """Strong quotes: nothing inside is special (Configuration Manual, section 2.2)."""
    return "'" + text.replace("'", "'\\''") + "'"


def escaped(text: str) -> str:
    """A text of several lines and any letters as one word: whatever is not plain stands there by its bytes."""
    return "".join(
        chr(byte) if 0x20 < byte < 0x7F and chr(byte) not in "\\\"'#$" else f"\\x{byte:02x}" for byte in text.encode()
    )


def _frontends(traffic: Traffic, certificates: str) -> list[str]:
    """What clients connect to; with TLS one for plain HTTP too, which leads there."""
    begin = [f"frontend slipway_{traffic.platform}_{traffic.environment} from slipway"]
    if traffic.tls is None:
        return [*begin, *_binds(traffic, traffic.listen), *_entrance(traffic), *_rules(traffic)]
    ends_tls = f" {_ends_tls(traffic.tls, certificates)}"
    lines = [*begin, *_binds(traffic, traffic.listen, ends_tls), *_entrance(traffic)]
    lines.append("    http-request set-header X-Forwarded-Proto https")
    if traffic.tls.hsts:
        lines.append(f"    http-after-response set-header Strict-Transport-Security max-age={traffic.tls.hsts}")
    return [*lines, *_rules(traffic), *_plain(traffic, traffic.tls)]


def _ends_tls(tls: Tls, certificates: str) -> str:
    """The part of a C(bind) line. Which certificate a client gets is by the names that are in them; else it is the first."""
    return " ".join(
        [
            "ssl",
            *(f"crt {quoted(f'{certificates}/{source.name}.pem')}" for source in tls.certificates),
            f"alpn {'h2,' if tls.http2 else ''}http/1.1",
            f"ssl-min-ver {tls.minimum} ciphers {CIPHERS} ciphersuites {CIPHER_SUITES} curves {':'.join(CURVES)}",
            "no-tls-tickets",
        ]
    )


def _plain(traffic: Traffic, tls: Tls) -> t.Iterator[str]:
    """Plain HTTP leads to HTTPS, but for what those ask for who cannot follow: an ACME server, and checks from outside."""
    if not tls.redirect_from:
        return
    yield from ("", f"frontend {_named(traffic, 'plain')} from slipway", *_binds(traffic, tls.redirect_from))
    yield "    http-request set-header X-Forwarded-Proto http"
    yield "    http-request set-var(txn.slipway_host) 'req.hdr(host),regsub(:[0-9]*$,)'"
    if tls.acme_port:
        yield f"    use_backend {_named(traffic, 'acme')} if {{ path -m beg -- {ACME_PATH} }}"
    excepted = " ".join(f"!{{ path -m str -- {quoted(path)} }}" for path in traffic.check_paths())
    acme = f" !{{ path -m beg -- {ACME_PATH} }}" if tls.acme_port else ""
    port = "" if traffic.listen == 443 else f":{traffic.listen}"
    location = f"https://%[var(txn.slipway_host)]{port}%[pathq]"
    yield f"    http-request deny deny_status 400 if {excepted}{acme} !{{ req.hdr(host) -m found }}"
    yield f"    http-request redirect location {quoted(location)} code 308 if {excepted}{acme}"
    yield from _rules(traffic)
    if tls.acme_port:
        yield from ("", f"backend {_named(traffic, 'acme')} from slipway", "    retries 0")
        yield f"    server local 127.0.0.1:{tls.acme_port}"


def _binds(traffic: Traffic, port: int, options: str = "") -> list[str]:
    return [
        f"    bind {quoted(f'{address}:{port}')}{' v4v6' if address == EVERY else ''}{options}"
        for address in addresses(traffic.bind)
    ]


def _entrance(traffic: Traffic) -> list[str]:
    if traffic.closure or not traffic.entrance:
        return []
    return [f"    bind {entrance(traffic.platform, traffic.environment)}:{ENTRANCE_PORT}"]


def _rules(traffic: Traffic) -> list[str]:
    """What becomes of a request."""
    if traffic.closure:
        return list(_closed(traffic, traffic.closure))
    prefix = f"slipway_{traffic.platform}_{traffic.environment}"
    return [
        *[
            f"    use_backend {prefix}_{route.service}{_condition(route)}"
            for route in sorted(traffic.routes, key=Route.precedence)
        ],
        f"    default_backend {UNROUTED}",
    ]


def _closed(traffic: Traffic, closure: Closure) -> t.Iterator[str]:
    """What the frontend of a closed platform does with a request, the backends being out of its reach."""
    for path in closure.paths:
        answer = f"status 200 content-type text/plain string {escaped(OPEN_PATH_ANSWER)}"
        yield f"    http-request return {answer} if {{ path -m str -- {quoted(path)} }}"
    if closure.hold:
        yield f"    default_backend {_named(traffic, 'held')}"
        return
    wants_json = "{ req.hdr(accept) -m sub application/json } !{ req.hdr(accept) -m sub text/html }"
    yield f"    http-request return {_answer_503(closure, 'application/json', in_json(closure))} if {wants_json}"
    yield f"    http-request return {_answer_503(closure, 'text/html; charset=utf-8', closure.page)}"


def _held(traffic: Traffic) -> list[str]:
    """Where requests wait for the platform to be opened: a server that nobody is until then, tried again and again.

    The frontend of the process that opens the platform listens there (C(entrance)), so the process that holds the
    requests, which is on its way out by then, hands them over to it.
    """
    if traffic.closure is None or not traffic.closure.hold:
        return []
    return [
        "",
        f"backend {_named(traffic, 'held')} from slipway",
        # Also the pause between two tries of the same server.
        f"    timeout connect {HOLD_PAUSE_MS}ms",
        f"    retries {max(1, round(traffic.closure.hold * 1000 / HOLD_PAUSE_MS))}",
        f"    http-error {_answer_503(traffic.closure, 'text/html; charset=utf-8', traffic.closure.page)}",
        f"    server entrance {entrance(traffic.platform, traffic.environment)}:{ENTRANCE_PORT}",
    ]


def _answer_503(closure: Closure, kind: str, body: str) -> str:
    headers = f"hdr Retry-After {closure.retry_after} hdr Cache-Control no-store"
    return f"status 503 content-type {quoted(kind)} {headers} string {escaped(body)}"


def _named(traffic: Traffic, what: str) -> str:
    """Out of the way of the names of services."""
    return f"slipway:{what}:{traffic.platform}:{traffic.environment}"


def entrance(platform: str, environment: str) -> str:
    """An address of loopback that is the platform's own, on a port that root alone may listen on, and nobody does.

    A socket with a name would do as well, but HAProxy makes no pause between two tries of one on which nobody listens.
    """
    one, two, three = hashlib.sha256(f"{platform}/{environment}".encode()).digest()[:3]
    return f"127.{1 + one % 254}.{two}.{1 + three % 254}"


def _backends(traffic: Traffic, weights: Weights, state_directory: str) -> t.Iterator[str]:
    for service in traffic.services:
        yield ""
        yield from _backend(traffic, service, weights, state_directory)


def _backend(traffic: Traffic, service: Service, weights: Weights, state_directory: str) -> t.Iterator[str]:
    health = service.health
    yield f"backend {backend_name(traffic.platform, traffic.environment, service.name)} from slipway"
    yield "    balance roundrobin"
    yield "    load-server-state-from-file local"
    yield f"    server-state-file-name {quoted(state_file_name(traffic, service, state_directory))}"
    yield f"    timeout check {max(1, round(health.timeout * 1000))}ms"
    yield "    option httpchk"
    yield f"    http-check send meth GET uri {_format(health.path)} ver HTTP/1.1" + "".join(
        f" hdr {quoted(name)} {_format(value)}" for name, value in health.headers
    )
    yield f"    http-check expect status {','.join(map(str, health.status)) or '100-599'}"
    # Not more often where a server is down: a check that meets a container in the instant of its start loses its first
    # packet, is answered after a second (TCP's first retransmission), and the gate waits for it; none ends earlier.
    yield "    default-server check inter 500ms fastinter 200ms downinter 500ms fall 2 rise 1"
    for server in service.servers:
        address, weight = f"{_address(server.address)}:{server.port}", weights.get(server.key, 0)
        unchecked = " no-check" if server.key in traffic.unchecked else ""
        yield f"    server {server.name} {address} weight {weight}{unchecked}"


def _condition(route: Route) -> str:
    host = f"{{ req.hdr(host),field(1,:),lower -m str -- {quoted(route.host)} }}" if route.host else ""
    if route.path == "/":
        return f" if {host}" if host else ""
    exact = f"{{ path -m str -- {quoted(route.path)} }}"
    below = f"{{ path -m beg -- {quoted(route.path + '/')} }}"
    return " if " + " or ".join(f"{host} {path}".strip() for path in (exact, below))


def _address(address: str) -> str:
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


def _format(text: str) -> str:
    """A quoted argument in which log-format variables mean nothing."""
    return quoted(text.replace("%", "%%"))
