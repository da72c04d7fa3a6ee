# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small migrations against one psql session and against Flyway; what a run costs that has nothing to do; memory."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.integration_local.backup.conftest import BIN, PASSWORD

from .backups import repeated, timed
from .cluster import Cluster, run, running
from .measure import Row, spread

ROOT = Path(__file__).resolve().parents[2]
MANY = int(os.environ.get("SLIPWAY_BENCH_MIGRATIONS", "1000"))
FEWER = min(200, MANY)  # for Flyway
FLYWAY = ROOT / ".cache" / "tools" / "flyway"

_names = (f"m{number}" for number in itertools.count(1))


class Taken(t.NamedTuple):
    """One run by the engine, in a process of its own."""

    seconds: float  # of the engine, without the start of Python
    memory: float  # MiB, the most that the process had
    count: int
    whole: float = 0.0  # with the start of Python


def measure(directory: Path) -> t.Iterator[Row]:
    """All figures of migrations; everything is below the directory."""
    for path in (directory, *directory.parents):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)  # the server's user must get through
    with running(directory) as server:
        many, fewer = written(directory / "many", MANY), written(directory / "fewer", FEWER)
        yield from beside_psql(server, many)
        yield from beside_flyway(server, fewer)
        yield from nothing_to_do(server, many, directory)


def written(location: Path, count: int) -> Path:
    """Small ones of the usual kinds: a table, a column with an index, a row."""
    location.mkdir()
    kinds = (
        "CREATE TABLE t{table} (id serial PRIMARY KEY, name text NOT NULL);",
        "ALTER TABLE t{table} ADD COLUMN price integer;\nCREATE INDEX t{table}_price ON t{table} (price);",
        "INSERT INTO t{table} (name, price) VALUES ('a', 1), ('b', 2);",
    )
    for number in range(count):
        text = kinds[number % len(kinds)].format(table=number // len(kinds))
        (location / f"V{number + 1}__small.sql").write_text(f"{text}\n")
    return location


def beside_psql(server: Cluster, location: Path) -> t.Iterator[Row]:
    """The floor: the same statements, a commit for each file, no history, one session and one program."""
    files = sorted(location.iterdir(), key=lambda path: int(path.name[1:].partition("__")[0]))
    script = location.parent / "all.psql"
    script.write_text("".join(f"BEGIN;\n{path.read_text()}COMMIT;\n" for path in files))
    psql = [BIN / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", script]
    floor = repeated(lambda: timed(lambda: run([*psql, database(server)])).seconds)
    taken = repeated(lambda: migrated(database(server), location))
    seconds = [one.whole for one in taken]
    share = statistics.median(seconds) / statistics.median(floor)
    yield Row(
        f"{MANY} small migrations",
        f"{spread(seconds, 's', 1)}: {share:.2f} times psql; {taken[-1].memory:.0f} MiB",
        f"a process with the engine, each migration with its line of the history in a transaction of its own, fsync; one psql "
        f"session with the same statements and a commit for each file, without a history: {spread(floor, 's', 1)}",
    )


def beside_flyway(server: Cluster, location: Path) -> t.Iterator[Row]:
    """What people have else."""
    ours = [one.whole for one in repeated(lambda: migrated(database(server), location))]
    theirs = repeated(lambda: timed(lambda: flyway(server, database(server), location)).seconds)
    yield Row(f"{FEWER} small migrations", spread(ours, "s", 1), "the same")
    yield Row(
        f"{FEWER} small migrations by Flyway",
        spread(theirs, "s", 1),
        "its few jars alone, with the JVM's quickest start",
    )


def nothing_to_do(server: Cluster, location: Path, directory: Path) -> t.Iterator[Row]:
    """The everyday case, as a task of a playbook beside one that does nothing."""
    url = database(server)
    migrated(url, location)
    tasks = {
        "ping": {"ansible.builtin.ping": {}},
        "migration_runner": {"slipway.deploy.migration_runner": {"url": url, "locations": [str(location)]}},
    }
    found: dict[str, list[float]] = {}
    for name, task in tasks.items():
        play = directory / f"{name}.yml"
        play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        words = [Path(sys.executable).with_name("ansible-playbook"), play]
        found[name] = repeated(lambda words=words: timed(lambda: run(words)).seconds)  # type: ignore[misc]
    more = statistics.median(found["migration_runner"]) - statistics.median(found["ping"])
    yield Row(
        f"nothing to do, {MANY} migrations applied",
        f"{spread(found['migration_runner'], 's')}: {more:.2f} s more than ping",
        f"ansible-playbook with this one task on this machine; with ansible.builtin.ping: {spread(found['ping'], 's')}",
    )


def database(server: Cluster) -> str:
    """A new one."""
    name = next(_names)
    server.execute("postgres", f"CREATE DATABASE {name}")
    return server.url(name)


def migrated(url: str, location: Path) -> Taken:
    """One run in a process of its own, which is gone afterwards."""
    answer = ""

    def once() -> None:
        nonlocal answer
        command = [sys.executable, "-m", "tests.bench.migrate_once", str(location)]
        answer = subprocess.run(command, input=url, stdout=subprocess.PIPE, text=True, check=True).stdout

    whole = timed(once).seconds
    return Taken(**json.loads(answer), whole=whole)


def flyway(server: Cluster, url: str, location: Path) -> None:
    """One run of the real one (tools/bootstrap.sh puts it there)."""
    name = url.rpartition("dbname=")[2]
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{FLYWAY}/*"]
    options = ["-skipCheckForUpdate", f"-locations=filesystem:{location}", "migrate"]
    given = {
        "FLYWAY_URL": f"jdbc:postgresql://127.0.0.1:{server.port}/{name}",
        "FLYWAY_USER": "admin",
        "FLYWAY_PASSWORD": PASSWORD,
        "REDGATE_DISABLE_TELEMETRY": "true",
        "LC_ALL": "C.UTF-8",
    }
    run([*java, "org.flywaydb.commandline.Main", *options], env={**os.environ, **given})


if __name__ == "__main__":  # a look at whether they can still be measured; docs/figures.md is left alone
    place = Path(tempfile.mkdtemp())
    try:
        for row in measure(place):
            print(f"{row.what}: {row.value} ({row.how})", flush=True)
    finally:
        shutil.rmtree(place)
