# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole releases on one machine: wall time, rollback, the floor, Mitogen, under load, and refusals."""

from __future__ import annotations

import itertools
import shutil
import statistics
import subprocess
import sys
import typing as t
from pathlib import Path

from tests.lab.load import LoadRun, Profile, RequestSpec, StreamSpec
from tests.shop.site import COLLECTIONS

from .measure import Row, spread
from .site import BenchSite, Measured

TIMES = 5
PINGS = 10
EMPTY = str(Path(__file__).parent / "empty.yml")
PLAIN = Profile(requests=(RequestSpec("get", path="/"),), fresh=0.1)
STREAMED = PLAIN._replace(streams=(StreamSpec("events", "sse", "/events", copies=1),))

# What a stage of the floor does instead of its work: it answers at once with what the plan needs.
IDLE = {
    "release_state": "{'changed': False, 'container': {}, 'journal': {'releases': [],"
    " 'bad': {}, 'last_seq': int(params['state'] != 'read')},"
    " 'traffic': {}, 'lease': {'live': False, 'fence': 0}, 'facts': {'disk': {}, 'ports': [], 'memory': {'available': None},"
    " 'time': {'wall': __import__('time').time()}}}",
    "container_deploy": "{'changed': False}",
    "traffic_switch": "{'changed': False}",
}


class Failed(Exception):
    """A playbook of the benchmark did not end as it should."""


def expect(measured: Measured, rc: int = 0) -> Measured:
    """The same, or an error with what the playbook printed last."""
    if measured.rc != rc:
        raise Failed(f"exit status {measured.rc}, wanted {rc}:\n{measured.output[-2000:]}")
    return measured


def alternating(site: BenchSite, times: int, **keywords: t.Any) -> list[Measured]:
    """Release 1.1.0 and 1.0.0 in turn, beginning with the one that is not live."""
    report = site.report()
    live = report["version"] if report["outcome"] == "succeeded" else report["before"]["version"]
    versions = itertools.cycle(["1.1.0", "1.0.0"] if live == "1.0.0" else ["1.0.0", "1.1.0"])
    return [expect(site.deploy(version, **keywords)) for version in itertools.islice(versions, times)]


def rollbacks(site: BenchSite, times: int, **keywords: t.Any) -> list[Measured]:
    """Roll back to the release before, again and again."""
    return [expect(site.run("rollback.yml", **keywords)) for _number in range(times)]


def floors(site: BenchSite, collections: Path, times: int) -> list[Measured]:
    """Releases that do nothing; their reports would say that something else is live now."""
    before = site.reports()
    measured = [expect(site.deploy("1.1.0", collections=collections)) for _number in range(times)]
    for path in set(site.reports()) - set(before):
        path.unlink()
    return measured


def walls(measured: t.Sequence[Measured]) -> list[float]:
    """The wall seconds."""
    return [one.wall for one in measured]


def pings(site: BenchSite, times: int) -> list[Measured]:
    """Runs of a playbook whose every task only asks the machine for an answer."""
    path = site.directory / "pings.yml"
    path.write_text("- hosts: all\n  gather_facts: false\n  tasks:\n" + "    - ansible.builtin.ping:\n" * PINGS)
    return [expect(site.run(path.name)) for _number in range(times)]


def measure(site: BenchSite, url: str) -> t.Iterator[Row]:
    """All figures of one machine; the first release and the provisioning are not among them."""
    expect(site.deploy("1.0.0"))
    floor = floor_collections()
    strategy = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": mitogen_strategies()}
    how = "one machine, image present, ready after 0.4 s, one successful probe, bake 0"
    empty = walls([expect(site.run(EMPTY)) for _number in range(TIMES)])
    yield Row(
        "an empty playbook",
        spread(empty, "s"),
        "no machine, no task: Ansible's own start and end, and how fast this machine was just then",
    )
    yield Row(
        "a remote task that does nothing",
        spread([(wall - statistics.median(empty)) / PINGS for wall in walls(pings(site, TIMES))], "s"),
        f"ansible.builtin.ping, a {PINGS}th of so many in one playbook, less an empty one",
    )
    yield Row("release", spread(walls(alternating(site, TIMES)), "s"), how)
    switched = site.report()
    yield Row("rollback", spread(walls(rollbacks(site, TIMES)), "s"), how)
    yield Row(
        "the same playbook with modules that do nothing (floor)",
        spread(walls(floors(site, floor, TIMES)), "s"),
        "every task of a release, each answering at once",
    )
    yield Row("release, with Mitogen", spread(walls(alternating(site, TIMES, **strategy)), "s"), how)
    yield Row("rollback, with Mitogen", spread(walls(rollbacks(site, TIMES, **strategy)), "s"), how)
    with LoadRun(url, rate=200, profile=PLAIN) as load:
        loaded = walls(alternating(site, TIMES))
        result = load.stop()
    yield Row(
        "release at 200 requests/s", spread(loaded, "s"), f"{result.failed} of {result.requests:,} requests failed"
    )
    yield Row(
        "last old answer after the first new one",
        spread([overlap(site, url) for _number in range(TIMES)], "ms"),
        "200 short requests/s on kept and fresh connections; one release each",
    )
    with LoadRun(url, rate=20, profile=STREAMED) as load:
        streamed = walls(alternating(site, 3))
        result = load.stop()
    yield Row(
        "release with an event stream open", spread(streamed, "s"), f"drain deadline 10 s; {result.failed} failed"
    )
    yield Row("traffic moved and read back, in the last release", f"{switched['switched_ms']:.2f} ms", "HAProxy")
    yield from refusals(site)


def overlap(site: BenchSite, url: str) -> float:
    """Milliseconds for which both versions answered in one release; 0 when the old one was silent before."""
    with LoadRun(url, rate=200, profile=PLAIN) as load:
        (run,) = alternating(site, 1)
        result = load.stop()
    if result.failed:
        raise Failed(f"{result.failed} of {result.requests} requests failed: {result.causes}\n{run.output[-2000:]}")
    new = site.report()["version"]
    (old,) = set(result.by_version) - {new}
    return max(0.0, (result.by_version[old].last_ended - result.by_version[new].first_ended) * 1000)


def refusals(site: BenchSite) -> t.Iterator[Row]:
    """How long a version takes to be refused, and whether the cause is named."""
    expect(site.deploy("1.0.0"))
    cases = {
        "crash": ("a version that exits at its start", "exited"),
        "elsewhere": ("a version that listens on another port", "wrong_port"),
        "never": ("a version that never becomes healthy (deadline 30 s)", "status"),
        "missing": ("a version without an image", "image_missing"),
    }
    for version, (what, cause) in cases.items():
        measured = [
            expect(site.deploy(version, "-e", "slipway_allow_bad=true"), 2)
            for _n in range(1 if version == "never" else 3)
        ]
        if f"[{cause}]" not in measured[-1].output:
            raise Failed(f"{version}: the cause {cause} is not named:\n{measured[-1].output[-2000:]}")
        yield Row(f"refused: {what}", spread(walls(measured), "s"), f"named cause: {cause}")


def floor_collections() -> Path:
    """A copy of the collection whose stages answer at once, with all that the real ones import."""
    root = COLLECTIONS.parent / "floor"
    target = root / "ansible_collections" / "slipway" / "deploy"
    shutil.rmtree(root, ignore_errors=True)
    source = (COLLECTIONS / "ansible_collections" / "slipway" / "deploy").resolve()
    for part in ("galaxy.yml", "meta", "playbooks", "plugins", "roles"):
        copy = shutil.copytree if (source / part).is_dir() else shutil.copy
        target.mkdir(parents=True, exist_ok=True)
        copy(source / part, target / part)
    for module, idle in IDLE.items():
        path = target / "plugins" / "module_utils" / "stages" / f"{module}.py"
        path.write_text(f"{path.read_text()}\n\nperform = lambda params, check: {idle}\n")
    return root


def mitogen_strategies() -> str:
    """Where the installed Mitogen keeps its strategy plugins."""
    code = "import ansible_mitogen.plugins.strategy as s; print(list(s.__path__)[0])"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
