# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Traefik on loopback, in a private directory."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

from tests.integration_local.places import free_port

from .apps import get, until
from .proxies import TRAEFIK, Proxy

TRAEFIK_YML = """\
# by hand
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
entryPoints:
  web: {{address: "{at}:{port}"}}
  other: {{address: "{at}:{other}"}}
  slipway: {{address: "127.0.0.1:{api}"}}
providers:
  {throttle}
  file: {{directory: {dir}/slipway.d, watch: true}}
api: {{dashboard: false}}
accessLog: {{filePath: {dir}/log/access.log, format: json}}
"""
API_YML = """\
http:
  routers:
    slipway-api: {entryPoints: [slipway], rule: "PathPrefix(`/api`)", service: api@internal}
"""


ACME_YML = """\
http:
  routers:
    slipway-acme:
      {{entryPoints: [other], rule: "PathPrefix(`/.well-known/acme-challenge/`)", priority: 200000, service: slipway-acme}}
  services:
    slipway-acme: {{loadBalancer: {{servers: [{{url: "http://127.0.0.1:{port}"}}]}}}}
"""


class RealTraefik(Proxy):
    kind = "traefik"
    at = "127.0.0.1"
    program = TRAEFIK

    def __init__(self, directory: pathlib.Path, port: int) -> None:
        super().__init__(directory)
        self.certificates = directory / "slipway.d" / "tls"
        (directory / "log").mkdir()
        (directory / "slipway.d").mkdir()
        (directory / "slipway.d" / "api.yml").write_text(API_YML)
        self.main = directory / "traefik.yml"
        self.port, self.other, self.api_port = port, free_port(), free_port()
        self.by_throttle("providersThrottleDuration: 200ms")

    def by_throttle(self, line: str) -> None:
        """Write its configuration with this line about how soon after one change it takes the next."""
        ports = {"port": self.port, "other": self.other, "api": self.api_port}
        self._line = line
        self.main.write_text(TRAEFIK_YML.format(dir=self.dir, throttle=line, at=self.at, **ports))

    def by_hand(self, *, bind: str = "", acme: int = 0) -> bool:
        """As the page of this provider says."""
        if bind:
            self.at = "" if bind == "::" else bind
            self.by_throttle(self._line)
            self.restart()
        if acme:
            (self.dir / "slipway.d" / "acme.yml").write_text(ACME_YML.format(port=acme))
            until(lambda: get(self.other, "/.well-known/acme-challenge/x")[0] == 502, "Traefik to take the route")
        return True

    def settings(self) -> dict[str, t.Any]:
        return {
            "config_dir": str(self.dir / "slipway.d"),
            "socket": f"127.0.0.1:{self.api_port}",
            "log_dir": str(self.dir / "log"),
            "root": str(self.root),
        }

    def file(self, platform: str = "shop") -> pathlib.Path:
        return self.dir / "slipway.d" / f"{platform}-production.yml"

    def trial(self) -> pathlib.Path:
        """Where rules are tried; it is there only meanwhile."""
        return self.dir / "slipway.d" / "shop-production.trial.yml"

    def another_port(self) -> int:
        return self.other

    def spoil(self) -> str:
        """Of a directory with such a file it takes nothing."""
        (self.dir / "slipway.d" / "by-hand.yml").write_text("http: [")
        return "reload_failed"

    def ports(self) -> tuple[int, int]:
        """Those that its own configuration has."""
        return self.port, self.other

    def serves(self, port: int) -> bool:
        """It listens always."""
        return get(port)[0] != 404

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.program, f"--configFile={self.main}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self.answers, "Traefik to start")

    def answers(self) -> bool:
        try:
            return get(self.api_port, "/api/version")[0] == 200
        except OSError:
            return False

    def reload(self) -> None:
        """It has no command for it: what it watches is written anew."""
        (self.dir / "slipway.d" / "api.yml").write_text(API_YML)

    def kill(self) -> None:
        """As a machine that loses its power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None
