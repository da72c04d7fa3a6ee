# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: measure all figures, or those of the sections named, and write them into docs/figures.md."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.lab import Lab, Registry, ensure_engine
from tests.shop import Site, build, push

from . import backups, fleet, fleets, migrations, releases, switches
from .measure import Row, table
from .site import BenchSite, push_programs

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "figures.md"
LAB = "bench"


def main(sections: t.Sequence[str]) -> int:
    """Measure and write; everything is taken down at the end."""
    ensure_engine()
    for name in sections or SECTIONS:
        with Lab(LAB) as lab, tempfile.TemporaryDirectory() as directory:
            rows = []
            for row in SECTIONS[name](lab, Path(directory)):
                print(f"{row.what}: {row.value} ({row.how})", flush=True)
                rows.append(row)
        write(name, table(rows))
    return 0


def one_machine(lab: Lab, directory: Path) -> t.Iterator[Row]:
    """Releases on one machine that is everything."""
    lab.create(["one"])
    site = BenchSite(lab, directory, ["one"], ["one"], push_programs(Registry(lab).start()))
    releases.expect(site.run("provision.yml"))
    yield from releases.measure(site, f"http://{lab.address('one')}:8000")


def many_machines(lab: Lab, directory: Path) -> t.Iterator[Row]:
    """The curve over the number of hosts."""
    registry = Registry(lab).start()

    def make(size: int) -> BenchSite:
        hosts = [f"app{number}" for number in range(1, size + 1)]
        lab.create([*hosts, "lb1"])
        place = directory / str(size)
        place.mkdir()
        site = BenchSite(lab, place, hosts, ["lb1"], push_programs(registry))
        releases.expect(site.run("provision.yml"))
        for machine in lab.machines():
            lab.exec(machine, ["sh", "-c", RESET])
        return site

    yield from fleet.measure(make)


def many_switches(lab: Lab, directory: Path) -> t.Iterator[Row]:
    """A hundred switches of the example shop, both sides running."""
    lab.create(["app1", "lb1"])
    registry = Registry(lab).start()
    build(["1.0.0", "1.1.0"])
    site = Site(lab, directory)
    variables = {
        "shop_registry": push(registry, ["1.0.0", "1.1.0"]),
        "vault_database_url": lab.setup_database("lb1"),
        "vm_provision_insecure_registries": [lab.network.subnet],
    }
    site.write_inventory({"slipway_app": ["app1"], "slipway_proxy": ["lb1"]}, variables)
    yield from switches.measure(lab, site, f"http://{lab.address('lb1')}")


def of_backups(_lab: Lab, directory: Path) -> t.Iterator[Row]:
    """Backups of a PostgreSQL of this machine."""
    yield from backups.measure(directory)


def of_migrations(_lab: Lab, directory: Path) -> t.Iterator[Row]:
    """Migrations on a PostgreSQL of this machine."""
    yield from migrations.measure(directory)


def of_fleets(lab: Lab, directory: Path) -> t.Iterator[Row]:
    """Fleets of plain machines, and the usual ways beside them."""
    yield from fleets.measure(lab, directory)


RESET = (
    "docker ps -aq --filter label=slipway.platform 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1; "
    "rm -rf /var/lib/slipway/bench /etc/haproxy/slipway.d/bench-lab.cfg; systemctl try-restart haproxy"
)

SECTIONS: dict[str, t.Callable[[Lab, Path], t.Iterator[Row]]] = {
    "one-machine": one_machine,
    "many-machines": many_machines,
    "many-switches": many_switches,
    "fleets": of_fleets,
    "backups": of_backups,
    "migrations": of_migrations,
}


def write(section: str, rows: str) -> None:
    """Put a section's table between its marks in docs/figures.md."""
    text = FIGURES.read_text()
    versions = f"Measured on {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}."
    marked = f"<!-- {section}:begin -->\n{versions}\n\n{rows}\n<!-- {section}:end -->"
    pattern = rf"<!-- {section}:begin -->.*<!-- {section}:end -->"
    FIGURES.write_text(re.sub(pattern, lambda _match: marked, text, flags=re.DOTALL))


if __name__ == "__main__":
    if missing := [tool for tool in ("ansible-playbook", "wrk") if not shutil.which(tool)]:
        sys.exit(f"make bench needs {', '.join(missing)}")
    sys.exit(main(sys.argv[1:]))
