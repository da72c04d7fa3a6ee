# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which provider moves traffic here (private to the collection)."""

from __future__ import annotations

import typing as t

from ..errors import SlipwayError
from ..system import System
from .model import Provider

PROVIDERS = ("haproxy", "nginx", "caddy", "traefik")


def provider(
    name: str,
    system: System,
    *,
    platform: str,
    environment: str,
    settings: t.Mapping[str, t.Any] | None = None,
    secrets: t.Mapping[str, str] | None = None,
) -> Provider:
    """The provider of this name.

    :param secrets: of which certificates are made; None where those that are kept are to stay (C(Certificates)).

    :param settings: what differs from Debian's places: fields of C(Settings). None means default, and what the other
        provider alone has is passed over.
    :raises SlipwayError: C(unknown_provider).
    """
    given = {key: value for key, value in (settings or {}).items() if value is not None}
    if name == "haproxy":
        from .haproxy import Haproxy
        from .haproxy_files import Settings

        return Haproxy(system, platform, environment, _settings(Settings(), given), secrets=secrets)
    if name == "nginx":
        from .nginx import Nginx
        from .nginx import Settings as NginxSettings

        return Nginx(system, platform, environment, _settings(NginxSettings(), given), secrets=secrets)
    if name == "caddy":
        from .caddy import Caddy
        from .caddy import Settings as CaddySettings

        return Caddy(system, platform, environment, _settings(CaddySettings(), given), secrets=secrets)
    if name == "traefik":
        from .traefik import Settings as TraefikSettings
        from .traefik import Traefik

        return Traefik(system, platform, environment, _settings(TraefikSettings(), given), secrets=secrets)
    raise SlipwayError(
        "unknown provider of traffic",
        obj="provider",
        actual=name,
        wanted=" or ".join(PROVIDERS),
        cause="unknown_provider",
    )


def _settings(default: t.Any, given: t.Mapping[str, t.Any]) -> t.Any:
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return default._replace(**{key: value for key, value in fields.items() if key in default._fields})
