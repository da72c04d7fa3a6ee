# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates on a balancer: read, checked before anything is touched, kept for the proxy (private to the collection).

Each is one file with key and chain, which HAProxy, nginx and Caddy all take. What is in them is asked of C(openssl), by its
standard input: a key is in no argument and in no message.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import ssl
import stat
import typing as t

from ..errors import SlipwayError
from ..system import System
from .tls import Source, Tls, covers, is_file

WARNED = 21 * 86400.0  # seconds before its end from which a certificate is told as about to end
LEAST = 3600.0  # seconds that a new one must be good for: a release must not outlive it
SECONDS = 20.0

OWN = ".own"  # what the files end with that are of one certificate alone

_CERTIFICATE = "CERTIFICATE"
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s.*?\n-----END \1-----", re.DOTALL)
_NAME = re.compile(r"(?:DNS|IP Address):([^,\s]+)")


class Facts(t.NamedTuple):
    """What a certificate says: the names it is good for, and from when to when (seconds since the epoch)."""

    hosts: tuple[str, ...]
    not_before: float
    not_after: float
    sha1: str
    subject: str
    issuer: str
    public_key: str


class Pair:
    """A certificate with its key, checked, and the file that the proxy has it in."""

    def __init__(self, source: Source, path: str, pem: str, facts: Facts, *, differs: bool) -> None:
        self.name = source.name
        self.path = path
        self.pem = pem
        self.facts = facts
        self.differs = differs  # from what is in the file now

    @property
    def own_path(self) -> str:
        """A file for this one alone, which no other one is ever written over: for a proxy that reads key and chain one after the
        other, whenever anything beside them changes."""
        return f"{self.path.removesuffix('.pem')}.{self.facts.sha1.lower()}{OWN}"

    def told(self) -> str:
        """For people."""
        return f"certificate for {', '.join(self.facts.hosts) or 'no name'}, good until {day(self.facts.not_after)}"


def notes(pairs: t.Iterable[Pair]) -> list[str]:
    """Comments of a proxy's file by which another certificate is another text."""
    return [f"# slipway-certificate: {pair.path} {pair.facts.sha1}" for pair in pairs]


class Certificates:
    """Those of one platform on one balancer.

    :param directory: of all platforms' certificates on this proxy.
    :param secrets: the values of those secrets that are named; None where what is kept is to stay, whatever there is
        new: to close a platform, or to take a release back, needs no new certificate.
    :param mode: of the files; 0600 where the proxy reads them as root.
    """

    def __init__(
        self,
        system: System,
        directory: str,
        platform: str,
        environment: str,
        secrets: t.Mapping[str, str] | None,
        *,
        mode: int = 0o600,
    ) -> None:
        self._system = system
        self._secrets = secrets
        self._mode = mode
        self.directory = os.path.join(directory, f"{platform}-{environment}")

    def path(self, source: Source) -> str:
        """The file that the proxy has it in."""
        return os.path.join(self.directory, f"{source.name}.pem")

    def read(self, tls: Tls | None, hosts: t.Iterable[str]) -> list[Pair]:
        """All that are wanted, each checked unless it is what is kept already.

        :param hosts: that one of them must be good for.
        :raises SlipwayError: C(certificate_…), naming where it comes from.
        """
        pairs = [self._pair(source) for source in tls.certificates] if tls else []
        known = [name for pair in pairs for name in pair.facts.hosts]
        missing = sorted({host for host in hosts if not any(covers(name, host) for name in known)})
        if tls and missing and self._secrets is not None:
            raise SlipwayError(
                "no certificate is good for this host",
                obj=", ".join(missing),
                actual=", ".join(known) or "no name",
                remedy="Add its certificate to slipway_traffic.tls.certificates, or get one that has this name.",
                cause="certificate_wrong_host",
            )
        return pairs

    def refused(self, tls: Tls, hosts: t.Sequence[str]) -> list[str]:
        """What C(read) would raise, in words."""
        try:
            self.read(tls, hosts)
        except SlipwayError as error:
            return [error.message]
        return []

    def put(self, pair: Pair, file: str = "") -> None:
        """Keep it for the proxy, durably.

        :param file: other than where it is looked for the next time.
        """
        for path in (os.path.dirname(self.directory), self.directory):
            self._system.make_directory(path, mode=0o700)
            if self._mode & 0o040:
                # For the group of the directory above, which it has by the set-group-ID bit.
                mode = stat.S_IMODE(os.stat(path).st_mode) | stat.S_IRGRP | stat.S_IXGRP
                os.chmod(path, mode)
        self._system.replace_file(file or pair.path, pair.pem.encode(), mode=self._mode)

    def put_apart(self, pairs: t.Sequence[Pair]) -> None:
        """Keep each in its C(own_path), too."""
        for pair in pairs:
            if self._system.read_file(pair.own_path) != pair.pem.encode():
                self.put(pair, pair.own_path)

    def prune_apart(self, pairs: t.Sequence[Pair]) -> None:
        """Remove what C(put_apart) has kept of others."""
        for path in glob.glob(os.path.join(glob.escape(self.directory), f"*{OWN}")):
            if path not in [pair.own_path for pair in pairs]:
                self._system.unlink(path)

    @contextlib.contextmanager
    def replaced(self, pairs: t.Sequence[Pair]) -> t.Iterator[None]:
        """Keep them for a proxy that is about to read its files; when it does not take them, those from before are back."""
        before = {pair.path: self._system.read_file(pair.path) for pair in pairs}
        for pair in pairs:
            self.put(pair)
        try:
            yield
        except SlipwayError:
            for path, old in before.items():
                if old is None:
                    self._system.unlink(path)
                else:
                    self._system.replace_file(path, old, mode=self._mode)
            raise

    def prune(self, *used: Tls | None) -> None:
        """Remove what none of these names."""
        kept = {self.path(source) for tls in used if tls for source in tls.certificates}
        for path in glob.glob(os.path.join(glob.escape(self.directory), "*.pem")):
            if path not in kept:
                self._system.unlink(path)

    def seen(self, tls: Tls | None) -> list[dict[str, t.Any]]:
        """What the balancer has, for status; what cannot be read is left out."""
        found = []
        for source in tls.certificates if tls else ():
            kept = self._kept(source)
            facts = facts_of(self._system, first_certificate(kept), source.name) if kept else None
            if facts is not None:
                left = facts.not_after - self._system.wall()
                found.append(
                    {
                        "name": source.name,
                        "hosts": list(facts.hosts),
                        "until": facts.not_after,
                        "seconds_left": round(left),
                    }
                )
        return found

    # Steps --------------------------------------------------------------------------------------------------

    def _pair(self, source: Source) -> Pair:
        kept = self._kept(source)
        if kept and (self._secrets is None or not self._is_there(source)):
            pem, where = kept, self.path(source)
        else:
            pem, where = self._given(source)
        facts = facts_of(self._system, first_certificate(pem), where)
        if facts is None:
            raise _unreadable(where)
        if pem != kept:
            self._check(source, pem, facts)
        return Pair(source, self.path(source), pem, facts, differs=pem != kept)

    def _kept(self, source: Source) -> str:
        return (self._system.read_file(self.path(source)) or b"").decode(errors="replace")

    def _is_there(self, source: Source) -> bool:
        """Whether somebody has given it: a secret may have gone from the site since the release that is in force."""
        return all(is_file(place) or place in (self._secrets or {}) for place in (source.chain, source.key))

    def _given(self, source: Source) -> tuple[str, str]:
        """Key and chain as one text, and where the chain is from."""
        chain = [text for kind, text in _blocks(self._text(source.chain)) if kind == _CERTIFICATE]
        keys = [text for kind, text in _blocks(self._text(source.key)) if kind.endswith("PRIVATE" + " KEY")]
        if not chain:
            raise _unreadable(source.chain)
        if len(keys) != 1:
            raise SlipwayError(
                "is no key",
                obj=source.key,
                actual=f"{len(keys)} keys",
                wanted="one private key in PEM",
                remedy="Give the key that the certificate was made with.",
                cause="certificate_key_unreadable",
            )
        return "\n".join([*keys, *chain]) + "\n", source.chain

    def _text(self, place: str) -> str:
        found = self._system.read_file(place) if is_file(place) else None
        text = found.decode(errors="replace") if found is not None else (self._secrets or {}).get(place)
        if text is None:
            what = "no such file on this balancer" if is_file(place) else "no such secret was handed over"
            remedy = "Put it there" if is_file(place) else "Add it to slipway_secrets"
            raise SlipwayError(
                what, obj=place, remedy=f"{remedy}, or correct slipway_traffic.tls.", cause="certificate_missing"
            )
        return text

    def _check(self, source: Source, pem: str, facts: Facts) -> None:
        """Refuse what clients would refuse.

        :raises SlipwayError: C(certificate_…).
        """
        self._check_chain(source, pem)
        public = _openssl(self._system, ["pkey", "-pubout", "-passin", "pass:"], pem)
        if public is None:
            raise SlipwayError(
                "the key cannot be read",
                obj=source.key,
                wanted="a key in PEM without a passphrase",
                remedy="Take the passphrase off (openssl pkey): the proxy has nobody to ask for it.",
                cause="certificate_key_unreadable",
            )
        if _bare(public) != _bare(facts.public_key):
            raise SlipwayError(
                "certificate and key do not belong together",
                obj=f"{source.chain} and {source.key}",
                remedy="Give the key that this certificate was made with; the certificate of the host itself comes first.",
                cause="certificate_key_mismatch",
            )
        self._check_time(source, facts)
        missing = [host for host in source.hosts if not any(covers(name, host) for name in facts.hosts)]
        if missing:
            raise SlipwayError(
                "the certificate is not good for this host",
                obj=f"{source.chain}: {', '.join(missing)}",
                actual=", ".join(facts.hosts) or "no name at all",
                remedy="Get one that has this name among its alternative names, or correct hosts.",
                cause="certificate_wrong_host",
            )

    def _check_time(self, source: Source, facts: Facts) -> None:
        now = self._system.wall()
        if facts.not_before > now:
            what, cause = "the certificate is not valid yet", "certificate_not_yet_valid"
            when = f"valid from {day(facts.not_before)}"
        elif facts.not_after <= now:
            what, cause, when = "the certificate has expired", "certificate_expired", f"on {day(facts.not_after)}"
        elif facts.not_after - now < LEAST:
            what, cause = "the certificate would expire before the release is over", "certificate_expires"
            when = f"{(facts.not_after - now) / 60:.0f} minutes left"
        else:
            return
        remedy = "Get a new one; and is this machine's clock right?"
        raise SlipwayError(what, obj=source.chain, actual=when, remedy=remedy, cause=cause)

    def _check_chain(self, source: Source, pem: str) -> None:
        """Each certificate is followed by that of its issuer (RFC 8446, section 4.4.2, as clients of TLS 1.2 want it)."""
        chain = [text for kind, text in _blocks(pem) if kind == _CERTIFICATE]
        known = [facts_of(self._system, text, source.chain) for text in chain]
        for index, (one, following) in enumerate(zip(known, known[1:]), start=2):
            if one is None or following is None or one.issuer != following.subject:
                raise SlipwayError(
                    f"certificate {index} of the chain is not that of the issuer of the one before it",
                    obj=source.chain,
                    actual=following.subject if following else "nothing that can be read",
                    wanted=one.issuer if one else None,
                    remedy="Put the host's own certificate first, then each issuer's, without the root.",
                    cause="certificate_chain",
                )


def facts_of(system: System, certificate: str, where: str) -> Facts | None:
    """What a certificate in PEM says; None when it is none.

    :raises SlipwayError: C(command_missing) without C(openssl).
    """
    what = ["-noout", "-subject", "-issuer", "-dates", "-fingerprint", "-sha1", "-ext", "subjectAltName", "-pubkey"]
    said = _openssl(system, ["x509", *what], certificate) if certificate else None
    if said is None:
        return None
    fields = dict(line.split("=", 1) for line in said.splitlines() if "=" in line and not line.startswith(" "))
    fields = {name.strip().lower(): value.strip() for name, value in fields.items()}
    keys = [text for kind, text in _blocks(said) if kind == "PUBLIC KEY"]
    try:
        return Facts(
            hosts=tuple(name.lower() for name in _NAME.findall(said)),
            not_before=float(ssl.cert_time_to_seconds(fields["notbefore"])),
            not_after=float(ssl.cert_time_to_seconds(fields["notafter"])),
            sha1=next(value for name, value in fields.items() if name.startswith("sha1 fingerprint")).replace(":", ""),
            subject=fields["subject"],
            issuer=fields["issuer"],
            public_key=keys[0],
        )
    except (KeyError, ValueError, IndexError, StopIteration):
        raise _unreadable(where) from None


def ending(certificates: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Of what C(Certificates.seen) has found, those that end soon, in words."""
    return [
        f"certificate for {', '.join(one['hosts']) or one['name']}: {told_left(one['seconds_left'])}; get a new one."
        for one in certificates
        if one["seconds_left"] < WARNED
    ]


def told_left(seconds: float) -> str:
    """How long a certificate is good for, for people."""
    if seconds <= 0:
        return f"expired {-seconds / 86400:.0f} days ago"
    return f"ends in {seconds / 86400:.0f} days" if seconds > 2 * 86400 else f"ends in {seconds / 3600:.0f} hours"


def first_certificate(pem: str) -> str:
    """The certificate of the host itself; nothing where there is none."""
    return next((text for kind, text in _blocks(pem) if kind == _CERTIFICATE), "")


def day(seconds: float) -> str:
    """A time for people."""
    import time

    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _blocks(text: str) -> list[tuple[str, str]]:
    """The parts of a PEM file (RFC 7468): kind and text, without what stands between them, empty lines and trailing spaces."""
    found = []
    for match in _BLOCK.finditer(text.replace("\r\n", "\n")):
        lines = [line.strip() for line in match[0].splitlines()]
        found.append((match[1], "\n".join(line for line in lines if line)))
    return found


def _bare(pem: str) -> str:
    return "".join(pem.split())


def _openssl(system: System, argv: t.Sequence[str], pem: str) -> str | None:
    done = system.run(["openssl", *argv], timeout=SECONDS, stdin=pem)
    return done.stdout if done.rc == 0 else None


def _unreadable(where: str) -> SlipwayError:
    return SlipwayError(
        "is no certificate",
        obj=where,
        wanted="the host's certificate and those of its issuers, in PEM",
        remedy="Give the file that is often called fullchain.pem.",
        cause="certificate_unreadable",
    )
