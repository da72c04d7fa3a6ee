# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that were planted are found nowhere, and ordinary words that equal one are not masked."""

from __future__ import annotations

import contextlib
import os
import threading
import typing as t
import urllib.parse
from pathlib import Path

import pytest

from . import check
from .conftest import MakeFleet
from .fleet import Fleet
from .machines import each, shell
from .settings import services

TOKEN = "plantedTokenQ7w9ZxK3"
URL_PASSWORD = "plantedPasswordM4n8VbL2"
PLANTED = (TOKEN, URL_PASSWORD)
SECRETS = {
    "DATABASE_URL": "{{ vault_database_url }}",
    "API_TOKEN": TOKEN,
    "BROKER_URL": f"amqp://shop:{URL_PASSWORD}@broker.example.com/shop",
    "WORD": "backend",  # a common word: masking it everywhere would make results useless
    "SIDE": "green",
}
# As nobody, who may read exactly what is readable by the world.
_WORLD = 'runuser -u nobody -- grep -rlsF -e "$1" -e "$2" /etc /home /opt /root /run /srv /tmp /usr/local /var; true'


@pytest.mark.parametrize("verbosity", ["-vvvv"])
def test_planted_secrets_appear_nowhere_and_ordinary_words_stay(make_fleet: MakeFleet, verbosity: str) -> None:
    """Guarantee 8: output of every playbook, process lists, journals, reports, and files readable by the world."""
    named = sorted(SECRETS)
    fleet = make_fleet(variables={"slipway_secrets": SECRETS, "slipway_services": services(worker={"secrets": named})})
    fleet.write_variables(slipway_database=database_of(fleet))
    outputs = {}
    with watched_processes() as seen:
        for name, playbook, args in (
            ("first", "deploy.yml", ["-e", "slipway_version=1.0.0"]),
            ("second", "deploy.yml", ["-e", "slipway_version=1.1.0"]),
            ("refused", "deploy.yml", ["-e", "slipway_version=1.2.0"]),
            ("rollback", "rollback.yml", []),
            ("status", "status.yml", []),
            ("backup", "slipway.deploy.backup", []),
            ("backups", "slipway.deploy.backups", []),
        ):
            run = fleet.play(playbook, verbosity, *args)
            assert (run.rc == 0) == (name != "refused"), run.output
            outputs[name] = run.output
    check.all_on(fleet, "1.0.0")
    found = {name: [one for one in PLANTED if one in text] for name, text in outputs.items()}
    assert found == {name: [] for name in outputs}
    assert not seen, f"{len(seen)} command lines held a planted secret"
    assert in_reports(fleet) == []
    assert in_journals(fleet) == {machine: [] for machine in fleet.machines}
    readable = each(fleet.machines, lambda machine: shell(fleet.lab, machine, _WORLD, *PLANTED).split())
    assert readable == {machine: [] for machine in fleet.machines}
    assert "backend 2/2" in outputs["status"], outputs["status"]
    assert "traffic of backend: blue" in outputs["status"], outputs["status"]
    assert "1.0.0 on blue -> 1.1.0 on green" in outputs["second"], outputs["second"]


def database_of(fleet: Fleet) -> dict[str, t.Any]:
    """The shop's database, backed up by a role with a planted password."""
    shop = urllib.parse.urlsplit(fleet.facts["vault_database_url"])
    role = f"""
DROP ROLE IF EXISTS planted;
CREATE ROLE planted LOGIN PASSWORD '{URL_PASSWORD}' IN ROLE shop;
"""
    fleet.lab.exec("lb1", ["runuser", "-u", "postgres", "--", "psql", "-q", "-v", "ON_ERROR_STOP=1"], stdin=role)
    url = shop._replace(netloc=f"planted:{URL_PASSWORD}@{shop.hostname}:{shop.port}").geturl()
    return {"engine": "postgresql", "url": url, "backup": {"host": "lb1", "store": {"path": "/srv/planted"}}}


def in_reports(fleet: Fleet) -> list[str]:
    """The reports of the site in which a planted secret stands."""
    files = (fleet.site.directory / ".slipway").rglob("*.json")
    return [str(path) for path in files if any(one in path.read_text() for one in PLANTED)]


def in_journals(fleet: Fleet) -> dict[str, list[str]]:
    """The planted secrets in each machine's journal."""
    return {machine: [one for one in PLANTED if one in str(fleet.journal(machine))] for machine in fleet.machines}


@contextlib.contextmanager
def watched_processes(planted: t.Sequence[str] = PLANTED) -> t.Iterator[set[str]]:
    """Command lines that held a planted secret while this lasted.

    The machines are containers of this machine, so its process list has the processes of all of them too.
    """
    seen: set[str] = set()
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(seen, over, planted))
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _watch(seen: set[str], over: threading.Event, planted: t.Sequence[str]) -> None:
    while not over.wait(0.05):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # it has ended
                line = Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if any(one in line for one in planted):
                    seen.add(line)
