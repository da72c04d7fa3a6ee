# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many small migrations against one psql session and other tools; what a run costs that has nothing to do; memory."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from .backups import Used, repeated
from .cluster import Cluster, run, running
from .measure import Row, spread
from .migration_tools import Alembic, Dbmate, Flyway, Migrating, Psql, Recorded, Slipway

MANY = int(os.environ.get("SLIPWAY_BENCH_MIGRATIONS", "1000"))
FEWER = min(200, MANY)  # for tools that take long
OFTEN = 15  # times, where a ratio is asked for and the processors are somebody else's as well

_names = (f"m{number}" for number in itertools.count(1))

Seconds = dict[str, float]


def measure(directory: Path) -> t.Iterator[Row]:
    """All figures of migrations; everything is below the directory."""
    for path in (directory, *directory.parents):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)  # the server's user must get through
    with running(directory) as server:
        yield from beside_psql(server, directory)
        yield from beside_others(server, directory)
        yield from as_a_task(server, directory)


def beside_psql(server: Cluster, directory: Path) -> t.Iterator[Row]:
    """What the history, the lock and the safety cost: the same statements without them are the floor."""
    ours = Slipway(server, directory / "many", MANY)
    floors: list[Migrating] = [Psql(server, directory / "psql", MANY), Recorded(server, directory / "recorded", MANY)]
    rounds = repeated(lambda: {tool.name: seconds_of(tool, database(server)) for tool in (*floors, ours)}, OFTEN)
    yield Row(
        f"{MANY} small migrations",
        f"{spread(column(rounds, ours.name), 's')}; {ours.memory:.0f} MiB at most",
        f"{ours.how}, fsync; in turn with the floors below",
    )
    for floor in floors:
        shares = [one[ours.name] / one[floor.name] for one in rounds]
        yield Row(
            f"{MANY} small migrations, {floor.name}",
            f"{spread(column(rounds, floor.name), 's')}; Slipway takes {spread(shares, 'times that')}",
            floor.how,
        )


def beside_others(server: Cluster, directory: Path) -> t.Iterator[Row]:
    """What people have else, in turn; and each once more when nothing is pending."""
    kinds: tuple[type[Migrating], ...] = (Psql, Slipway, Dbmate, Alembic, Flyway)
    tools = [kind(server, directory / f"fewer_{kind.__name__.lower()}", FEWER) for kind in kinds]

    def once() -> tuple[Seconds, Seconds]:
        first, again = {}, {}
        for tool in tools:
            name = database(server)
            first[tool.name] = seconds_of(tool, name)
            if tool.name != Psql.name:
                again[tool.name] = seconds_of(tool, name)
        return first, again

    rounds = repeated(once)
    for tool in tools:
        found = column([first for first, _again in rounds], tool.name)
        yield Row(f"{FEWER} small migrations, {tool.name}", spread(found, "s"), tool.how)
    for tool in tools[1:]:
        found = column([again for _first, again in rounds], tool.name)
        yield Row(
            f"nothing pending of {FEWER}, {tool.name}", spread(found, "s"), "a process that ends when it has seen that"
        )


def as_a_task(server: Cluster, directory: Path) -> t.Iterator[Row]:
    """The everyday case: a task of a playbook beside one that does nothing."""
    ours = Slipway(server, directory / "applied", MANY)
    state = directory / "state"
    state.mkdir(0o755)
    name = database(server)
    options = {"url": server.url(name), "locations": [str(ours.place)], "root": str(state)}
    ping, runner = "ansible.builtin.ping", "slipway.deploy.migration_runner"
    plays = {}
    for module, given in ((ping, {}), (runner, options)):
        plays[module] = directory / f"{module}.yml"
        plays[module].write_text(
            json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [{module: given}]}])
        )
    playbook = Path(sys.executable).with_name("ansible-playbook")
    for pipelining, how in (("1", "with pipelining"), ("0", "without pipelining, which Ansible has by default")):
        given = {**os.environ, "ANSIBLE_PIPELINING": pipelining}
        run([playbook, plays[runner]], env=given)  # applies them, and leaves the engines there for the next
        rounds = repeated(
            lambda given=given: {  # type: ignore[misc]
                module: used([playbook, play], given) for module, play in plays.items()
            }
        )
        more = [one[runner].seconds - one[ping].seconds for one in rounds]
        work = [one[runner].cpu - one[ping].cpu for one in rounds]
        yield Row(
            f"a task with nothing to do, {MANY} migrations applied, {how.partition(',')[0]}",
            f"{spread(more, 's')} more than {ping}, of the processors {spread(work, 's')}",
            f"ansible-playbook with this one task on this machine, {how}: {spread([one[runner].seconds for one in rounds], 's')};"
            f" with {ping}: {spread([one[ping].seconds for one in rounds], 's')}",
        )


def database(server: Cluster) -> str:
    """A new one."""
    name = next(_names)
    server.execute("postgres", f"CREATE DATABASE {name}")
    return name


def seconds_of(tool: Migrating, database: str) -> float:
    """Of one run."""
    os.sync()  # nobody waits for what another one has left to be written
    started = time.monotonic()
    tool.migrate(database)
    return time.monotonic() - started


def used(words: t.Sequence[str | Path], env: t.Mapping[str, str]) -> Used:
    """Of a program, with all that it starts and waits for."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run(words, env=env)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Used(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def column(rounds: t.Sequence[Seconds], name: str) -> list[float]:
    """One tool's."""
    return [one[name] for one in rounds]


if __name__ == "__main__":  # a look at whether they can still be measured; docs/figures.md is left alone
    place = Path(tempfile.mkdtemp())
    try:
        for row in measure(place):
            print(f"{row.what}: {row.value} ({row.how})", flush=True)
    finally:
        shutil.rmtree(place)
