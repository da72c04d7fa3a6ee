# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of the lab with a real systemd, and a tiny program on it that is released there."""

from __future__ import annotations

import base64
import io
import json
import pathlib
import subprocess
import tarfile
import time
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import PROCESS_DEPLOY
from ansible_collections.slipway.deploy.plugins.module_utils.stages.service_arguments import SERVICE_RUN

from tests.lab import Lab
from tests.lab.engine import docker

MACHINE = "p1"
MANAGERS = ("systemd", "supervisor", "pm2")
ROOT = pathlib.Path(__file__).parents[3]
ENGINES = ROOT / "plugins" / "module_utils"
NODE_MODULES = ROOT / ".cache" / "tools" / "node_modules"
PROGRAM = r"""
import http.server, itertools, os, signal, socket, subprocess, sys, threading, time

mode = os.environ.get("MODE", "")
secret = open(os.environ["TOKEN_FILE"]).read() if "TOKEN_FILE" in os.environ else ""
version = open("version").read().strip()
print("version", version, "token", secret, flush=True)
if mode == "exit":
    sys.exit(3)
if mode == "later":
    time.sleep(0.5)
    sys.exit(4)
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else lambda *_: sys.exit(0))
if mode == "children":
    subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
if mode == "slow":
    time.sleep(1.5)
if mode == "loop":
    threading.Timer(1.0, os._exit, [6]).start()
if mode == "chatty":
    def chat():
        for number in itertools.count(1):
            print(version, "line", number, flush=True)
            time.sleep(0.005)
    threading.Thread(target=chat, daemon=True).start()
if mode == "worker":
    while True:
        time.sleep(0.05)
if mode == "notify":
    time.sleep(0.3)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    link.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
    link.send(b"READY=1")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code, body = 200, version
        if self.path == "/health" and mode == "sick":
            code, body = 500, "sick with " + secret
        elif self.path == "/secret":
            body = secret
        elif self.path == "/env":
            body = repr(sorted(os.environ.items()))
        elif self.path == "/argv":
            body = repr(sys.argv[1:])
        elif self.path == "/write":
            try:
                open("by-hand", "w")
            except OSError as error:
                body = type(error).__name__ + " " + str(error.errno)
            open("uploads/here", "a").write("x") if os.path.isdir("uploads") else None
        elif self.path == "/end":
            os._exit(5)
        elif self.path == "/broken":
            code = 500
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""
SHARED_MOUNTS = """
[Unit]
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount --make-rshared /

[Install]
WantedBy=sysinit.target
"""
QUICK = {"path": "/health", "successes": 1, "minimum": 0, "interval": 0.1, "deadline": 20}


# Ends the engine's process at its n-th command or change of a file: before it if n is odd, after it if not.
KILL = """
import os
from slipway.system import System
left = [{kill}]
def counted(work):
    def do(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0 and {kill} % 2:
            os._exit(9)
        result = work(*args, **kwargs)
        if left[0] == 0:
            os._exit(9)
        return result
    return do
for name in ("run", "replace_file", "rename", "unlink"):
    setattr(System, name, counted(getattr(System, name)))
from slipway.process import supervisor_rpc
ask = supervisor_rpc.Supervisord.ask
act = counted(ask)
supervisor_rpc.Supervisord.ask = lambda self, method, *rest, **more: (
    ask if method.startswith(("get", "read")) else act)(self, method, *rest, **more)
from slipway.process import pm2_rpc
send = pm2_rpc.Call.__init__
order = counted(send)
pm2_rpc.Call.__init__ = lambda self, path, method, argument: (
    send if method == "getMonitorData" else order)(self, path, method, argument)
"""


class Killed(Exception):
    """The engine's process is gone."""


class Site:
    """One platform on the machine; every test has its own."""

    def __init__(self, lab: Lab, number: int, manager: str = "systemd") -> None:
        self.lab = lab
        self.platform = f"shop{number}"
        first = 20000 + number * 20
        self.ports = {"blue": [first, first + 1], "green": [first + 10, first + 11]}
        self.secrets = {"TOKEN": "s3cret-value-of-token", "ENV_TOKEN": "s3cret-value-of-env"}
        self.base = f"/srv/slipway/{self.platform}/test"
        self.manager = manager
        self.user = {} if manager == "systemd" else {"user": "app"}  # systemd alone makes one up
        if manager == "supervisor":  # the machine, or it alone, may have been started anew just now
            wait_for(self.supervisor_answers)

    def put(self, version: str, **files: str) -> str:
        """A directory of the machine with the program of a version; its path."""
        path = f"/srv/sources/{self.platform}/{version}"
        self.sh(f"rm -rf {path} && mkdir -p {path}")
        content = {"app.py": PROGRAM, "version": version, **files}
        for name, text in content.items():
            self.lab.exec(
                MACHINE, ["sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", f"{path}/{name}"], stdin=text
            )
        return path

    def web(self, version: str, **more: t.Any) -> dict[str, t.Any]:
        source = {"kind": "directory", "path": self.put(version)} if "source" not in more else None
        option = {"source": source, "command": ["python3", "app.py"], "port": 8080, "ports": self.ports}
        return {**option, **self.user, "health": QUICK, "stop_grace": 3, **more}

    def worker(self, **more: t.Any) -> dict[str, t.Any]:
        """It runs the code of C(web)."""
        option = {"code": "web", "command": ["python3", "app.py"], "env": {"MODE": "worker"}, "traffic": False}
        return {**option, **self.user, "stop_grace": 3, **more}

    # Acting

    def try_run(
        self, state: str, side: str, release: str, services: t.Any, *, check: bool = False, kill: int = 0, **more: t.Any
    ) -> t.Any:
        """What the module returns.

        :param kill: at which command or change of a file the engine's process ends.
        """
        given = {
            "platform": self.platform,
            "environment": "test",
            "state": state,
            "side": side,
            "version": release,
            "identity": f"id-{release}",
            "publish": "127.0.0.1",
            "services": services,
            "secrets": base64.b64encode(json.dumps(self.secrets).encode()).decode(),
            "manager": self.manager,
            **more,
        }
        params = {name: given.get(name, option.get("default")) for name, option in PROCESS_DEPLOY.options.items()}
        params["version"] = release
        return self.engine({"module": "process_deploy", "params": params, "check": check}, kill, release)

    def engine(self, order: t.Mapping[str, t.Any], kill: int = 0, release: str = "") -> t.Any:
        """What a module returns whose engine runs on the machine."""
        code = "import os, sys; os.umask(0o077); sys.path.insert(0, '/opt/engines')\n"
        code += f"import slipway.stages.process_deploy as m; m.release_name = lambda _: {release!r}\n"
        code += KILL.format(kill=kill) if kill else ""
        code += "from slipway.stages.entry import main; main()"
        done = self.lab.exec(MACHINE, ["python3", "-c", code], stdin=json.dumps(order), check=False)
        if kill and done.returncode == 9:
            raise Killed
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def once(self, side: str, *command: str, timeout: float = 60.0) -> tuple[t.Any, list[str]]:
        """What the module returns that runs a command beside the web of a side, and the lines that the command wrote."""
        place = f"/var/lib/slipway/{self.platform}/test/runs/0123456789abcdef"
        given = {
            "platform": self.platform,
            "environment": "test",
            "model": "process",
            "manager": self.manager,
            "service": {},
            "replica": self.name(side),
            "command": list(command),
            "timeout": timeout,
            "output": place,
            "secrets": base64.b64encode(json.dumps(self.secrets).encode()).decode(),
        }
        params = {name: given.get(name, option.get("default")) for name, option in SERVICE_RUN.options.items()}
        result = self.engine({"module": "service_run", "params": params, "check": False})
        return result, self.sh(f"cat {place}; rm {place}").splitlines()

    def run(self, state: str, side: str, release: str, services: t.Any, **more: t.Any) -> t.Any:
        found = self.try_run(state, side, release, services, **more)
        assert "failed" not in found, json.dumps(found, indent=1)
        return found

    def failure(self, state: str, side: str, release: str, services: t.Any, **more: t.Any) -> t.Any:
        found = self.try_run(state, side, release, services, **more)
        assert found.get("failed"), json.dumps(found, indent=1)
        assert "s3cret" not in json.dumps(found)
        assert "exception" not in found, found["exception"]
        return found["error"]

    def release(self, side: str, release: str, services: t.Any, **more: t.Any) -> None:
        for state in ("prepared", "decided", "settled"):
            self.run(state, side, release, services, **more)

    def observed(self) -> t.Any:
        return self.run("observed", "blue", "", {})["observed"]

    # Looking

    def sh(self, script: str, *, check: bool = True) -> str:
        return self.lab.exec(MACHINE, ["sh", "-c", script], check=check).stdout.strip()

    def supervisor_answers(self) -> bool:
        return self.sh("supervisorctl pid", check=False).isdigit()

    def get(self, side: str, path: str = "/", replica: int = 0) -> str:
        return self.sh(f"curl --silent --max-time 5 http://127.0.0.1:{self.ports[side][replica]}{path}", check=False)

    def name(self, side: str, service: str = "web", replica: int = 1) -> str:
        """What the manager calls a replica."""
        program = f"slipway-{self.platform}.test.{service}.{side}"
        return f"{program}@{replica}.service" if self.manager == "systemd" else f"{program}-{replica}"

    def log(self, side: str) -> str:
        """The file that a replica writes to; systemd has a journal."""
        logs = "/var/log/slipway" if self.manager == "supervisor" else f"{self.base}/pm2/logs"
        return f"{logs}/{self.name(side)}.log"

    def pids(self, *sides: str) -> dict[str, int]:
        """The main processes of what runs."""
        found = self.observed()["sides"]
        return {
            item["name"]: item["pid"]
            for side in sides
            for items in found[side]["services"].values()
            for item in items
            if item["running"]
        }

    def current(self) -> str:
        return self.sh(f"readlink {self.base}/current", check=False)

    def seen(self) -> dict[str, tuple[str, bool]]:
        """Service, side and replica to status and whether it comes back after a reboot."""
        found = self.observed()["sides"]
        return {
            f"{service} {side} {item['replica']}": (item["status"], item["boot"])
            for side, about in found.items()
            for service, items in about["services"].items()
            for item in items
        }


def put_engines(lab: Lab) -> None:
    """The engines as they are in the repository, onto the machine."""
    put_directories(lab, "/opt/engines", {"slipway": ENGINES})


def put_pm2(lab: Lab, machine: str = MACHINE) -> None:
    """PM2 as C(npm install --global pm2) would have it, of the packages that this machine has."""
    names, todo = set(), {"pm2"}
    while todo - names:
        name = (todo - names).pop()
        names.add(name)
        package = json.loads((NODE_MODULES / name / "package.json").read_text())
        todo |= {each for each in package.get("dependencies", {}) if (NODE_MODULES / each).exists()}
    put_directories(lab, "/usr/local/lib/node_modules", {name: NODE_MODULES / name for name in sorted(names)}, machine)
    lab.exec(machine, ["ln", "-sf", "../lib/node_modules/pm2/bin/pm2", "/usr/local/bin/pm2"])


def put_directories(lab: Lab, where: str, directories: t.Mapping[str, pathlib.Path], machine: str = MACHINE) -> None:
    """Directories of this machine, by their names there."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, path in directories.items():
            archive.add(path, name, filter=lambda info: None if "__pycache__" in info.name else info)
    lab.exec(machine, ["mkdir", "-p", where])
    argv = ["docker", "exec", "-i", lab.container(machine), "tar", "-xC", where]
    subprocess.run(argv, input=data.getvalue(), check=True)


def make_machine(lab: Lab) -> None:
    """A machine with systemd, Supervisor, Node.js and PM2; what else its image has is not used."""
    lab.create([MACHINE], image="ready")
    docker("update", "--cpu-shares", "2", lab.container(MACHINE))
    put_engines(lab)
    if lab.exec(MACHINE, ["test", "-e", "/usr/local/bin/pm2"], check=False).returncode:
        put_pm2(lab)
    lab.exec(MACHINE, ["sh", "-c", "id app || useradd --system app"])
    # In a container systemd leaves mounts private; on a machine they are shared, and credentials need that.
    lab.exec(MACHINE, ["sh", "-c", "cat > /etc/systemd/system/shared-mounts.service"], stdin=SHARED_MOUNTS)
    lab.exec(MACHINE, ["systemctl", "--quiet", "enable", "--now", "shared-mounts", "supervisor"])


def wait_for(question: t.Callable[[], bool]) -> None:
    """Ask until the answer is yes."""
    end = time.monotonic() + 60
    while not question():
        assert time.monotonic() < end, "still not so after a minute"
