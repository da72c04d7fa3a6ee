# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets of plain machines: the curve over their number, a rolling release against what it waits for, and the usual ways."""

from __future__ import annotations

import json
import shutil
import statistics
import typing as t
from pathlib import Path

from tests.lab import Lab
from tests.lab.load import LoadRun, Profile, RequestSpec

from . import fleet
from .measure import Row, spread
from .releases import alternating, expect, mitogen_strategies, walls
from .site import HERE, BenchSite, Measured

APPS = ("app1", "app2", "app3")
TIMES = 3
READY_AFTER = 3.0  # seconds; of the rolling releases and what they are compared with
SLOW = 15.0  # the same of a program that takes its time
RATE = 100
# Half of the requests take 50 ms, so that some are under way whenever a program stops.
CUSTOMERS = Profile(requests=(RequestSpec("get", path="/"), RequestSpec("slow", path="/slow")), connections=10)
WAITED = {"withdraw": "drain", "pause": "stop", "prepare": "start and healthy"}

_UNIT = """\
[Service]
EnvironmentFile=/srv/program/{where}environment
ExecStart=/usr/bin/python3 /srv/program/{where}program.py
KillMode=mixed
[Install]
WantedBy=multi-user.target
"""
_CONFIG = """\
global
    stats socket /run/haproxy/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
frontend clients
    bind :8000
    default_backend web
backend web
    default-server check inter 500ms fall 2 rise 1
    option httpchk GET /health
"""
_COMMAND = """\
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect("/run/haproxy/admin.sock")
link.sendall(" ".join(sys.argv[1:]).encode() + b"\\n")
sys.exit(link.recv(4096).decode().strip() or 0)
"""


class PlainSite(BenchSite):
    """The benchmark's program as a process of plain machines.

    :param options: of the site, over its own.
    """

    def __init__(
        self, lab: Lab, directory: Path, hosts: t.Sequence[str], proxies: t.Sequence[str], **options: t.Any
    ) -> None:
        self._options = options
        (directory / "code").mkdir(parents=True)
        shutil.copy(HERE / "program" / "program.py", directory / "code")
        super().__init__(lab, directory, hosts, proxies, "")

    def _variables(self, prefix: str) -> dict[str, t.Any]:
        ready_after = self._options.get("ready_after", 0.4)
        web = {
            "source": {"kind": "directory", "path": "code"},
            "command": ["/usr/bin/python3", "program.py"],
            "user": "deploy",
            "port": 8080,
            "env": {"VERSION": "{{ slipway_version }}", "READY_AFTER": str(ready_after)},
            "health": {"path": "/health", "successes": 1, "minimum": 0, "interval": 0.05, "deadline": 30},
            "stop_grace": 5,
        }
        variables = {**super()._variables(prefix), "slipway_model": "process", "slipway_services": {"web": web}}
        return {**variables, **self._options.get("variables", {})}


def measure(lab: Lab, directory: Path) -> t.Iterator[Row]:
    """All figures of fleets."""
    yield from curve(lab, directory / "curve")
    lab.destroy([name for name in lab.machines() if name not in (*APPS, "lb1")])
    yield from rolling(lab, directory / "rolling")
    yield from side_by_side(lab, directory / "usual")


# --- many machines


def curve(lab: Lab, directory: Path, sizes: t.Sequence[int] = fleet.SIZES) -> t.Iterator[Row]:
    """Wall time over what the CPU seconds used allow, with and without Mitogen; and the tasks in a row."""
    for how, env in (("", {}), (", with Mitogen", mitogen())):
        yield from fleet.measure(lambda size, how=how: _plain(lab, directory / f"{size}{how}", size), sizes, how, env)
    site = _plain(lab, directory / "tasks", sizes[-1])
    expect(site.deploy("1.0.0"))
    for what, run in (("a release", lambda **env: alternating(site, 1, **env)[0]), ("a rollback", site_rollback(site))):
        tasks = remote_tasks(directory / "tasks" / "remote", run)
        yield Row(f"remote tasks in a row of {what}", str(len(tasks)), f"modules: {', '.join(sorted(set(tasks)))}")


def _plain(lab: Lab, directory: Path, size: int) -> PlainSite:
    return _site(lab, directory, [f"app{number}" for number in range(1, size + 1)])


def _site(lab: Lab, directory: Path, hosts: t.Sequence[str], **options: t.Any) -> PlainSite:
    """A site on machines on which nothing was ever released."""
    lab.create([*hosts, "lb1"], image="light")
    for machine in lab.machines():
        lab.exec(machine, ["sh", "-c", CLEAR])
    site = PlainSite(lab, directory, hosts, ["lb1"], **options)
    expect(site.run("provision.yml", "--limit", "slipway_proxy"))
    return site


def site_rollback(site: BenchSite) -> t.Callable[..., Measured]:
    """Rolls a site back, as RV(BenchSite.run) does."""
    return lambda **env: expect(site.run("rollback.yml", **env))


def mitogen() -> dict[str, str]:
    """The environment in which Ansible goes by Mitogen."""
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": mitogen_strategies()}


def remote_tasks(path: Path, run: t.Callable[..., Measured]) -> list[str]:
    """The modules of the tasks that a run sent to machines, in their order."""
    path.unlink(missing_ok=True)
    plugins = str(HERE / "callback_plugins")
    run(ANSIBLE_CALLBACK_PLUGINS=plugins, ANSIBLE_CALLBACKS_ENABLED="remote_tasks", REMOTE_TASKS=str(path))
    return [line.split(" ", 1)[0] for line in path.read_text(encoding="utf-8").splitlines()]


# --- rolling


def rolling(lab: Lab, directory: Path) -> t.Iterator[Row]:
    """Three replicas, one after the other, against the sum of what each of them waits for."""
    quick = (("", {}), (", with Mitogen", mitogen()))
    for ready_after, hows in ((READY_AFTER, quick), (SLOW, quick[:1])):
        options = {"slipway_strategy": "rolling", "slipway_rolling": {"max_surge": 0}}
        site = _site(lab, directory / f"{ready_after:g}", APPS, ready_after=ready_after, variables=options)
        expect(site.deploy("1.0.0"))
        yield from _rolled(site, ready_after, hows)
    tasks = remote_tasks(directory / "remote", lambda **env: alternating(site, 1, **env)[0])
    yield Row("remote tasks in a row of it", str(len(tasks)), "5 and 5 a batch are what it may take")


def _rolled(site: PlainSite, ready_after: float, hows: t.Iterable[tuple[str, t.Mapping[str, str]]]) -> t.Iterator[Row]:
    for how, env in hows:
        found = []
        for _number in range(TIMES):
            (run,) = alternating(site, 1, **env)
            waited = waits(site)
            found.append((run.wall, sum(waited.values()), waited))
        ratio = statistics.median(wall / least for wall, least, _waited in found)
        parts = ", ".join(f"{what} {seconds:.2f} s" for what, seconds in found[-1][2].items())
        yield Row(
            f"rolling release of 3 replicas in place{how}",
            spread([wall for wall, _least, _waited in found], "s"),
            f"{ratio:.2f} x the sum of {parts} (of all three, in the last one); ready after {ready_after:g} s",
        )


def waits(site: PlainSite) -> dict[str, float]:
    """Seconds of what the last release waited for, summed over its batches: by the slowest machine of each."""
    release = site.report()["release"]
    longest: dict[tuple[str, int], float] = {}
    for machine in site.lab.machines():
        text = site.lab.exec(machine, ["cat", "/var/lib/slipway/bench/lab/journal.jsonl"]).stdout
        count: dict[str, int] = {}
        begun = 0.0
        for record in (json.loads(line) for line in text.splitlines() if line.endswith("}")):
            stage = record.get("stage")
            if record["release"] != release or stage not in WAITED:
                continue
            if record["event"] == "begin":
                begun = record["wall"]
                count[stage] = count.get(stage, 0) + 1
            elif record["event"] == "end":
                key = (stage, count[stage])
                longest[key] = max(longest.get(key, 0.0), record["wall"] - begun)
    return {what: sum(s for (name, _n), s in longest.items() if name == stage) for stage, what in WAITED.items()}


# --- the usual ways


def side_by_side(lab: Lab, directory: Path) -> t.Iterator[Row]:
    """The same program on the same machines under the same load: time, and what failed."""
    how = f"3 machines, {RATE} requests/s, ready after {READY_AFTER:g} s"
    for strategy, options in (
        ("blue/green", {}),
        ("rolling", {"slipway_strategy": "rolling"}),
        ("rolling in place", {"slipway_strategy": "rolling", "slipway_rolling": {"max_surge": 0}}),
    ):
        place = directory / strategy.replace("/", "-").replace(" ", "-")
        site = _site(lab, place, APPS, ready_after=READY_AFTER, variables=options)
        expect(site.deploy("1.0.0"))
        yield _under_load(lab, f"Slipway, {strategy}", how, lambda site=site: alternating(site, TIMES))
    for name, what in (
        ("serial", "by hand: serial 1, HAProxy disable and enable"),
        ("symlink", "as Ansistrano: link and restart"),
    ):
        usual = Usual(lab, directory / name, name)
        usual.release("1.0.0")
        runs = ("1.1.0", "1.0.0", "1.1.0")
        yield _under_load(
            lab, what, f"{how}; facts are gathered", lambda usual=usual, runs=runs: [usual.release(v) for v in runs]
        )


def _under_load(lab: Lab, what: str, how: str, act: t.Callable[[], list[Measured]]) -> Row:
    with LoadRun(f"http://{lab.address('lb1')}:8000", rate=RATE, profile=CUSTOMERS) as load:
        taken = walls(act())
        result = load.stop()
    return Row(what, spread(taken, "s"), f"{result.failed:,} of {result.requests:,} requests failed; {how}")


class Usual:
    """A playbook as people write it, with the unit and the balancer that it needs.

    :param name: of the playbook.
    """

    def __init__(self, lab: Lab, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        directory.mkdir(parents=True)
        for path in (HERE / "usual" / f"{name}.yml", HERE / "program" / "program.py"):
            shutil.copy(path, directory)
        inventory = lab.write_inventory({"apps": APPS, "proxies": ["lb1"]}, {"ready_after": READY_AFTER})
        shutil.copy(inventory, directory / "hosts.json")
        (directory / "ansible.cfg").write_text("[ssh_connection]\npipelining = true\n")
        unit = _UNIT.format(where="current/" if name == "symlink" else "")
        for machine in (*APPS, "lb1"):
            lab.exec(machine, ["sh", "-c", CLEAR])
        for machine in APPS:
            script = (
                "mkdir -p /srv/program/releases; cat > /etc/systemd/system/program.service; systemctl daemon-reload"
            )
            lab.exec(machine, ["sh", "-c", script], stdin=unit)
        servers = "".join(f"    server {app} {lab.address(app)}:8080\n" for app in APPS)
        lab.exec("lb1", ["sh", "-c", "cat > /usr/local/bin/haproxy-command"], stdin=_COMMAND)
        start = "cat > /etc/haproxy/haproxy.cfg; rm -rf /etc/systemd/system/haproxy.service.d; systemctl daemon-reload"
        lab.exec("lb1", ["sh", "-c", f"{start}; systemctl restart haproxy"], stdin=_CONFIG + servers)

    def release(self, version: str) -> Measured:
        """Run it."""
        command = ["ansible-playbook", f"{self._name}.yml", "-i", "hosts.json", "-e", f"version={version}"]
        return expect(BenchSite.timed(command, self._directory))


# Nothing of any of these ways is left, and the distribution's own HAProxy is as it came.
CLEAR = (
    "systemctl list-units --all --plain --no-legend 'slipway-bench.*' program.service | cut -d' ' -f1 | xargs -r systemctl stop; "
    "rm -rf /etc/systemd/system/slipway-bench.* /etc/systemd/system/multi-user.target.wants/slipway-bench.* "
    "/etc/systemd/system/program.service /srv/program /srv/slipway /var/lib/slipway/bench "
    "/etc/haproxy/slipway.d/bench-lab.cfg; systemctl daemon-reload; systemctl try-restart haproxy"
)
