# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person chooses for a new site, checked before anything is written; controller-only (private to the collection)."""

from __future__ import annotations

import re
import typing as t

from ..config.findings import Findings
from ..config.schema import ADDRESS, VERSION, option
from ..config.schema_service import IMAGE, NAME, ROUTE_PATH
from ..config.suggest import closest

MODELS = tuple(name for name in ("container", "process") if name in option("slipway_model").choices)
DATABASES = ("none", "postgresql", "mariadb", "mysql", "sqlite")
MIGRATIONS = ("none", "sql", "alembic", "django", "knex")
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,100}")
NOBODY = "none"  # as the only balancer: it is somebody else's


class Machine(t.NamedTuple):
    """A machine of the inventory: its name there, and where SSH finds it when that is somewhere else."""

    name: str
    address: str


class Choices(t.NamedTuple):
    """All that the files of a site depend on."""

    platform: str
    environment: str
    model: str
    service: str
    image: str
    port: int
    health: str
    machines: list[Machine]
    balancers: list[Machine]
    user: str
    database: str
    migrations: str

    @property
    def alone(self) -> bool:
        """Whether one machine is everything."""
        return self.balancers == self.machines and len(self.machines) == 1


def choose(given: t.Mapping[str, t.Any]) -> Choices:
    """Read what was chosen, with a default for what was not.

    :param given: C(platform), C(environment), C(model), C(service), C(image), C(port), C(health), C(machines), C(balancers),
        C(user), C(database), C(migrations); machines as a list, or as one line with commas, each C(NAME) or C(NAME=ADDRESS).
    :raises ConfigError: with everything that cannot be, by the name of the variable.
    """
    findings = Findings()
    platform = _fits("platform", str(given.get("platform") or ""), NAME, findings)
    machines = _machines("machines", given.get("machines"), findings)
    balancers = _balancers(given.get("balancers"), machines, findings)
    found = Choices(
        platform=platform,
        environment=_fits("environment", str(given.get("environment") or "production"), NAME, findings),
        model=_one_of("model", given.get("model") or MODELS[0], MODELS, findings),
        service=_fits("service", str(given.get("service") or "web"), NAME, findings),
        image=_fits("image", str(given.get("image") or platform or "web"), IMAGE, findings),
        port=_port(given.get("port") or 8080, findings),
        health=_fits("health", str(given.get("health") or "/health"), ROUTE_PATH, findings),
        machines=machines,
        balancers=balancers,
        user=_fits("user", str(given.get("user") or "root"), VERSION, findings),
        database=_one_of("database", given.get("database") or "none", DATABASES, findings),
        migrations=_one_of("migrations", given.get("migrations") or "none", MIGRATIONS, findings),
    )
    if ":" in found.image.rpartition("/")[2]:
        _problem("image", "has a tag already", found.image, "its name alone: the version is the tag", findings)
    if found.migrations != "none" and found.database == "none":
        _problem("migrations", "needs a database", found.migrations, "slipway_init_database: postgresql, …", findings)
    findings.check(())
    return found


def _machines(name: str, given: t.Any, findings: Findings) -> list[Machine]:
    words = given if isinstance(given, list) else re.split(r"[\s,]+", str(given or "").strip())
    found: list[Machine] = []
    for word in filter(None, map(str, words)):
        machine = Machine(*word.partition("=")[::2])
        if not _HOST.fullmatch(machine.name) or (machine.address and not ADDRESS.fits(machine.address)):
            _problem(name, "no machine", word, "a name of letters, digits and _ . -, or NAME=ADDRESS", findings)
        elif machine.name in {one.name for one in found}:
            _problem(name, "named twice", word, "each once", findings)
        else:
            found.append(machine)
    if not found and not findings.problems:
        _problem(name, "missing", "", "the names of your machines, with commas between them", findings)
    return found


def _balancers(given: t.Any, machines: list[Machine], findings: Findings) -> list[Machine]:
    """By default a single machine balances for itself; several need one before them."""
    if given in (NOBODY, [NOBODY]):
        return []
    if not given and len(machines) == 1:
        return machines
    if not given:
        wanted = f"the machines that customers connect to, or {NOBODY} where that is done by somebody else"
        _problem("balancers", "missing, and there are several machines", "", wanted, findings)
        return []
    known = {machine.name: machine for machine in machines}
    return [known.get(one.name, one) if not one.address else one for one in _machines("balancers", given, findings)]


def _fits(name: str, value: str, pattern: t.Any, findings: Findings) -> str:
    if not pattern.fits(value):
        _problem(name, "missing" if not value else "cannot be used", value, pattern.wanted, findings)
    return value


def _one_of(name: str, value: t.Any, choices: t.Sequence[str], findings: Findings) -> str:
    if value not in choices:
        guess = closest(str(value), choices)
        question = f", did you mean {guess}?" if guess else ""
        _problem(name, f"unknown{question}", str(value), ", ".join(choices), findings)
    return str(value)


def _port(value: t.Any, findings: Findings) -> int:
    if not str(value).isdigit() or not 1 <= int(value) <= 65535:
        _problem("port", "no port", str(value), "1 to 65535", findings)
        return 0
    return int(value)


def _problem(name: str, what: str, found: str, wanted: str, findings: Findings) -> None:
    shown = f'"{found}"' if found else ""
    findings.problem(
        f"slipway_init_{name}", what, found=shown, wanted=wanted, remedy=f"Say it with -e slipway_init_{name}=…"
    )
