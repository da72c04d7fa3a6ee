# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of PostgreSQL against what the parts of this machine allow, and against pg_dump alone; memory; who else notices."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from tests.integration_local.backup.conftest import BIN, Server, free_port

from .measure import Row

MIB, GIB = float(1 << 20), float(1 << 30)
SCALE = 120  # of pgbench: a dump of more than a GiB
RANDOM = 1024  # values of a MiB each
CLIENTS, RATE, SECONDS = 4, 200, 20  # of the pgbench that runs beside

RANDOM_VALUES = (
    "CREATE TABLE noise (id int PRIMARY KEY, value bytea); ALTER TABLE noise ALTER value SET STORAGE EXTERNAL;"
    " INSERT INTO noise SELECT n, (SELECT string_agg(gen_random_bytes(1024), '') FROM generate_series(1, 1024) WHERE n = n)"
    f" FROM generate_series(1, {RANDOM}) AS n"
)


class Taken(t.NamedTuple):
    """One backup by the engine, in a process of its own."""

    seconds: float
    restore: float
    whole: float  # with the comparison
    plain: int
    stored: int
    memory: float  # MiB, the most that the process had, without the programs it started


def measure(directory: Path) -> t.Iterator[Row]:
    """All figures of backups; everything is below the directory."""
    place = Path(tempfile.mkdtemp(prefix="slipway-pg-", dir=directory))
    for path in (directory, *directory.parents):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)  # the server's user must get through
    server = Server(place, free_port())
    server.start()
    try:
        for name in ("even", "noise"):
            server.execute("postgres", f"CREATE DATABASE {name}")
        fill(server, "even", SCALE)
        server.execute("noise", "CREATE EXTENSION pgcrypto", RANDOM_VALUES)
        yield from against("pgbench's tables", server, "even", "pgbench_accounts", directory)
        yield from against("random bytes", server, "noise", "noise", directory)
        yield from beside(server, directory)
        server.execute("postgres", "DROP DATABASE noise")
        small = take(server.url("even"), directory, "none").memory
        fill(server, "even", 4 * SCALE)
        large = take(server.url("even"), directory, "none")
        yield Row(
            "memory of the module",
            f"{small:.0f} MiB for {SCALE * 9.5 / 1024:.1f} GiB, {large.memory:.0f} MiB for {large.plain / GIB:.1f} GiB",
            "largest resident set of its process, of a dump of that size",
        )
    finally:
        server.stop()


def against(what: str, server: Server, database: str, table: str, directory: Path) -> t.Iterator[Row]:
    """A backup and its proof, beside the ceiling of this machine and beside pg_dump."""
    url = server.url(database)
    ours = take(url, directory, "restore")
    dump = directory / "plain"
    copied = timed([BIN / "pg_dump", "-Fc", "-Z0", "-f", dump, url])
    size = dump.stat().st_size
    rates = {
        f"COPY of {table}": size / timed([BIN / "psql", "-qX", "-c", f"COPY {table} TO STDOUT", url]),
        "zstd": size / timed(["zstd", "-qfT0", dump, "-o", f"{dump}.zst"]),
        "disk": size / timed(["dd", f"if={dump}", f"of={dump}.copy", "bs=1M", "conv=fsync"]),
    }
    ceiling = min(rates.values())
    rate = ours.plain / ours.seconds
    yield Row(
        f"backup of {what}",
        f"{ours.seconds:.1f} s, {rate / MIB:.0f} MiB/s, {100 * rate / ceiling:.0f} % of the ceiling",
        f"dump of {ours.plain / GIB:.2f} GiB, {ours.stored / GIB:.2f} GiB stored; each alone, MiB/s: "
        + ", ".join(f"{name} {one / MIB:.0f}" for name, one in rates.items()),
    )
    yield Row(f"pg_dump -Fc -Z0 of {what}, to a file", f"{copied:.1f} s", "no compression, no checksum, no proof")
    custom = timed([BIN / "pg_dump", "-Fc", "-f", f"{dump}.custom", url])
    yield Row(f"pg_dump -Fc of {what}", f"{custom:.1f} s", "its own gzip")
    parallel = timed([BIN / "pg_dump", "-Fd", "-j2", "-f", f"{dump}.directory", url])
    yield Row(f"pg_dump -Fd -j2 of {what}", f"{parallel:.1f} s", "its own gzip, two processes")
    server.execute("postgres", "CREATE DATABASE bare")
    bare = timed([BIN / "pg_restore", "-d", server.url("bare"), dump])
    server.execute("postgres", "DROP DATABASE bare")
    yield Row(
        f"restore of {what}",
        f"{ours.restore:.1f} s, {100 * bare / ours.restore:.0f} % of the speed of pg_restore alone",
        f"pg_restore of the plain dump into a running server: {bare:.1f} s; with start of the throw-away server, "
        f"decompression and the comparison {ours.whole - ours.seconds:.1f} s",
    )
    for path in (dump, *directory.glob("plain.*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def beside(server: Server, directory: Path) -> t.Iterator[Row]:
    """What the programs that use the database notice of a backup and its proof."""
    alone = latencies(server, directory)
    with taking(server.url("even"), directory):
        meanwhile = latencies(server, directory)
    yield Row(
        "p99 of a transaction, without and with a backup",
        f"{alone:.1f} ms, {meanwhile:.1f} ms",
        f"pgbench, {CLIENTS} clients, {RATE} transactions/s for {SECONDS} s, counted from when each was due; backup, throw-away "
        "server, database and clients share two processors",
    )


def fill(server: Server, database: str, scale: int) -> None:
    """The tables of pgbench."""
    options = ["-i", "-q", "-s", str(scale), "--init-steps=dtGvp"]
    run([BIN / "pgbench", *options, server.url(database)])


def latencies(server: Server, directory: Path) -> float:
    """The 99th percentile in milliseconds (pgbench, "Per-Transaction Logging": time and schedule lag)."""
    logs = Path(tempfile.mkdtemp(dir=directory))
    options = ["-n", "-l", f"--log-prefix={logs}/log", "-c", str(CLIENTS), "-T", str(SECONDS), "-R", str(RATE)]
    run([BIN / "pgbench", *options, server.url("even")])
    found = [float(line.split()[2]) / 1000 for path in logs.iterdir() for line in path.read_text().splitlines()]
    shutil.rmtree(logs)
    return statistics.quantiles(found, n=100)[98]


def take(url: str, directory: Path, verify: str) -> Taken:
    """One backup in a process of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=directory) as store:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.backup_once", store, verify],
            input=url,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return Taken(**json.loads(done.stdout))


@contextlib.contextmanager
def taking(url: str, directory: Path) -> t.Iterator[None]:
    """Backups one after the other while the block runs."""
    with tempfile.TemporaryDirectory(dir=directory) as store:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.backup_once", store, "restore", str(SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(url)
        process.stdin.close()
        yield
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, process.args)


def timed(command: t.Sequence[str | Path]) -> float:
    """Wall seconds of a command."""
    started = time.monotonic()
    run(command)
    return time.monotonic() - started


def run(command: t.Sequence[str | Path]) -> None:
    """A program that must not fail; what it writes goes nowhere."""
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
