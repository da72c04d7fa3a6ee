# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the version that serves now lives with a migrated schema: it is run against the copy (private to the collection)."""

from __future__ import annotations

import contextlib
import functools
import os
import typing as t

from ..backup import scratch_place
from ..container.engine import Engine
from ..container.records import SHELF
from ..container.spec import SIDES, Order, Scope, Service, Wanted, parse_services, wanted_containers
from ..container.verify import target
from ..database.copied import Copy
from ..errors import SlipwayError
from ..masking import mask
from ..side.checks import Check, Running, Verdict, health_checks, smoke_checks
from ..side.parallel import parallel
from ..side.records import find, last_settled
from ..system import System
from . import stand_ins
from .stand import Place, Stand, clear
from .witness import BROKEN, UNABLE, Finding, Nobody, Witness

# A pool hands out its connections in turn, and drivers prepare a statement for good at its fifth use or later (the JDBC driver of
# PostgreSQL, psycopg); so each check is put so often that several connections get there.
ROUNDS, FEWEST = 30, 8
ENOUGH = 5.0  # seconds; after so long the fewest will do
PATIENCE = 10.0  # seconds for one answer, at least: here it counts what is answered, not how fast
OLD, NEW = "old", "new"
STARTS = "becomes healthy"
HINT = "Name a machine that has the live version as verify_host."
LINES, WIDTH = 5, 300  # of a log
UNKNOWN = "deadbeef" * 4  # what a secret looks like that nobody knows

Probe = t.Callable[[t.Sequence[Check]], t.Sequence[Verdict]]
MakeProbe = t.Callable[[t.Iterable[str], System], Probe]  # of secrets that must not show in any verdict


def witness(copy: Copy, old: t.Mapping[str, t.Any], system: System, probing: MakeProbe) -> Witness:
    """What tells about the old version.

    :param old: C(services) by name, as the live release's target has them for this machine; C(platform), C(environment), C(side)
        and, if known, C(release) and C(root); C(secrets), all by their values; C(database_secrets), those of them that lead to the
        database, empty for all that look so; C(env), what is different here.
    :param probing: makes what puts its checks, in the words of the container engine.
    """
    if not old.get("services"):
        return Nobody(f"nothing of the live version runs on this machine. {HINT}")
    if copy.engine not in stand_ins.PORTS:
        return Nobody(f"the copy is a file, and how the program finds a file of {copy.engine} nobody here knows")
    if os.geteuid():
        return Nobody("only root may enter the network of a container; set become: true")
    return OldVersion(copy, old, system, Engine(), probing)


class OldVersion(Witness):
    """See RV(Witness)."""

    def __init__(
        self, copy: Copy, old: t.Mapping[str, t.Any], system: System, engine: Engine, probing: MakeProbe
    ) -> None:
        self._copy, self._old, self._system, self._engine, self._probing = copy, old, system, engine, probing
        self._tried: list[Tried] = []
        self._left = contextlib.ExitStack()

    def __exit__(self, *_error: object) -> None:
        parallel(Tried.close, self._tried)
        self._left.close()

    def warm(self) -> list[Finding]:
        try:
            place = self._opened()
            given = stand_ins.filled(self._old.get("env") or {}, self._copy, place.port)
            order = _order(self._old, self._copy, place, given)
            hidden = [str(value) for value in (self._old.get("secrets") or {}).values()]
            probe = self._probing(hidden, self._system)
            tried = [_tried(place, order, service, given, probe=probe, hidden=hidden) for service in order.services]
            self._tried = [one for one in tried if one.concerned]
        except SlipwayError as error:
            return [_unable("", error)]
        if not self._tried:
            what = "no secret and no variable of its services is a connection string of the database"
            return [Finding(UNABLE, "", "was not tried", answered=f"{what}; name it with database_secrets")]
        return [finding for findings in parallel(Tried.warm, self._tried) for finding in findings]

    def judge(self) -> list[Finding]:
        return [finding for findings in parallel(Tried.judge, self._tried) for finding in findings]

    def _opened(self) -> Place:
        """What killed runs left is gone, and there is a directory for this one."""
        self._engine.facts()
        scope = _scope(self._old)
        parent = os.path.join(scope.directory, "rehearsal")
        self._system.make_directory(scope.directory)
        self._system.make_directory(parent)
        self._left.callback(_unmade, parent)
        directory = self._left.enter_context(scratch_place.place(parent, 0))
        clear(self._engine, scope)
        port = stand_ins.PORTS[self._copy.engine]
        return Place(self._engine, self._system, scope, directory, self._copy.socket_file, port)


class Tried:
    """One service.

    :param image: it runs from; empty where this machine has none of the live release.
    :param probe: puts its checks.
    :param hidden: what no finding may show.
    :param concerned: whether it is led to the copy at all.
    """

    def __init__(
        self,
        place: Place,
        wanted: Wanted,
        environment: t.Mapping[str, str],
        secrets: t.Mapping[str, str],
        *,
        image: str,
        probe: Probe,
        hidden: t.Sequence[str],
        concerned: bool,
    ) -> None:
        self._place, self._wanted = place, wanted
        self._environment, self._secrets = environment, secrets
        self._image, self._probe, self._hidden = image, probe, hidden
        self.concerned = concerned
        self._stand = self._another(OLD)
        self._trusted: list[int] = []  # numbers of the checks that it passed before the migrations

    @property
    def _service(self) -> Service:
        return self._wanted.service

    def warm(self) -> list[Finding]:
        """Start it, and find out which checks it passes on the copy as it is now."""
        try:
            if not self._image:
                raise SlipwayError(
                    "is not on this machine", obj=self._service.image, remedy=HINT, cause="image_missing"
                )
            answer = self._started()
            if answer:
                return [Finding(UNABLE, self._service.name, STARTS, answered=answer)]
            wrong = self._asked(range(len(self._checks(once=True))))
        except SlipwayError as error:
            return [_unable(self._service.name, error)]
        self._trusted = [number for number in range(len(self._checks(once=True))) if number not in wrong]
        return [
            Finding(UNABLE, self._service.name, self._words(number), answered=answer)
            for number, answer in wrong.items()
        ]

    def judge(self) -> list[Finding]:
        """Ask the one that is warm, and then another one."""
        if not self._trusted:
            return []
        found: list[Finding] = []
        try:
            found += self._broken(OLD)
            self._stand.close()
            self._stand = self._another(NEW)
            answer = self._started()
            found += [Finding(BROKEN, self._service.name, STARTS, NEW, answer)] if answer else self._broken(NEW)
        except SlipwayError as error:
            found.append(_unable(self._service.name, error))
        return found

    def close(self) -> None:
        """Remove what there is."""
        self._stand.close()

    def _another(self, suffix: str) -> Stand:
        return Stand(self._place, self._wanted, self._environment, self._secrets, suffix)

    def _started(self) -> str:
        """Start it and wait for it; why it does not become healthy, or nothing."""
        self._stand.start(self._image)
        checks = self._checks(once=False)[:1]
        verdict = self._stand.inside(functools.partial(self._probe, checks))[0]
        return "" if verdict.healthy else self._answer(verdict)

    def _broken(self, connections: str) -> list[Finding]:
        return [
            Finding(BROKEN, self._service.name, self._words(number), connections, answer)
            for number, answer in self._asked(self._trusted).items()
        ]

    def _asked(self, numbers: t.Iterable[int]) -> dict[int, str]:
        """Put these checks again and again; what was answered to each that failed, where it did so first."""
        checks, left = self._checks(once=True), list(numbers)
        wrong: dict[int, str] = {}
        began = self._place.system.monotonic()
        for turn in range(ROUNDS):
            if not left or (turn >= FEWEST and self._place.system.monotonic() - began > ENOUGH):
                break
            verdicts = self._stand.inside(functools.partial(self._probe, [checks[number] for number in left]))
            wrong.update({n: self._answer(verdict) for n, verdict in zip(left, verdicts) if not verdict.healthy})
            left = [number for number in left if number not in wrong]
        return wrong

    def _checks(self, *, once: bool) -> list[Check]:
        """Its health check, and its smoke tests."""
        here = [Running(self._service, self._stand.name, stand_ins.HOST, self._service.port)]
        if self._service.port is None and not self._service.health:
            here = [one._replace(service=self._service._replace(health={"kind": "container"})) for one in here]
        health = health_checks(here, target)
        if once:
            health = [check._replace(once=True) for check in health]
        return [*map(_patient, health), *map(_patient, smoke_checks(here, target))] if once else health

    def _words(self, number: int) -> str:
        name = self._checks(once=True)[number].target["name"]
        return "health check" if number == 0 else str(name)

    def _answer(self, verdict: Verdict) -> str:
        """What came instead, and the program's last words."""
        body = str(verdict.evidence.get("body") or "").strip()
        lines = [line[:WIDTH] for line in self._stand.logs()[-LINES:]]
        words = [verdict.message, *([f"It answered: {body}"] if body else [])]
        words += ["Its last words: " + " | ".join(lines)] if lines else []
        return mask(" ".join(words), self._hidden)


def _order(old: t.Mapping[str, t.Any], copy: Copy, place: Place, given: t.Mapping[str, str]) -> Order:
    """The services of the old version, one replica of each, with what they get instead of their secrets."""
    side = str(old.get("side") or SIDES[0])
    options = {name: {**service, "replicas": 1} for name, service in old["services"].items()}
    services = [_led(service, copy, place.port) for service in parse_services(options, side)]
    named = [name for service in services for name in (*service.secrets, *service.env_secrets)]
    # Today's site need not know a secret any more that the live version still has.
    secrets = {**dict.fromkeys(named, UNKNOWN), **(old.get("secrets") or {})}
    names = old.get("database_secrets") or ()
    return Order(
        scope=place.scope,
        side=side,
        release=str(old.get("release") or ""),
        version="",
        identity="",
        publish="",
        services=services,
        secrets=stand_ins.stand_ins(secrets, names, copy, place.port, given),
    )


def _tried(
    place: Place,
    order: Order,
    service: Service,
    given: t.Mapping[str, str],
    *,
    probe: Probe,
    hidden: t.Sequence[str],
) -> Tried:
    image = _image(place, order, service)
    wanted = wanted_containers(order, service, image, [])[0]
    environment = {**wanted.environment, **{name: text for name, text in given.items() if name not in order.secrets}}
    secrets = {name: order.secrets[name] for name in service.secrets}
    leads = any(stand_ins.leads(value, place.port) for value in (*environment.values(), *secrets.values()))
    chosen = set(given) & {*service.env, *service.secrets, *service.env_secrets}
    concerned = leads or bool(chosen)
    return Tried(place, wanted, environment, secrets, image=image, probe=probe, hidden=hidden, concerned=concerned)


def _image(place: Place, order: Order, service: Service) -> str:
    """What the live release runs from: what this machine keeps for it, else the name that it was asked for by."""
    records = SHELF.read(place.system, order.scope.directory)
    live = find(records, order.release) or last_settled(records, side=order.side)
    names = [live.services[service.name].kept] if live and service.name in live.services else []
    for name in [*names, service.image]:
        found = place.engine.image(name)
        if found is not None:
            return found.id
    return ""


def _led(service: Service, copy: Copy, port: int) -> Service:
    """The same, with connection strings in its environment that lead to the copy."""
    env = {name: stand_ins.rewritten(value, copy, port) or value for name, value in service.env.items()}
    return service._replace(env=env)


def _patient(check: Check) -> Check:
    timeout = max(float(check.policy.get("timeout") or 0.0), PATIENCE)
    return check._replace(policy={**check.policy, "timeout": timeout})


def _scope(old: t.Mapping[str, t.Any]) -> Scope:
    from ..container.observe import STATE_ROOT

    platform, environment = str(old["platform"]), str(old["environment"])
    return Scope(platform, environment, os.path.join(str(old.get("root") or STATE_ROOT), platform, environment))


def _unable(service: str, error: SlipwayError) -> Finding:
    return Finding(UNABLE, service, "was not tried", answered=error.message)


def _unmade(directory: str) -> None:
    """Another run may still be in it."""
    with contextlib.suppress(OSError):
        os.rmdir(directory)
