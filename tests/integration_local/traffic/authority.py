# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An authority of the tests' own, made anew each time, the certificates that it issues, and clients that trust it."""

from __future__ import annotations

import datetime
import functools
import http.client
import ipaddress
import socket
import ssl
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
HOST = "shop.example.com"


class Issued(t.NamedTuple):
    """A certificate with its chain, and its key, in PEM."""

    chain: str
    key: str
    serial: int


class Authority:
    """A root and, below it, the authority that issues."""

    def __init__(self) -> None:
        self._root_key, self._key = _key(), _key()
        self.root = self._make("Root", self._root_key.public_key(), self._root_key, "Root", authority=True)
        self._below = self._make("Issuer", self._key.public_key(), self._root_key, "Root", authority=True)

    def issue(
        self,
        *hosts: str,
        days: float = 90,
        begins: float = -1,
        password: bytes = b"",
        addresses: t.Sequence[str] = (),
    ) -> Issued:
        """One for these hosts.

        :param days: from now until its end.
        :param begins: in how many days it does.
        """
        key = _key()
        hosts = hosts or (HOST,)
        times = {"days": days, "begins": begins}
        own = self._make("", key.public_key(), self._key, "Issuer", hosts, addresses=addresses, **times)
        chain = "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in (own, self._below))
        protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        return Issued(chain, text.decode(), own.serial_number)

    def _make(
        self,
        name: str,
        public: ec.EllipticCurvePublicKey,
        signer: ec.EllipticCurvePrivateKey,
        issuer: str,
        hosts: t.Sequence[str] = (),
        *,
        authority: bool = False,
        addresses: t.Sequence[str] = (),
        days: float = 90,
        begins: float = -1,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name or hosts[0]))
            .issuer_name(_name(issuer))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if hosts:
            names = x509.SubjectAlternativeName(
                [*map(x509.DNSName, hosts), *(x509.IPAddress(ipaddress.ip_address(one)) for one in addresses)]
            )
            builder = builder.add_extension(names, critical=False)
        return builder.sign(signer, hashes.SHA256())

    def root_pem(self) -> str:
        """What a client must know to trust it."""
        return self.root.public_bytes(serialization.Encoding.PEM).decode()

    def client(self, *protocols: str) -> ssl.SSLContext:
        """What a client has that trusts this authority alone."""
        context = ssl.create_default_context(cadata=self.root_pem())
        context.set_alpn_protocols(list(protocols or ("http/1.1",)))
        return context


class Https(http.client.HTTPConnection):
    """To a port of this machine, verified as that of a host."""

    def __init__(self, port: int, client: ssl.SSLContext, host: str = HOST, address: str = "127.0.0.1") -> None:
        super().__init__(address, port, timeout=10)
        self._client, self._name = client, host

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._client.wrap_socket(self.sock, server_hostname=self._name)


class Seen(t.NamedTuple):
    """An answer, and by which certificate and protocol it came."""

    status: int
    body: str
    headers: dict[str, str]
    serial: int
    version: str


def https(port: int, client: ssl.SSLContext, path: str = "/", host: str = HOST, address: str = "127.0.0.1") -> Seen:
    """One request on a connection of its own."""
    connection = Https(port, client, host, address)
    try:
        connection.request(
            "GET", path, headers={"Host": host, "User-Agent": "slipway-tests"}
        )  # without it Pebble refuses
        answer = connection.getresponse()
        stream = t.cast(ssl.SSLSocket, connection.sock)
        certificate = t.cast("dict[str, t.Any]", stream.getpeercert())
        body = answer.read().decode()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Seen(answer.status, body, headers, int(certificate["serialNumber"], 16), stream.version() or "")
    finally:
        connection.close()


def trusting(issuer: str) -> ssl.SSLContext:
    """What a client has that trusts an issuer, whoever has issued its own certificate."""
    context = ssl.create_default_context(cadata=issuer)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def connector(port: int, client: ssl.SSLContext, host: str = HOST) -> t.Callable[[], http.client.HTTPConnection]:
    """What makes the connections of a C(Load)."""
    return functools.partial(Https, port, client, host)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
