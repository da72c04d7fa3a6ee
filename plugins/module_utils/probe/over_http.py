# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Healthy is what answers an HTTP request as expected (private to the collection).

Never follows a redirect: a health check that redirects proves nothing about the program, and where it points to is
the best hint at what is misconfigured.
"""

from __future__ import annotations

import http.client
import io
import os
import re
import socket
import ssl
import typing as t
import urllib.parse

from ..errors import SlipwayError
from ..system import System
from .model import Clean, Probe, Success, Target
from .tcp import connect, empty, failure

BODY_LIMIT = 256 * 1024  # bytes; more than any health page, and an endless stream must not fill the memory

_SHOWN_HEADERS = ("server", "via", "location", "content-type", "content-length", "retry-after", "www-authenticate")

# What programs say about a Host header that they do not accept.
_HOST_REJECTED = re.compile(
    r"Invalid HTTP_HOST header"  # Django with DEBUG
    r"|<h1>Bad Request \(400\)</h1>"  # Django without: its answer to a suspicious request, and of a GET only Host is
    r"|Blocked hosts?:"  # Rails
    r"|Invalid Host header"  # webpack-dev-server, Starlette
    r"|This host \(.{0,300}\) is not allowed"  # Vite
    r"|Host .{0,300} is not trusted"  # Werkzeug
    r"|(?:Untrusted|Invalid) Host \""  # Symfony
    r"|Access through untrusted domain"  # Nextcloud
    r"|Bad Request - Invalid Hostname",  # ASP.NET Core, http.sys
    re.IGNORECASE,
)
# What TLS servers say to a request without TLS.
_WANTS_TLS = re.compile(
    r"plain HTTP request was sent to HTTPS port"  # nginx
    r"|HTTP request to an HTTPS server"  # Go
    r"|speaking plain HTTP to an SSL"  # Apache
)


class Answer(t.NamedTuple):
    """An HTTP response; the body holds at most C(BODY_LIMIT) bytes."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


class HttpProbe(Probe):
    """Sends one request on a fresh connection and judges the answer."""

    def __init__(self, target: Target, system: System, clean: Clean) -> None:
        """:raises SlipwayError: C(bad_input) when C(ca_path) is of no use."""
        super().__init__(target, system, clean)
        self._tls = _tls_context(target) if urllib.parse.urlsplit(target.url).scheme == "https" else None

    def attempt(self, timeout: float) -> Success:
        end = self.system.monotonic() + timeout
        answer = exchange(self.target, self._tls, lambda: end - self.system.monotonic(), self.clean)
        return Success(judge(self.target, answer, self.clean))


# Judging ----------------------------------------------------------------------------------------------------


def judge(target: Target, answer: Answer, clean: Clean) -> dict[str, t.Any]:
    """Compare an answer with what the target expects.

    :returns: the evidence.
    :raises SlipwayError: C(redirect), C(host_rejected), C(tls), C(status), C(body).
    """
    evidence: dict[str, t.Any] = {
        "status": answer.status,
        "reason": clean(answer.reason, 100),
        "headers": {name: clean(answer.headers[name]) for name in _SHOWN_HEADERS if name in answer.headers},
    }
    expected = answer.status in target.status if target.status else 200 <= answer.status <= 299
    text = answer.body.decode("utf-8", "replace")
    if expected and (target.contains is None or target.contains in text):
        return evidence
    evidence["body"] = clean(answer.body)
    if not expected and answer.status in (301, 302, 303, 307, 308) and "location" in answer.headers:
        problem = _redirect(target, answer.headers["location"], clean)
    elif (not expected and answer.status == 421) or _HOST_REJECTED.search(text):
        problem = _host_rejected(target, clean)
    elif answer.status == 400 and _WANTS_TLS.search(text):
        problem = _wants_tls(target)
    elif not expected:
        problem = _status(target, answer)
    else:
        problem = SlipwayError(
            "the body does not contain the text that is expected",
            actual=clean(answer.body, 100),
            wanted=clean(target.contains or "", 100),
            cause="body",
            remedy="The program answers, but not with what contains says: see evidence.body.",
        )
    problem.evidence = evidence
    raise problem


def _redirect(target: Target, location: str, clean: Clean) -> SlipwayError:
    here = urllib.parse.urlsplit(target.url)
    here = here._replace(netloc=_header(target, "host") or here.netloc)
    try:
        there = urllib.parse.urlsplit(urllib.parse.urljoin(here.geturl(), location))
    except ValueError:
        return SlipwayError(
            f"redirects to {clean(location)}, which is no URL",
            cause="redirect",
            remedy="Let the program answer its health path itself.",
        )
    if here.scheme == "http" and there.scheme == "https":
        remedy = (
            "Send the header X-Forwarded-Proto: https, or let the program answer its health path without TLS,"
            " or probe the https address."
        )
    elif there.path.rstrip("/") == here.path.rstrip("/") and there.netloc == here.netloc:
        remedy = f"Write the path as {clean(there.path)}."
    elif there.netloc != here.netloc:
        remedy = f"Send the header Host: {clean(there.netloc)}, or let the program answer its health path for any host."
    else:
        remedy = "Let the program answer its health path itself, without a login, or probe another path."
    return SlipwayError(f"redirects to {clean(there.geturl())}", cause="redirect", remedy=remedy)


def _host_rejected(target: Target, clean: Clean) -> SlipwayError:
    sent = _header(target, "host") or urllib.parse.urlsplit(target.url).netloc
    return SlipwayError(
        f"the program does not accept the host name {clean(sent)}",
        cause="host_rejected",
        remedy="Send a name that it accepts in the header Host, or add this one to the hosts that the program allows.",
    )


def _wants_tls(target: Target) -> SlipwayError:
    return SlipwayError(
        "the server expects TLS on this port",
        cause="tls",
        remedy=f"Probe https://{target.url.partition('://')[2].partition('/')[0]} instead.",
    )


def _status(target: Target, answer: Answer) -> SlipwayError:
    hints = {
        401: "Let the program answer its health path without a login, or send one in headers.",
        403: "Let the program answer its health path without a login, or send one in headers.",
        404: "See whether the path is right, and whether the port belongs to this program.",
        502: "A proxy answers in place of the program: see whether the program behind it runs.",
        503: "The program says that it is not ready: see evidence.body and its logs.",
    }
    return SlipwayError(
        "answered with another status than expected",
        actual=answer.status,
        wanted=" or ".join(str(status) for status in target.status) or "200 to 299",
        cause="status",
        remedy=hints.get(answer.status, "See evidence.body and the logs of the program."),
    )


# The exchange -----------------------------------------------------------------------------------------------


def exchange(target: Target, tls: ssl.SSLContext | None, left: t.Callable[[], float], clean: Clean) -> Answer:
    """Send the request and read the answer.

    :param tls: how to check certificates; None for plain HTTP.
    :param left: says how many seconds are left; a server that sends a byte now and then cannot stretch it.
    :raises SlipwayError: C(dns), C(refused), C(timeout), C(unreachable), C(tls), C(reset), C(empty), C(protocol).
    """
    parts = urllib.parse.urlsplit(target.url)
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    plain = connect(host, port, left)
    timed = _TimedSocket(plain, left)
    try:
        if tls:
            timed.start_tls(tls, _tls_name(target, host))
        timed.phase = "sending the request"
        connection = http.client.HTTPConnection(host, port)
        connection.sock = t.cast(socket.socket, timed)  # http.client only sends, makes a file and closes
        _send(connection, target, parts)
        timed.phase = "waiting for the answer"
        response = connection.getresponse()
        timed.phase = "reading the body"
        return Answer(response.status, response.reason, _headers(response), _body(response))
    except http.client.RemoteDisconnected:
        raise empty(f"{host}:{port}", "closed the connection without an answer") from None
    except http.client.IncompleteRead as error:
        raise _protocol(f"cut the body after {len(error.partial)} bytes", cause="reset") from None
    except http.client.BadStatusLine as error:
        raise _not_http(str(error), target, clean) from None
    except http.client.HTTPException as error:
        raise _protocol(f"breaks the rules of HTTP ({type(error).__name__}: {clean(str(error), 100)})") from None
    except ssl.SSLError as error:
        raise _tls_failure(error, target, timed.phase, clean) from None
    except OSError as error:
        raise failure(error, f"{host}:{port}", timed.phase) from None
    except ValueError as error:  # what the parsers of the standard library cannot take
        raise _protocol(f"answers with something that cannot be read ({clean(str(error), 100)})") from None
    finally:
        timed.finish()


def _send(connection: http.client.HTTPConnection, target: Target, parts: urllib.parse.SplitResult) -> None:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.putrequest(target.method, path, skip_host=_header(target, "host") is not None, skip_accept_encoding=True)
    body = None if target.body is None else target.body.encode("utf-8")
    headers = {"accept-encoding": "identity", "connection": "close", "user-agent": "slipway-health-probe"}
    if body is not None or target.method in ("POST", "PUT", "PATCH"):
        headers["content-length"] = str(len(body or b""))
    given = {name.lower() for name in target.headers}
    for name, value in headers.items():
        if name not in given:
            connection.putheader(name.title(), value)
    for name, value in target.headers.items():
        connection.putheader(name, value.encode("utf-8"))
    connection.endheaders(body)


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    # http.client reads header bytes as Latin-1; programs write UTF-8, and a secret must be recognised.
    return {
        name.lower(): value.encode("latin-1", "replace").decode("utf-8", "replace")
        for name, value in response.getheaders()
    }


def _body(response: http.client.HTTPResponse) -> bytes:
    if (response.getheader("content-type") or "").startswith("text/event-stream"):
        return b""  # never ends
    parts: list[bytes] = []
    room = BODY_LIMIT
    while room > 0:
        part = response.read(room)
        if not part:
            break
        parts.append(part)
        room -= len(part)
    if room > 0 and response.length:
        raise http.client.IncompleteRead(b"".join(parts), response.length)  # read(n) itself does not complain
    return b"".join(parts)


def _header(target: Target, wanted: str) -> str | None:
    return next((value for name, value in target.headers.items() if name.lower() == wanted), None)


class _TimedSocket:
    """A socket on which all operations together may take so long and no longer.

    A plain socket's timeout begins anew with every byte; and a file of it would keep the first one.
    """

    def __init__(self, connection: socket.socket, left: t.Callable[[], float]) -> None:
        self._connection = connection
        self._left = left
        self.phase = "connecting"

    def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        self.phase = "agreeing on TLS"
        self._connection = context.wrap_socket(self._ready(), server_hostname=name)

    def sendall(self, data: bytes) -> None:
        self._ready().sendall(data)

    def receive_into(self, buffer: t.Any) -> int:
        return self._ready().recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What C(http.client.HTTPResponse) reads from."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Called by C(http.client) as soon as the headers are read, when the body still has to be."""

    def finish(self) -> None:
        self._connection.close()

    def _ready(self) -> socket.socket:
        seconds = self._left()
        if seconds <= 0:
            raise socket.timeout("timed out")
        self._connection.settimeout(seconds)
        return self._connection


class _Reader(io.RawIOBase):
    def __init__(self, source: _TimedSocket) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        return self._source.receive_into(buffer)


# TLS and what is not HTTP -----------------------------------------------------------------------------------


def _tls_name(target: Target, host: str) -> str:
    """The name that the certificate must have: of the Host header, so that a machine can be asked by its address."""
    given = _header(target, "host")
    return host if given is None else urllib.parse.urlsplit(f"//{given}").hostname or host


def _tls_context(target: Target) -> ssl.SSLContext:
    try:
        is_directory = os.path.isdir(target.ca_path)
        context = ssl.create_default_context(
            cafile=target.ca_path if target.ca_path and not is_directory else None,
            capath=target.ca_path if is_directory else None,
        )
    except OSError as error:  # ssl.SSLError is one
        raise SlipwayError(
            f"ca_path cannot be used ({error.strerror or error})",
            obj=target.name or target.ca_path,
            actual=target.ca_path,
            cause="bad_input",
            remedy="Name a PEM file, or a directory made by c_rehash, on the machine that probes.",
        ) from None
    if not target.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _tls_failure(error: ssl.SSLError, target: Target, phase: str, clean: Clean) -> SlipwayError:
    evidence = {"phase": phase}
    if isinstance(error, ssl.SSLCertVerificationError):
        return SlipwayError(
            f"the TLS certificate is not valid ({clean(error.verify_message, 200)})",
            cause="tls",
            remedy="Correct the certificate, name its issuer in ca_path, or set validate_certs to false.",
            evidence=evidence,
        )
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return SlipwayError(
            "the server does not speak TLS on this port",
            cause="tls",
            remedy=f"Probe http://{target.url.partition('://')[2].partition('/')[0]} instead.",
            evidence=evidence,
        )
    return SlipwayError(
        f"TLS failed while {phase} ({error.reason or clean(str(error), 200)})",
        cause="tls",
        remedy="See what protocol versions and certificates the server allows.",
        evidence=evidence,
    )


def _not_http(line: str, target: Target, clean: Clean) -> SlipwayError:
    if line[:2] == "\x15\x03":  # RFC 8446 section 5.1: the record of a TLS alert
        return _wants_tls(target)
    return _protocol(f"does not speak HTTP; it said: {clean(line.strip(), 100)}")


def _protocol(what: str, cause: str = "protocol") -> SlipwayError:
    return SlipwayError(
        what,
        cause=cause,
        remedy="See whether this port belongs to the program that is meant, and the logs of the program.",
    )
