# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a Caddyfile by which Caddy listens and ends TLS, and of its JSON (private to the collection).

Pure functions. Caddy keeps a certificate that it has loaded once, and before 2.7 also when no configuration names it any more;
which of those with the same names a client gets is then decided by their tags. So in the running configuration the tag of
a certificate is made of what it is.
"""

from __future__ import annotations

import copy
import os
import re
import typing as t

from .certificates import Pair
from .listening import EVERY_IPV4, addresses
from .model import Traffic
from .tls import ACME_PATH, MINIMUMS, Tls

_NOTE = re.compile(r"^# slipway-certificate: (\S+) (\S+)$", re.MULTILINE)


def bind(traffic: Traffic) -> str:
    """The line that says at which addresses."""
    return f"bind {' '.join('0.0.0.0' if one == EVERY_IPV4 else one.strip('[]') for one in addresses(traffic.bind))}"


def scheme(traffic: Traffic) -> str:
    """How clients come."""
    return "https" if traffic.tls else "http"


def directives(traffic: Traffic, pairs: t.Sequence[Pair]) -> list[str]:
    """How the site ends TLS; nothing where it does not. The ciphers of TLS 1.2 are Caddy's own: the same list."""
    tls = traffic.tls
    if tls is None:
        return []
    first, *others = pairs
    return [
        f"tls {first.path} {first.path} {{",
        f"\tprotocols {_version(tls.minimum)} {_version(MINIMUMS[-1])}",
        "\tcurves x25519 secp256r1 secp384r1",
        f"\talpn {'h2 ' if tls.http2 else ''}http/1.1",
        "}",
        *(f"tls {pair.path} {pair.path}" for pair in others),
    ]


def hsts(traffic: Traffic) -> list[str]:
    """The header that keeps browsers to HTTPS."""
    if traffic.tls is None or not traffic.tls.hsts:
        return []
    return [f"header Strict-Transport-Security max-age={traffic.tls.hsts}"]


def challenge(tls: Tls) -> list[str]:
    """What an ACME server asks goes to whom it asks; Caddy itself has none under way."""
    return [f"reverse_proxy {ACME_PATH}* 127.0.0.1:{tls.acme_port}"] if tls.acme_port else []


def redirect(traffic: Traffic) -> str:
    """Where plain HTTP leads to."""
    port = "" if traffic.listen == 443 else f":{traffic.listen}"
    return f"redir https://{{http.request.host}}{port}{{http.request.uri}} 308"


# The running configuration, in JSON ---------------------------------------------------------------------------


def files_of(config: t.Mapping[str, t.Any], name: str) -> list[dict[str, t.Any]]:
    """The certificates of a platform that a configuration loads.

    :param name: of the platform in its environment: that of their directory.
    """
    loaded = ((config.get("apps") or {}).get("tls") or {}).get("certificates") or {}
    return [one for one in loaded.get("load_files") or [] if _is_of(one, name)]


def tagged(
    server: dict[str, t.Any], files: t.Sequence[dict[str, t.Any]], text: str
) -> tuple[dict[str, t.Any], list[t.Any]]:
    """A server and its certificates with tags that are made of what they are.

    :param text: the Caddyfile that they come from.
    """
    prints = dict(_NOTE.findall(text))
    new = {one["tags"][0]: f"{one['certificate']} {prints.get(one['certificate'], '')}" for one in files}
    server = copy.deepcopy(server)
    for policy in server.get("tls_connection_policies") or []:
        selection = policy.get("certificate_selection") or {}
        if "any_tag" in selection:
            selection["any_tag"] = [new.get(tag, tag) for tag in selection["any_tag"]]
    return server, [{**one, "tags": [new[one["tags"][0]]]} for one in files]


def put_files(config: dict[str, t.Any], name: str, files: t.Sequence[t.Any]) -> None:
    """Let a configuration load these certificates of a platform, and no others of it."""
    if not files and not files_of(config, name):
        return
    loaded = config["apps"].setdefault("tls", {}).setdefault("certificates", {})
    others = [one for one in loaded.get("load_files") or [] if not _is_of(one, name)]
    loaded["load_files"] = [*others, *files]
    if not loaded["load_files"]:
        del loaded["load_files"]


def _is_of(one: t.Mapping[str, t.Any], name: str) -> bool:
    directory, _slash, _file = str(one.get("certificate", "")).rpartition("/")
    return os.path.basename(directory) == name and os.path.basename(os.path.dirname(directory)) == "tls"


def _version(text: str) -> str:
    return text.lower().replace("v", "")
