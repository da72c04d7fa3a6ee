# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform's site and its machines, as one thing a test can deploy to."""

from __future__ import annotations

import http.client
import json
import ssl
import typing as t
from pathlib import Path

from tests.lab import Lab
from tests.shop import Run, Site
from tests.shop.images import SHOP

from . import machines, settings

ASKS = 8  # requests on new connections: more than there are servers of one service


class Fleet:
    """A site, and the machines of its inventory.

    :param directory: of the site; a new one.
    :param apps: machines of slipway_app.
    :param proxies: machines of slipway_proxy.
    :param facts: what every inventory of this lab has (registry, database).
    :param variables: variables of the site over those of ``settings.quick``.
    :param example: whose files the site has.
    :ivar blockers: what holds a stage up on a machine, where it is not what holds up containers.
    """

    blockers: t.ClassVar[dict[str, t.Callable[[Lab, str], t.ContextManager[None]]]] = {}

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        *,
        apps: t.Sequence[str],
        proxies: t.Sequence[str],
        facts: t.Mapping[str, t.Any],
        variables: t.Mapping[str, t.Any] | None = None,
        environment: str = "production",
        user: str = "root",
        example: Path = SHOP,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.lab = lab
        self.site = Site(lab, directory, example)
        self.apps, self.proxies = list(apps), list(proxies)
        self.facts = dict(facts)
        self.environment = environment
        self.variables = {**settings.quick(), **(variables or {})}  # a None there is YAML's null: as if not written
        self.write_inventory(user=user)
        self.write_variables()

    # --- the site's files

    @property
    def machines(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys([*self.apps, *self.proxies]))

    def write_inventory(
        self,
        *,
        user: str = "root",
        variables: t.Mapping[str, t.Any] | None = None,
        hosts: t.Mapping[str, t.Mapping[str, t.Any]] | None = None,
    ) -> None:
        """Write the inventory (again), as ``self.apps`` and ``self.proxies`` are now.

        :param variables: of all machines, beside the lab's.
        :param hosts: of single machines.
        """
        groups = {"slipway_app": self.apps, "slipway_proxy": self.proxies}
        facts = {**self.facts, **(variables or {})}
        self.site.write_inventory(groups, facts, environment=self.environment, user=user, hosts=hosts or {})

    def write_variables(self, **changes: t.Any) -> None:
        """Write the site's variables (again); changes stay until the next ones."""
        self.variables.update(changes)
        self.site.write_variables(self.variables, environment=self.environment)

    # --- releasing

    def play(self, playbook: str, *args: str, **env: str) -> Run:
        """Run one of the site's playbooks."""
        return self.site.run(playbook, *args, environment=self.environment, **env)

    def deploy(self, version: str, *args: str, **env: str) -> Run:
        """``ansible-playbook deploy.yml -i production -e slipway_version=…``, to its end."""
        return self.play("deploy.yml", "-e", f"slipway_version={version}", *args, **env)

    def rollback(self, *args: str, **env: str) -> Run:
        """``ansible-playbook rollback.yml -i production``, to its end."""
        return self.play("rollback.yml", *args, **env)

    def report(self) -> dict[str, t.Any]:
        """The report of the last release that ended."""
        name = f"{self.variables.get('slipway_platform', 'shop')}-{self._environment_name}"
        return self.site.report(directory=name)

    # --- looking

    @property
    def url(self) -> str:
        """Where clients connect: the first balancer."""
        return f"http{'s' if self.tls else ''}://{self.lab.address(self.proxies[0])}:{self.listen}"

    @property
    def tls(self) -> bool:
        """Whether clients connect by TLS."""
        return bool((self.variables.get("slipway_traffic") or {}).get("tls"))

    @property
    def listen(self) -> int:
        """The port that clients connect to."""
        return int((self.variables.get("slipway_traffic") or {}).get("listen", 443 if self.tls else 80))

    def get(self, path: str, proxy: str | None = None) -> tuple[int, bytes]:
        """One request on a new connection to a balancer: status and body. Of TLS only that it is there."""
        address = self.lab.address(proxy or self.proxies[0])
        connection = http.client.HTTPConnection(address, self.listen, timeout=10)
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(address, self.listen, timeout=10, context=context)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def serving(self) -> dict[str, set[str]]:
        """Balancer to the versions that answer there: of the back end and of the front end (``502`` for no answer)."""
        return {proxy: {self._version(path, proxy) for path in self._asks()} for proxy in self.proxies}

    def snapshot(self) -> dict[str, list[str]]:
        """See ``machines.snapshot``, of all machines of the platform."""
        return machines.snapshot(self.lab, self.machines)

    def containers(self, machine: str) -> list[machines.Container]:
        """This platform's containers on a machine."""
        found = machines.containers(self.lab, machine)
        return [one for one in found if (one.platform, one.environment) == (self._platform, self._environment_name)]

    def journal(self, machine: str) -> list[dict[str, t.Any]]:
        """This platform's journal on a machine."""
        return machines.journal(self.lab, machine, self._platform, self._environment_name)

    # --- helpers

    @property
    def _platform(self) -> str:
        return str(self.variables.get("slipway_platform", "shop"))

    @property
    def _environment_name(self) -> str:
        return str(self.variables.get("slipway_environment", self.environment))

    def _asks(self) -> list[str]:
        return ["/api/products", "/version"] * ASKS

    def _version(self, path: str, proxy: str) -> str:
        status, body = self.get(path, proxy)
        return str(json.loads(body)["version"]) if status == 200 else str(status)
