# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What identifies a release (private to the collection).

Version, the part of the configuration that matters to what runs, and the secrets that it uses: the same again is no
release; a change of any of them is one.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from .option import Option

# PBKDF2 (RFC 8018) rather than scrypt: it is there under FIPS too. About 40 ms, once a run.
_ROUNDS = 100_000


def configuration_hash(view: t.Mapping[str, t.Any]) -> str:
    """SHA-256 over the canonical JSON of what C(identity_view) left."""
    return hashlib.sha256(canonical(view)).hexdigest()


def secrets_hash(platform: str, environment: str, secrets: t.Mapping[str, str]) -> str:
    """A slow, salted hash over all secrets together: a journal that holds it gives no short password away.

    :param secrets: names and values that the services use; without any the hash is empty.
    """
    if not secrets:
        return ""
    salt = hashlib.sha256(f"slipway/{platform}/{environment}".encode()).digest()
    return hashlib.pbkdf2_hmac("sha256", canonical(secrets), salt, _ROUNDS).hex()


def release_identity(version: str, configuration: str, secrets: str) -> str:
    """SHA-256 over the three parts."""
    return hashlib.sha256(canonical([version, configuration, secrets])).hexdigest()


def identity_view(option: Option, value: t.Any) -> t.Any:
    """The value without those options that do not change what runs (deadlines, smoke tests, how long to watch)."""
    if value is None:
        return None
    if option.kind == "section":
        known = {inner.name: inner for inner in option.options}
        return {
            name: identity_view(known[name], item) if name in known else item
            for name, item in value.items()
            if name not in known or known[name].identity
        }
    if option.kind == "map" and option.element is not None:
        return {name: identity_view(option.element, item) for name, item in value.items()}
    if option.kind == "list" and option.element is not None:
        items = [identity_view(option.element, item) for item in value]
        return sorted(items) if option.unique else items  # what must not repeat is a set
    return value


def canonical(value: t.Any) -> bytes:
    """JSON with sorted names and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
