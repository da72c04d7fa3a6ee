# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic by Traefik: a file of ours in the directory that it watches, and its API, which proves that it runs it.

Private to the collection. Traefik listens where its own configuration says, so the entry point of the port must be there.
A file that it cannot read it leaves alone with a line in its log; so nothing is believed before the API names the new
text. But of a file that it reads it takes all, and answers 404 in the place of a route that it refuses; so rules that do
not run yet are tried first, where no client meets them. Its routers and its API change at the same instant.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import traefik_config as config
from .by_file import POLL, RELOAD_SECONDS, ByFile
from .certificates import Certificates
from .listening import EVERY, EVERY_IPV4
from .model import Key, Line, Look, Plan, Traffic, Weights
from .probing import Get, SideLog
from .processes import Processes
from .traefik_tls import expect_possible


class Settings(t.NamedTuple):
    """Where Traefik is on this machine; C(socket) is the address of its API."""

    config_dir: str = "/etc/traefik/slipway.d"
    socket: str = "127.0.0.1:8099"
    log_dir: str = "/var/log/traefik"
    root: str = "/var/lib/slipway"


class Traefik(ByFile):
    """One platform on this machine's Traefik."""

    name = "Traefik"
    command = "traefik"
    notices = (
        "A change of Traefik's files that soon follows another one waits (providersThrottleDuration, 2 s by default):"
        " so does every change of routes or addresses, which are tried first."
        " While the platform is closed it answers 503 without a page, because it has no answers of its own.",
    )
    reload_told = "let Traefik read it"

    def __init__(
        self,
        system: System,
        platform: str,
        environment: str,
        settings: Settings,
        *,
        secrets: t.Mapping[str, str] | None = None,
        processes: Processes | None = None,
        get: Get | None = None,
    ) -> None:
        self._prefix = config.prefix(platform, environment)
        parse = functools.partial(config.parse_log, name=self._prefix)
        super().__init__(
            system,
            platform,
            environment,
            root=settings.root,
            file=os.path.join(settings.config_dir, f"{platform}-{environment}.yml"),
            log=SideLog(os.path.join(settings.log_dir, "access.log"), parse),
            certificates=Certificates(
                system, os.path.join(settings.config_dir, "tls"), platform, environment, secrets, mode=0o640
            ),
            processes=processes,
            get=get,
        )
        self._settings = settings
        self._trial = os.path.join(settings.config_dir, f"{platform}-{environment}.trial.yml")
        # What it has accepted in this run: traffic that goes back is not kept waiting by a trial.
        self._accepted: set[tuple[str, ...]] = set()

    def plan(self, traffic: Traffic, *, shift: bool) -> Plan:
        """See C(Provider.plan)."""
        self._require_running()
        if not os.path.exists(self._log.path):
            raise SlipwayError(
                "Traefik writes no access log there, so a watch would see nothing",
                obj=self._log.path,
                wanted="accessLog with this filePath and format json in Traefik's own configuration",
                cause="unprovisioned",
            )
        return super().plan(traffic, shift=shift)

    def shift(self, plan: Plan) -> float | None:
        """See C(Provider.shift). What a killed run has left of a trial goes, whatever is to be done."""
        try:
            return super().shift(plan)
        finally:
            self._system.unlink(self._trial)

    def belongings(self) -> list[str]:
        """See C(Provider.belongings)."""
        return [*super().belongings(), *([self._trial] if os.path.lexists(self._trial) else [])]

    def remove(self) -> None:
        """See C(Provider.remove)."""
        self._system.unlink(self._trial)
        super().remove()

    def look(self, plan: Plan) -> Look:
        """See C(Provider.look): Traefik counts no requests under way, so its connections to the old servers are."""
        after, before = self._lines(plan.text_after), self._lines(plan.text_before)
        idle = {key: after.get(key) or before[key] for key in plan.idle() if key in after or key in before}
        return Look(counters=self._log.counters(plan), sessions=self._under_way(idle), down={}, weights={})

    def retired(self) -> dict[str, int]:
        """See C(Provider.retired): asked for while the platform is closed, so what is under way began before."""
        return self._under_way(self._lines(self._text()))

    # What ByFile asks for -----------------------------------------------------------------------------------

    def _require_running(self) -> None:
        self._ask("/api/version")

    def _render(self, traffic: Traffic, weights: Weights) -> str:
        expect_possible(traffic)
        plain = traffic.tls.redirect_from if traffic.tls else 0
        return config.platform_text(
            traffic,
            weights,
            self._entry_point(traffic.bind, traffic.listen),
            self._entry_point(traffic.bind, plain) if plain else "",
            self._pairs,
        )

    def _lines(self, text: str) -> dict[Key, Line]:
        return config.parse_servers(text)

    def _expected(self, text: str) -> list[str]:
        return [config.generation(text)]

    def _says(self, text: str) -> list[str]:
        """The text that Traefik runs, by its API."""
        found = self._runs(self._prefix)
        return [] if found is None else [found]

    def _version(self) -> str:
        with contextlib.suppress(SlipwayError):
            return str(self._ask("/api/version").get("Version", ""))
        return ""

    def _mode(self, path: str) -> int:
        """Traefik reads it as a user of its own, whose group the directory has."""
        return 0o640

    def _put(self, text: str) -> float:
        self._system.make_directory(self._settings.config_dir, mode=0o750)
        # It reads the directory whenever anything in it changes, key and chain one after the other: in one file that is written
        # over it would find one of each, and serve neither.
        self._certificates.put_apart(self._pairs)
        before = {self._file: self._system.read_file(self._file)}
        if self._is_loaded(self._text()):
            self._accepted |= config.judged(self._text())
        if not config.judged(text) <= self._accepted:
            self._try_out(text)
        started = self._system.monotonic()
        try:
            # Also where it is there already: only a change makes Traefik read.
            self._system.replace_file(self._file, text.encode(), mode=self._mode(self._file))
            self._prove(text, self._prefix)
            spent = (self._system.monotonic() - started) * 1000
        except SlipwayError:
            self._put_back(before)
            raise
        self._certificates.prune_apart(self._pairs)
        return spent

    # Steps --------------------------------------------------------------------------------------------------

    def _try_out(self, text: str) -> None:
        """Return once Traefik has accepted all rules and addresses of the text; what clients get stays as it is.

        :raises SlipwayError: C(reload_failed), C(config_invalid).
        """
        trial = config.trial_text(text, self._prefix)
        try:
            self._system.replace_file(self._trial, trial.encode(), mode=self._mode(self._trial))
            self._prove(trial, config.trial(self._prefix))
            self._accepted |= config.judged(text)
        finally:
            self._system.unlink(self._trial)

    def _prove(self, text: str, marker: str) -> None:
        """Return once Traefik runs the text, with all of its routers.

        :param marker: the middleware that tells the generation of the text.
        :raises SlipwayError: C(reload_failed), C(config_invalid).
        """
        deadline = self._system.monotonic() + RELOAD_SECONDS
        while self._runs(marker) != config.generation(text):
            if self._system.monotonic() >= deadline:
                raise SlipwayError(
                    "Traefik did not take the new configuration",
                    obj=self._file,
                    actual="its API does not name it",
                    wanted=f"the new configuration within {RELOAD_SECONDS:g} s",
                    remedy="What ran before runs on. Does Traefik watch the directory, and may it read the file? Its log names"
                    " a file that it cannot read; one of somebody else's keeps ours out, too.",
                    cause="reload_failed",
                )
            self._system.sleep(POLL)
        for name, rule in config.rules(text).items():
            router = self._ask(f"/api/http/routers/{name}@file")
            if router.get("status") != "enabled":
                raise SlipwayError(
                    "Traefik refuses a route",
                    obj=rule,
                    actual="; ".join(map(str, router.get("error") or [router.get("status")])),
                    remedy="What ran before runs on. Correct the route that the rule was made of, or the address in the message.",
                    cause="config_invalid",
                )

    def _runs(self, marker: str) -> str | None:
        """The generation of the text that Traefik has this middleware from, by its API."""
        with contextlib.suppress(SlipwayError):
            found = self._ask(f"/api/http/middlewares/{marker}@file")
            headers = (found.get("headers") or {}).get("customResponseHeaders") or {}
            return str(headers.get("X-Slipway-Generation", ""))
        return None

    def _entry_point(self, bind: str, listen: int) -> str:
        """The name of the entry point where clients connect.

        :raises SlipwayError: C(unprovisioned).
        """
        everywhere = bind in (EVERY, EVERY_IPV4)
        wanted = "" if everywhere else bind
        hosts = ("", "0.0.0.0", "::") if everywhere else (wanted.strip("[]"),)
        seen = []
        for entry in self._ask("/api/entrypoints"):
            host, _colon, port = str(entry["address"]).partition("/")[0].rpartition(":")
            seen.append(f"{entry['name']} {entry['address']}")
            if port == str(listen) and host.strip("[]") in hosts:
                return str(entry["name"])
        raise SlipwayError(
            "Traefik has no entry point there",
            obj=f"listen {bind}:{listen}",
            actual=", ".join(seen),
            wanted=f"an entry point with the address {wanted}:{listen}",
            remedy="Write it into Traefik's own configuration and restart Traefik: it listens nowhere else.",
            cause="unprovisioned",
        )

    def _under_way(self, lines: t.Mapping[Key, Line]) -> dict[str, int]:
        """Connections by server; those that nobody uses are closed after a second."""
        found = {
            "/".join(key): self._processes.connections(line.address, line.port) for key, line in sorted(lines.items())
        }
        return {name: count for name, count in found.items() if count}

    def _ask(self, path: str) -> t.Any:
        """What the API says.

        :raises SlipwayError: C(proxy_not_running).
        """
        host, _colon, port = self._settings.socket.rpartition(":")
        actual = ""
        try:
            status, body = self._get(host, int(port), path, {"Host": self._settings.socket}, timeout=5.0)
            if status == 200:
                return json.loads(body)
            actual = f"status {status}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            actual = str(error) or type(error).__name__
        raise SlipwayError(
            "Traefik's API does not answer",
            obj=f"http://{self._settings.socket}{path}",
            actual=actual,
            remedy="Start Traefik: systemctl start traefik. Its configuration needs an entry point at this address for the API.",
            cause="proxy_not_running",
        )
