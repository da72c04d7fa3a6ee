# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that is cut off at an exact point: its controller is killed, or stopped, maybe while a machine is at work."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import typing as t
from pathlib import Path

from tests.lab import Lab
from tests.lab.load import LoadRun, Profile, RequestSpec, Result
from tests.shop import Run

from . import machines
from .callback_plugins.interrupt import descendants
from .fleet import Fleet

PLUGINS = Path(__file__).with_name("callback_plugins")
STATE = "/var/lib/slipway/shop/production"
PROXY_LOCK = "/var/lib/slipway/haproxy.lock"
# A connection that is cut is noticed within seconds.
IMPATIENT = {
    "ANSIBLE_TIMEOUT": "5",
    "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=1 -o ServerAliveCountMax=3",
}
AWAITED = 60  # seconds in which a machine must get somewhere

# The remote task of each stage. A point that is never reached fails its test, so a name that changes is noticed.
REMOTE = {
    "lock": "Take the lock on every machine",
    "fetch": "Fetch the code of the new side, and build it",
    "migrate": "Apply the migrations",
    "build": "Build what one machine builds for all, and hand on what new machines lack",
    "prepare": "Create, start and verify the new side",
    "decision": "Write the decision, and hand the workers over",
    "shift": "Move the traffic to the new side, watch it, and drain the old one",
    "shift_batch": "Move the traffic of the batch to its new side, and watch it",
    "settle": "Stop the old side, keep it, and record",
    "revert_traffic": "Move the traffic back to the old side",
    "revert": "Stop the new side, and keep it for inspection",
    "withdraw": "Take the batch out of the traffic, or back into it",
    "pause": "Stop the live side",
    "restore": "Restore over the live database",
    "maintenance": "Close the platform, or open it",
    "drain": "Tell every balancer which machines have no traffic",
    "workers": "Pause the workers of the live side, or let them work again",
}

# Two GETs, answered by both services of the shop without their database, on kept and on new connections.
LIGHT = Profile(requests=(RequestSpec("api", path="/api/slow?ms=20"), RequestSpec("page")), connections=4)


class Point(t.NamedTuple):
    """Where a run is cut off.

    :param stage: one of RV(REMOTE).
    :param where: C(begin) before anything is sent, C(inside) the module on a machine, C(first) when one machine has
        answered, C(end) when all have.
    :param how: C(kill) the controller's process group (where Ansible's forks detach themselves they carry on),
        C(kill_all) with every fork and SSH client, C(stop).
    :param machine: the one that is inside, or that answers.
    :param batch: of a rolling release the one in which that is, counted from 1; 0 for all machines at once.
    """

    stage: str
    where: str
    how: str = "kill"
    machine: str = ""
    batch: int = 0

    def __str__(self) -> str:
        stage = f"{self.stage}{self.batch or ''}"
        return "-".join(part for part in (stage, self.where, self.machine, self.how) if part)

    @property
    def trigger(self) -> dict[str, t.Any]:
        """The same in the words of the callback plugin."""
        task = REMOTE["shift_batch" if self.batch and self.stage == "shift" else self.stage]
        common = {"nth": self.batch or 1, "machine": "", "how": self.how}
        if self.where == "end":
            return {"event": "start", "task": f"Verdict of {self.stage}", **common}
        if self.where == "first":
            return {"event": "ok", "task": task, **common, "machine": self.machine}
        return {"event": "start", "task": task, **common, "how": "stop" if self.where == "inside" else self.how}


# --- runs that are cut off


class CutRun:
    """A playbook that ends, or stops, at a point.

    :param args: of the playbook.
    :param env: of its environment.
    """

    def __init__(self, fleet: Fleet, point: Point, *args: str, playbook: str = "deploy.yml", **env: str) -> None:
        self.fleet, self.point, self._said = fleet, point, ""
        env = {
            "ANSIBLE_CALLBACK_PLUGINS": str(PLUGINS),
            "ANSIBLE_CALLBACKS_ENABLED": "interrupt",
            "INTERRUPT_AT": json.dumps(point.trigger),
            **env,
        }
        self.process = fleet.site.start(playbook, *args, environment=fleet.environment, **env)

    def stopped(self) -> bool:
        """Wait until it has stopped itself at the point; false when it has ended without."""
        _pid, status = os.waitpid(self.process.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return True
        self.process.returncode = os.waitstatus_to_exitcode(status)
        return False

    def go_on(self) -> None:
        """After RV(stopped)."""
        os.kill(self.process.pid, signal.SIGCONT)

    def killed(self) -> bool:
        """Wait until it has killed itself at the point; false when it has ended without."""
        return self.ended().rc == -signal.SIGKILL

    def kill(self) -> None:
        """Kill it now, in the way of the point; once it has ended, nothing is left to kill."""
        if self.process.poll() is not None:
            return
        if self.point.how == "kill_all":
            for pid in descendants(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.ended()

    def ended(self) -> Run:
        """Wait for its own end."""
        if not self._said:
            self._said = self.process.communicate(timeout=600)[0]
        return Run(self.process.returncode, self._said)


@contextlib.contextmanager
def cut(fleet: Fleet, point: Point, version: str, *, must: bool = True) -> t.Iterator[None]:
    """Start to release a version and cut it off at a point. Inside the block a machine may still be at work for it.

    :param must: whether it has to get there; a run that has something else to do first may not.
    """
    run = CutRun(fleet, point, "-e", f"slipway_version={version}")
    reached = run.stopped() if point.where == "inside" else run.killed()
    assert reached or not must, f"{point} was never reached: {run.ended().output}"
    if reached and point.where == "inside":
        with at_work(run):
            run.kill()
            yield
    else:
        yield


@contextlib.contextmanager
def at_work(run: CutRun) -> t.Iterator[CutRun]:
    """Let a stopped run go on; its module is at work on the machine of its point, and stays so until the block ends."""
    point, fleet = run.point, run.fleet
    since = len(fleet.journal(point.machine))
    with {**BLOCKERS, **fleet.blockers}[point.stage](fleet.lab, point.machine):
        run.go_on()
        if point.stage == "lock":
            await_waiting(fleet.lab, point.machine, f"{STATE}/machine.lock")
        else:
            await_record(fleet.lab, point.machine, "begin", point.stage, since)
        try:
            yield run
        except BaseException:  # a test that fails must not leave a release behind that disturbs the next one
            run.kill()
            raise


# --- what holds a module up on a machine, so that it is inside for certain


@contextlib.contextmanager
def engine_paused(lab: Lab, machine: str) -> t.Iterator[None]:
    """The Docker daemon does not answer; containers go on serving."""
    machines.shell(lab, machine, "kill -STOP $(pidof dockerd)")
    try:
        yield
    finally:
        machines.shell(lab, machine, "kill -CONT $(pidof dockerd)", check=False)  # it may have been rebooted meanwhile


@contextlib.contextmanager
def file_locked(lab: Lab, machine: str, path: str) -> t.Iterator[None]:
    """Somebody has the flock of a file."""
    command = ["docker", "exec", "--interactive", lab.container(machine)]
    holder = subprocess.Popen(
        [*command, "flock", "--close", path, "sh", "-c", "echo held; cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


def proxy_busy(lab: Lab, machine: str) -> t.ContextManager[None]:
    """Somebody else changes the proxy; it goes on serving."""
    return file_locked(lab, machine, PROXY_LOCK)


BLOCKERS: dict[str, t.Callable[[Lab, str], t.ContextManager[None]]] = {
    "lock": lambda lab, machine: file_locked(lab, machine, f"{STATE}/machine.lock"),
    "prepare": engine_paused,
    "decision": engine_paused,
    "shift": proxy_busy,
    "settle": engine_paused,
    "revert_traffic": proxy_busy,
    "revert": engine_paused,
}

_AWAIT_RECORD = """
import json, sys, time
path, event, stage, since, deadline = sys.argv[1:]
end = time.monotonic() + float(deadline)
while time.monotonic() < end:
    with open(path) as stream:
        records = [json.loads(line) for line in stream.read().splitlines()[int(since):] if line.endswith("}")]
    if any((record["event"], record["stage"]) == (event, stage) for record in records):
        sys.exit()
    time.sleep(0.01)
sys.exit(f"no {event} of {stage} in {records}")
"""

# A module waits for a flock by asking again and again, with the file open.
_AWAIT_WAITING = """
import os, pathlib, sys, time
path, deadline = sys.argv[1:]
def waiting(process):
    try:
        if not (process / "comm").read_text().startswith("python"):
            return False
        return any(os.readlink(one) == path for one in (process / "fd").iterdir())
    except OSError:
        return False
end = time.monotonic() + float(deadline)
while time.monotonic() < end:
    if any(waiting(process) for process in pathlib.Path("/proc").glob("[0-9]*")):
        sys.exit()
    time.sleep(0.01)
sys.exit(f"nobody waits for {path}")
"""

_ALL_ANSWER = "curl -fs localhost/api/products && curl -fs localhost/version"

_WEIGHTS = """
import json, socket
link = socket.socket(socket.AF_UNIX)
link.connect("/run/haproxy/slipway.sock")
link.sendall(b"show servers state\\n")
rows = [line.split() for line in link.makefile() if "slipway_shop_production_" in line]
print(json.dumps({f"{row[1]}/{row[3]}": int(row[7]) for row in rows}))
"""


def await_record(lab: Lab, machine: str, event: str, stage: str, since: int) -> None:
    """Wait until a machine's journal has such a record behind the first ``since``."""
    words = [f"{STATE}/journal.jsonl", event, stage, str(since), str(AWAITED)]
    lab.exec(machine, ["python3", "-c", _AWAIT_RECORD, *words])


def await_serving(fleet: Fleet) -> None:
    """Wait until every balancer answers for every service (after a boot)."""
    script = f"timeout {AWAITED} sh -c 'until {_ALL_ANSWER}; do sleep 0.1; done'"
    machines.each(fleet.proxies, lambda proxy: machines.shell(fleet.lab, proxy, script))


def await_waiting(lab: Lab, machine: str, path: str) -> None:
    """Wait until a module waits for the flock of a file."""
    lab.exec(machine, ["python3", "-c", _AWAIT_WAITING, path, str(AWAITED)])


# --- looking


def weights(fleet: Fleet, proxy: str) -> dict[str, int]:
    """The weight of each server on a balancer, by its own word."""
    found: dict[str, int] = json.loads(fleet.lab.exec(proxy, ["python3", "-c", _WEIGHTS]).stdout)
    return found


def locks(fleet: Fleet) -> dict[str, dict[str, t.Any]]:
    """Machine to its lock file; machines without one are left out."""
    command = ["cat", f"{STATE}/lock.json"]
    texts = machines.each(fleet.machines, lambda machine: fleet.lab.exec(machine, command, check=False).stdout)
    return {machine: json.loads(text) for machine, text in texts.items() if text}


def live_side(fleet: Fleet, proxy: str) -> str:
    """The side that has all traffic of a balancer, else C(mixed)."""
    sides = {name.partition("/")[2].partition("_")[0] for name, weight in weights(fleet, proxy).items() if weight}
    return sides.pop() if len(sides) == 1 else "mixed"


def ports(fleet: Fleet, machine: str, side: str) -> list[int]:
    """The ports of a side on a machine, by the newest decision in its journal."""
    spec = [record["data"]["spec"] for record in fleet.journal(machine) if record["event"] == "decision"][-1]
    return [port for service in spec["services"][machine].values() for port in service.get("ports", {}).get(side, [])]


@contextlib.contextmanager
def ports_refused(lab: Lab, machine: str, rule: str, numbers: t.Sequence[int]) -> t.Iterator[None]:
    """Connections that leave a machine for these ports are refused.

    :param rule: which of them, in the words of iptables.
    """
    which = (
        f"OUTPUT {rule} -p tcp -m multiport --dports {','.join(map(str, numbers))} -j REJECT --reject-with tcp-reset"
    )
    machines.shell(lab, machine, f"iptables -w -I {which}")
    try:
        yield
    finally:
        machines.shell(lab, machine, f"iptables -w -D {which}")


def course(said: str) -> str:
    """What a run did first about an interrupted release: forward, settle, undo, close, or nothing."""
    _before, found, after = said.partition(" was interrupted (")
    return after.partition("): ")[2].split()[0] if found else "nothing"


class Customers:
    """Light traffic, on all balancers or on these."""

    def __init__(self, fleet: Fleet, *proxies: str, profile: Profile = LIGHT) -> None:
        urls = [f"http://{fleet.lab.address(proxy)}:{fleet.listen}" for proxy in proxies or fleet.proxies]
        self._runs = [LoadRun(url, rate=50 / len(urls), profile=profile) for url in urls]

    def __enter__(self) -> Customers:
        for run in self._runs:
            run.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for run in self._runs:
            run.stop()

    def gone(self) -> list[Result]:
        """What became of the requests at each balancer."""
        return [run.stop() for run in self._runs]

    def all_served(self) -> int:
        """How many requests there were, none of which failed."""
        results = self.gone()
        assert [result.failed for result in results] == [0] * len(results), [result.causes for result in results]
        return sum(result.requests for result in results)
