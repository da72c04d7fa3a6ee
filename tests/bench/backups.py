# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of PostgreSQL against what the parts of this machine allow, and against other tools; memory; who else notices."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
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

from tests.integration_local.backup.conftest import BIN

from .cluster import DATABASE, Bare, Cluster, accounts, noise, run, running
from .measure import Row, spread

MIB, GIB = float(1 << 20), float(1 << 30)
DATA = int(
    os.environ.get("SLIPWAY_BENCH_MIB", "1140")
)  # of each data set; the memory is measured with four times as much, too
SCALE = max(1, round(DATA / 9.5))  # of pgbench: so many MiB of a dump are one
CORES = len(os.sched_getaffinity(0))
JOBS = 2
MOST, BUDGET = 3, 60.0  # so often each is measured, but not again beyond so many seconds
CLIENTS, RATE, WINDOW = 4, 200, 20  # of the pgbench that runs beside, three windows of so many seconds


class Way(t.NamedTuple):
    """How a dump is made, as the module's options say it."""

    layout: str
    jobs: int

    def __str__(self) -> str:
        return f"format {self.layout}" + (f", {self.jobs} jobs" if self.jobs > 1 else "")


WAYS = (Way("custom", 1), Way("directory", JOBS))


class Taken(t.NamedTuple):
    """One backup by the engine, in a process of its own."""

    seconds: float
    restore: float
    whole: float  # with the throw-away server's start and the comparison
    plain: int
    stored: int
    memory: float  # MiB, the most that the process had, without the programs it started
    count: int


class Used(t.NamedTuple):
    """What a command took."""

    seconds: float
    cpu: float  # seconds of all processors, whoever used them


def measure(directory: Path) -> t.Iterator[Row]:
    """All figures of backups; everything is below the directory."""
    for path in (directory, *directory.parents):
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)  # the server's user must get through
    with running(directory) as server:
        yield from against("random bytes", server, noise(server, DATA), directory, {})
    with running(directory) as server:
        made: dict[Way, Taken] = {}
        yield from against("pgbench's tables", server, accounts(server, SCALE), directory, made)
        yield from beside(server, directory)
        yield from memory(server, directory, made)


def against(what: str, server: Cluster, tables: list[str], directory: Path, made: dict[Way, Taken]) -> t.Iterator[Row]:
    """Backups and their proofs, beside the ceilings of this machine and beside other tools; gives the last of each way."""
    url, plain = server.url(DATABASE), directory / "plain"
    run([BIN / "pg_dump", "-Fc", "-Z0", "-f", plain, url])
    run([BIN / "pg_dump", "-Fd", "-Z0", "-j", str(JOBS), "-f", f"{plain}.directory", url])
    dumps = {"custom": plain, "directory": Path(f"{plain}.directory")}
    storing, unpacking = compressing_and_writing(plain)
    with running(directory, Bare) as bare:
        loading = {way: loaded(bare, dumps[way.layout], way.jobs) for way in WAYS}
    ceilings = {way: {**copying(url, tables, way.jobs), **storing} for way in WAYS}
    for path in dumps.values():
        remove(path)
    for way in WAYS:
        taken = repeated(functools.partial(take, url, directory, way))
        made[way] = taken[-1]
        yield of_a_backup(what, way, taken, ceilings[way])
        yield of_a_restore(what, way, taken, {**loading[way], **unpacking})
    yield from pg_dumps(what, url, directory)
    yield from pgbackrest(what, server, directory)


def compressing_and_writing(plain: Path) -> tuple[dict[str, Used], dict[str, Used]]:
    """What two parts of a backup take when each has the machine for itself, and one part of a restore."""
    packed, copy = Path(f"{plain}.zst"), Path(f"{plain}.copy")
    storing = {
        "zstd": median(lambda: run(["zstd", "-qfT0", plain, "-o", packed])),
        "disk": median(lambda: run(["dd", f"if={packed}", f"of={copy}", "bs=1M", "conv=fsync"])),
    }
    unpacking = {"zstd -d": median(lambda: run(["zstd", "-qdc", packed]))}
    packed.unlink()
    copy.unlink()
    return storing, unpacking


def copying(url: str, tables: list[str], jobs: int) -> dict[str, Used]:
    """What the third one takes: all rows to nowhere, by so many connections at once."""

    def one(some: list[str]) -> None:
        run([BIN / "psql", "-qX", *(word for table in some for word in ("-c", f"COPY {table} TO STDOUT")), url])

    def every() -> None:
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, [tables[number::jobs] for number in range(jobs)]))

    return {f"COPY by {jobs}": median(every)}


def median(part: t.Callable[[], None]) -> Used:
    """What a part takes."""
    return middle_of(repeated(functools.partial(timed, part)))


def middle_of(used: list[Used]) -> Used:
    """By its seconds."""
    return sorted(used)[len(used) // 2]


def of_a_backup(what: str, way: Way, taken: list[Taken], parts: dict[str, Used]) -> Row:
    """Beside its ceilings."""
    seconds, last = [one.seconds for one in taken], taken[-1]
    share, each = beside_ceilings(seconds, parts)
    return Row(
        f"backup of {what}, {way}",
        f"{spread(seconds, 's', 1)}, {last.plain / MIB / statistics.median(seconds):.0f} MiB/s: {share}",
        f"dump of {last.plain / GIB:.2f} GiB, {last.stored / GIB:.2f} GiB stored; {each} (disk: of what is stored, with fsync)",
    )


def of_a_restore(what: str, way: Way, taken: list[Taken], parts: dict[str, Used]) -> Row:
    """The proof's restore beside its ceilings; the server's start and the comparison are told apart."""
    seconds = [one.restore for one in taken]
    proof = statistics.median(one.whole - one.seconds for one in taken)
    share, each = beside_ceilings(seconds, parts)
    return Row(
        f"verified restore of {what}, {way}",
        f"{spread(seconds, 's', 1)}: {share}",
        f"{each} (pg_restore: of a dump without compression into a running server of the same settings); the whole proof, "
        f"with the throw-away server's start and the comparison: {proof:.1f} s",
    )


def beside_ceilings(seconds: list[float], parts: dict[str, Used]) -> tuple[str, str]:
    """Beside the slowest part alone, and beside what the processors allow when all parts share them."""
    slowest = max(part.seconds for part in parts.values())
    shared = sum(part.cpu for part in parts.values()) / CORES
    middle = statistics.median(seconds)
    return (
        f"{100 * slowest / middle:.0f} % of the slowest part's speed, "
        f"{100 * max(slowest, shared) / middle:.0f} % of what {CORES} processors allow",
        f"each part alone: {', '.join(f'{name} {part.seconds:.1f} s' for name, part in parts.items())}; their CPU time on "
        f"{CORES} processors {shared:.1f} s",
    )


def pg_dumps(what: str, url: str, directory: Path) -> t.Iterator[Row]:
    """Without a checksum, without a proof."""
    out = directory / "plain"
    ways: dict[str, list[str]] = {"pg_dump -Fc": ["-Fc"], f"pg_dump -Fd -j{JOBS}": ["-Fd", f"-j{JOBS}"]}
    sizes: list[int] = []

    def dumped(options: list[str]) -> float:
        used = timed(lambda: run([BIN / "pg_dump", *options, "-f", out, url]))
        sizes.append(sum(path.stat().st_size for path in (out, *out.glob("*")) if path.is_file()))
        remove(out)
        return used.seconds

    for name, options in ways.items():
        seconds = repeated(functools.partial(dumped, options))
        yield Row(
            f"{name} of {what}", spread(seconds, "s", 1), f"its own gzip, {sizes[-1] / GIB:.2f} GiB; nothing is proven"
        )


def pgbackrest(what: str, server: Cluster, directory: Path) -> t.Iterator[Row]:
    """A physical backup is of files: of indexes as well, and without their order being made again."""
    server.archive(JOBS)
    backup = repeated(lambda: timed(lambda: server.backrest("backup", "--type=full")).seconds)
    size, stored, into = server.size(), server.stored(), directory / "restored"

    def back() -> float:
        into.mkdir()
        shutil.chown(into, "postgres")
        used = timed(lambda: server.backrest("restore", f"--pg1-path={into}"))
        shutil.rmtree(into)
        return used.seconds

    restore = repeated(back)
    yield Row(
        f"pgBackRest, full backup of {what}",
        spread(backup, "s", 1),
        f"zst, {JOBS} processes; databases of {size / GIB:.2f} GiB, {stored / GIB:.2f} GiB stored; until its WAL is archived; "
        "nothing is restored",
    )
    yield Row(
        f"pgBackRest, restore of {what}", spread(restore, "s", 1), "of the files, without a server's start and recovery"
    )


def beside(server: Cluster, directory: Path) -> t.Iterator[Row]:
    """What the programs that use the database notice of backups and their proofs."""
    alone = latencies(server, directory)
    for way in WAYS:
        with taking(server.url(DATABASE), directory, way) as told:
            meanwhile = latencies(server, directory)
        yield Row(
            f"p99 of a transaction, without and with backups, {way}",
            f"{spread(alone, 'ms', 1)}; {spread(meanwhile, 'ms', 1)}",
            f"pgbench, {CLIENTS} clients, {RATE} transactions/s, each counted from when it was due, in windows of {WINDOW} s; "
            f"{told[0].count} backups with their restore one after the other; server, throw-away server, backup and clients share "
            f"{CORES} processors",
        )


def memory(server: Cluster, directory: Path, made: dict[Way, Taken]) -> t.Iterator[Row]:
    """Of the module's process, for one size and for four times that."""
    accounts(server, 4 * SCALE)
    for way, before in made.items():
        after = take(server.url(DATABASE), directory, way)
        yield Row(
            f"memory of the module, {way}",
            f"{before.memory:.0f} MiB for {before.plain / GIB:.1f} GiB, {after.memory:.0f} MiB for {after.plain / GIB:.1f} GiB",
            "the most that was resident of its process, over backup, restore and comparison, without the programs it starts; n=1",
        )


# --- what is done


def take(url: str, directory: Path, way: Way) -> Taken:
    """One backup and its proof in a process of its own, which is gone afterwards."""
    with place(directory) as where, begun(url, [str(where), way.layout, str(way.jobs)]) as process:
        return ended(process)


@contextlib.contextmanager
def taking(url: str, directory: Path, way: Way) -> t.Iterator[list[Taken]]:
    """Backups one after the other while the block runs; the last of them is told after it."""
    told: list[Taken] = []
    seconds = str(MOST * WINDOW)
    with place(directory) as where, begun(url, [str(where), way.layout, str(way.jobs), seconds]) as process:
        yield told
        told.append(ended(process))


@contextlib.contextmanager
def place(directory: Path) -> t.Iterator[Path]:
    """Where a backup, its store and its throw-away server are."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        where = Path(name)
        where.chmod(0o755)
        (where / "scratch").mkdir()
        yield where


@contextlib.contextmanager
def begun(url: str, words: list[str]) -> t.Iterator[subprocess.Popen[str]]:
    """A process that takes backups."""
    command = [sys.executable, "-m", "tests.bench.backup_once", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(url)
        process.stdin.close()
        yield process


def ended(process: subprocess.Popen[str]) -> Taken:
    """What it printed."""
    assert process.stdout is not None
    said = process.stdout.read()
    if process.wait():
        raise RuntimeError("the backup failed; what it said is above")
    return Taken(**json.loads(said))


def loaded(server: Cluster, dump: Path, jobs: int) -> dict[str, Used]:
    """What pg_restore takes into an empty database, from a dump that need not be unpacked."""
    words = ["--exit-on-error", f"--jobs={jobs}", "-d", server.url(DATABASE), dump]

    def once() -> Used:
        server.execute("postgres", f"DROP DATABASE {DATABASE}", f"CREATE DATABASE {DATABASE}")
        return timed(lambda: run([BIN / "pg_restore", *words]))

    return {f"pg_restore by {jobs}": middle_of(repeated(once))}


def latencies(server: Cluster, directory: Path) -> list[float]:
    """The 99th percentile of each window in milliseconds (pgbench, "Per-Transaction Logging": time, and when it was done)."""
    logs = Path(tempfile.mkdtemp(dir=directory))
    options = ["-n", "-l", f"--log-prefix={logs}/log", "-c", str(CLIENTS), "-T", str(MOST * WINDOW), "-R", str(RATE)]
    run([BIN / "pgbench", *options, server.url(DATABASE)])
    lines = [line.split() for path in logs.iterdir() for line in path.read_text().splitlines()]
    shutil.rmtree(logs)
    first = min(int(line[4]) for line in lines)
    windows: list[list[float]] = [[] for _number in range(MOST)]
    for line in lines:
        windows[min((int(line[4]) - first) // WINDOW, MOST - 1)].append(float(line[2]) / 1000)
    return [statistics.quantiles(window, n=100)[98] for window in windows]


Measured = t.TypeVar("Measured")


def repeated(once: t.Callable[[], Measured], most: int = MOST) -> list[Measured]:
    """What is short often enough for a median, what is long less often."""
    found: list[Measured] = []
    started, longest = time.monotonic(), 0.0
    while len(found) < most and time.monotonic() - started + longest <= BUDGET:
        os.sync()  # nobody waits for what another one has left to be written
        begun_at = time.monotonic()
        found.append(once())
        longest = max(longest, time.monotonic() - begun_at)
    return found


def timed(part: t.Callable[[], None]) -> Used:
    """Seconds of a part, and of the processors meanwhile: the server's are nobody's children here."""
    before, started = busy(), time.monotonic()
    part()
    return Used(time.monotonic() - started, busy() - before)


def busy() -> float:
    """Seconds that all processors were used for (/proc/stat: user, nice, system, irq, softirq; proc(5))."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / os.sysconf("SC_CLK_TCK")


def remove(path: Path) -> None:
    """A file or a directory."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
