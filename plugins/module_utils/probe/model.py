# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the probe engine: what is probed, how patiently, and what came of it (private to the collection)."""

from __future__ import annotations

import abc
import math
import re
import typing as t
import urllib.parse

from ..errors import SlipwayError
from ..masking import mask
from ..system import System

KINDS = ("http", "tcp", "command", "container")

#: Causes that waiting cannot cure, so they end the wait at once. All of them come from looking into a container.
CERTAIN = frozenset(
    {"exited", "oom", "image_missing", "start_failed", "wrong_port", "wrong_address", "docker_sdk_missing"}
)

EXCERPT = 500  # characters of a body, of stderr, of one log line


class Policy(t.NamedTuple):
    """When a target counts as healthy; every duration is in seconds.

    :param successes: so many successful tries in a row.
    :param minimum: the first and the last of them are at least so far apart.
    :param interval: pause between two tries.
    :param timeout: the most that one try may take, from the connection to the last byte.
    :param deadline: after so long the target has failed. No try and no pause outlasts it.
    :param wrong_port_after: a container that listens, but on other ports only, is given so long to open the right one.
    """

    successes: int = 3
    minimum: float = 2.0
    interval: float = 0.5
    timeout: float = 2.0
    deadline: float = 60.0
    wrong_port_after: float = 2.0


class Target(t.NamedTuple):
    """One thing to probe.

    :param kind: one of C(KINDS).
    :param name: how messages call it; made of the address when empty.
    :param url: C(http) only; C(https) checks the certificate for the name in a C(Host) header, if there is one.
    :param status: expected status codes; empty means 200 to 299.
    :param contains: text that the body must contain (UTF-8, within its first 256 KiB).
    :param host: C(tcp) only, with ``port``.
    :param argv: C(command) only: healthy when it ends with 0. Never a shell.
    :param container: C(container) only: name of a container that must run (and be healthy, if it has a health check).
    :param companion: the other kinds: name of the container behind the address. It is looked into when a try fails.
    :param image: the image that this container is made from, to tell a missing image from a missing container.
    :param validate_certs: check TLS certificates, against ``ca_path`` (a file or a directory) if given.
    :param policy: instead of the policy of the call.
    """

    kind: str
    name: str = ""
    url: str = ""
    method: str = "GET"
    headers: t.Mapping[str, str] = {}
    body: str | None = None
    status: t.Sequence[int] = ()
    contains: str | None = None
    host: str = ""
    port: int = 0
    argv: t.Sequence[str] = ()
    container: str = ""
    companion: str = ""
    image: str = ""
    validate_certs: bool = True
    ca_path: str = ""
    policy: Policy | None = None

    @property
    def address(self) -> str:
        """What it is reached by; may hold a secret."""
        return {
            "http": self.url,
            "tcp": f"{self.host}:{self.port}",
            "command": self.argv[0] if self.argv else "",
            "container": self.container,
        }[self.kind]


class Result(t.NamedTuple):
    """What came of probing one target.

    :param cause: the named cause of the failure, empty when healthy.
    :param message: what was found, a sentence; secrets are masked.
    :param evidence: the facts that prove it (status, headers, body, listening ports, log lines); secrets are masked.
    :param attempts: number of tries.
    :param seconds: from the first try to the verdict.
    :param remedy: what to do about it, empty when healthy.
    """

    name: str
    healthy: bool
    cause: str
    message: str
    evidence: dict[str, t.Any]
    attempts: int
    seconds: float
    remedy: str = ""


class Success(t.NamedTuple):
    """A try that went well.

    :param evidence: what was seen.
    :param run: when it differs from that of the try before, the thing was restarted in between; counting begins anew.
    """

    evidence: dict[str, t.Any]
    run: str = ""


class Clean:
    """Makes text from outside fit to be shown: secrets masked, control characters replaced, cut to a length."""

    def __init__(self, secrets: t.Iterable[str] = ()) -> None:
        self._secrets = tuple(secrets)

    def __call__(self, text: str | bytes, limit: int = EXCERPT) -> str:
        """Mask first, cut last: half a secret would not be found any more."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        masked = mask(text, self._secrets)
        shown = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in masked[: limit + 1])
        return shown if len(masked) <= limit else shown[:limit] + "…"


class Probe(abc.ABC):
    """One way of asking a thing whether it works. A new kind is one subclass and one line in C(loop.make_probe)."""

    def __init__(self, target: Target, system: System, clean: Clean) -> None:
        self.name = target.name or clean(target.address)
        self.target = target
        self.system = system
        self.clean = clean

    @abc.abstractmethod
    def attempt(self, timeout: float) -> Success:
        """Ask once, within ``timeout`` seconds.

        :raises SlipwayError: it did not: ``cause`` names why, ``evidence`` proves it, cleaned by ``self.clean``.
        """


# Bad input is refused before anything is touched ------------------------------------------------------------

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2: method and header names
_NOT_IN_URL = re.compile(r"[^\x21-\x7e]")


def validate(targets: t.Sequence[Target], policy: Policy) -> None:
    """Refuse what can never work, naming the list index and the key.

    :raises SlipwayError: C(bad_input).
    """
    _validate_policy(policy, "policy")
    for index, target in enumerate(targets):
        where = f"targets[{index}]"
        if target.kind not in KINDS:
            raise _refusal(f"{where}.kind", "unknown kind", target.kind, " or ".join(KINDS))
        {"http": _validate_http, "tcp": _validate_tcp, "command": _validate_command, "container": _validate_container}[
            target.kind
        ](target, where)
        if target.policy is not None:
            _validate_policy(target.policy, where)


def _validate_http(target: Target, where: str) -> None:
    shown = mask(target.url, ())
    try:
        parts = urllib.parse.urlsplit(target.url)
        port = parts.port
    except ValueError as error:
        raise _refusal(f"{where}.url", f"not a URL ({error})", shown, "http://host:port/path") from None
    if parts.scheme not in ("http", "https"):
        raise _refusal(f"{where}.url", "needs the scheme http or https", shown, "http://host:port/path")
    if not parts.hostname or port == 0:
        raise _refusal(
            f"{where}.url", "needs a host, and a port from 1 to 65535 if any", shown, "http://host:port/path"
        )
    if _NOT_IN_URL.search(target.url):
        raise _refusal(f"{where}.url", "has a character that must be percent-encoded", shown, "printable ASCII")
    if parts.username is not None:
        raise _refusal(f"{where}.url", "has a user name in it", shown, f"{where}.headers.Authorization instead")
    if not _TOKEN.fullmatch(target.method):
        raise _refusal(f"{where}.method", "not an HTTP method", target.method, "GET, POST, …")
    for name, value in target.headers.items():
        if not _TOKEN.fullmatch(name):
            raise _refusal(f"{where}.headers", "not a header name", name, "letters, digits and hyphens")
        if "\r" in value or "\n" in value:
            raise _refusal(f"{where}.headers.{name}", "the value has a line break in it", None, "one line")
    for status in target.status:
        if not 100 <= status <= 599:
            raise _refusal(f"{where}.status", "not an HTTP status", status, "100 to 599")


def _validate_tcp(target: Target, where: str) -> None:
    if not target.host:
        raise _refusal(f"{where}.host", "missing", target.host, "a host name or an address")
    if not 1 <= target.port <= 65535:
        raise _refusal(f"{where}.port", "not a TCP port", target.port, "1 to 65535")


def _validate_command(target: Target, where: str) -> None:
    if not target.argv or not target.argv[0]:
        raise _refusal(f"{where}.argv", "missing", list(target.argv), "a list: the program and its arguments")
    if any("\0" in part for part in target.argv):
        raise _refusal(f"{where}.argv", "has a NUL character in it", None, "text")


def _validate_container(target: Target, where: str) -> None:
    if not target.container:
        raise _refusal(f"{where}.container", "missing", target.container, "the name of a container")


def _validate_policy(policy: Policy, where: str) -> None:
    if policy.successes < 1:
        raise _refusal(f"{where}.successes", "too small", policy.successes, "1 or more")
    for key in ("minimum", "interval", "timeout", "deadline", "wrong_port_after"):
        value = getattr(policy, key)
        zero_is_fine = key in ("minimum", "wrong_port_after")
        if not math.isfinite(value) or value < 0 or (value == 0 and not zero_is_fine):
            wanted = "seconds, 0 or more" if zero_is_fine else "seconds, more than 0"
            raise _refusal(f"{where}.{key}", "not a usable duration", value, wanted)
    needed = max(policy.minimum, (policy.successes - 1) * policy.interval)
    if needed >= policy.deadline:
        raise _refusal(
            f"{where}.deadline",
            f"too short: {policy.successes} successes {policy.interval:g} s apart over at least {policy.minimum:g} s"
            f" take {needed:g} s",
            policy.deadline,
            f"more than {needed:g}",
        )


def _refusal(obj: str, what: str, actual: object, wanted: str) -> SlipwayError:
    return SlipwayError(
        what, obj=obj, actual=actual, wanted=wanted, remedy="Nothing was probed; correct it.", cause="bad_input"
    )
