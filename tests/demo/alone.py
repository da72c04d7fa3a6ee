# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on this machine itself, without Docker: processes by Supervisor, a SQLite database, HAProxy."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from tests.shop import Site
from tests.shop.images import SHOP

from .namespace import NoNamespaceError, enter, make_own
from .show import RATE, demonstrate, say, title

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".venv-alone" / "bin"  # supervisord, and the Python that has what the shop needs
BOOTSTRAP = str(ROOT / "tools" / "bootstrap.sh")
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # which an ordinary user's PATH often lacks
FIRST_PORT = 8080
PATIENCE = 20.0  # seconds in which supervisord must answer

SUPERVISORD = """\
[unix_http_server]
file=/run/supervisor.sock
[supervisord]
logfile=/var/log/supervisord.log
pidfile=/run/supervisord.pid
childlogdir=/var/log
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix:///run/supervisor.sock
[include]
files=/etc/supervisor/conf.d/*.conf
"""
HAPROXY = """\
global
    maxconn 2000
"""
# There is no systemd in here: what a reload of the service does (systemctl reload haproxy), its master is told directly.
SYSTEMCTL = """\
#!/bin/sh
[ "$*" = "reload haproxy" ] || { echo "systemctl: only HAProxy can be reloaded here" >&2; exit 1; }
kill -USR2 "$(cat /run/haproxy-master.pid)"
"""


def run(*, rate: float = RATE, variables: t.Mapping[str, t.Any] | None = None) -> int:
    """Get what it needs, enter a namespace, and show it there; the exit status.

    :param rate: requests a second.
    :param variables: of the site, in the place of its own.
    """
    try:
        wanted = needs()
        argv = enter()
    except NoNamespaceError as error:
        print(
            f"\nmake demo: without Docker it needs namespaces, and this machine gives none ({error}).\n"
            "As root: sysctl -w user.max_user_namespaces=10000 kernel.apparmor_restrict_unprivileged_userns=0, whichever there is;"
            " or run it as root, and not in a container.",
            file=sys.stderr,
        )
        return 1
    if wanted:
        print(f"\nmake demo: {wanted}", file=sys.stderr)
        return 1
    directory = Path(tempfile.mkdtemp(prefix="slipway-demo-"))
    try:
        about = {"directory": str(directory), "port": free_port(), "rate": rate, "variables": dict(variables or {})}
        command = [*argv, sys.executable, "-m", "tests.demo.alone", json.dumps(about)]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
    finally:
        shutil.rmtree(directory)
    say("All that it started has ended, and nothing of it is left.")
    return status


def needs() -> str:
    """Fetch what is missing; what a person has to do where that cannot be, else nothing."""
    if not sys.platform.startswith("linux"):
        return "without Docker it needs Linux."
    there = shutil.which("haproxy", path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if not there and subprocess.run([BOOTSTRAP, "packages", "haproxy"], check=False).returncode:
        return "without Docker it needs HAProxy: install the package haproxy (as root: apt-get install haproxy)."
    if subprocess.run([BOOTSTRAP, "venv", "alone", "requirements/alone.txt"], check=False).returncode:
        return "without Docker it needs the packages of requirements/alone.txt."
    return ""


def free_port() -> int:
    """The first from 8080 on that nobody listens on."""
    for port in range(FIRST_PORT, FIRST_PORT + 1000):
        with socket.socket() as link:
            if link.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError(f"no port from {FIRST_PORT} on is free")


def inside(about: t.Mapping[str, t.Any]) -> int:
    """In the namespace: start what a machine would have running, and show it."""
    directory, port = Path(about["directory"]), int(about["port"])
    make_own(directory)
    for name in ("home", "tmp", "bin", "shop"):
        (directory / name).mkdir()
    path = [
        str(Path(sys.executable).parent),
        str(directory / "bin"),
        str(TOOLS),
        os.environ.get("PATH", os.defpath),
        SBIN,
    ]
    os.environ.update(HOME=str(directory / "home"), TMPDIR=str(directory / "tmp"), PATH=":".join(path))
    tempfile.tempdir = None
    title("This machine, in a namespace of its own: HAProxy, Supervisor, and a SQLite database")
    with running(directory):
        site = make_site(directory, port, about["variables"])
        as_promised = demonstrate(site, f"http://127.0.0.1:{port}", rate=about["rate"])
    return 0 if as_promised else 1


@contextlib.contextmanager
def running(directory: Path) -> t.Iterator[None]:
    """HAProxy and supervisord, as their services have them; they end with the block."""
    write("/etc/supervisor/supervisord.conf", SUPERVISORD)
    write("/etc/haproxy/haproxy.cfg", HAPROXY)
    write(directory / "bin" / "systemctl", SYSTEMCTL).chmod(0o755)
    for path in ("/etc/supervisor/conf.d", "/etc/haproxy/slipway.d", "/run/haproxy"):
        Path(path).mkdir(parents=True, exist_ok=True)
    with open("/var/log/demo.log", "wb") as log:
        started = [
            subprocess.Popen(
                [TOOLS / "supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf"], stdout=log, stderr=log
            ),
            subprocess.Popen(
                ["haproxy", "-W", "-f", "/etc/haproxy/haproxy.cfg", "-f", "/etc/haproxy/slipway.d"],
                stdout=log,
                stderr=log,
            ),
        ]
        try:
            write("/run/haproxy-master.pid", str(started[1].pid))
            await_socket("/run/supervisor.sock")
            yield
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait()


def await_socket(path: str) -> None:
    """Wait until somebody listens there."""
    end = time.monotonic() + PATIENCE
    while True:
        with socket.socket(socket.AF_UNIX) as link, contextlib.suppress(OSError):
            link.connect(path)
            return
        if time.monotonic() > end:
            raise RuntimeError(
                f"nobody listens on {path}: {Path('/var/log/demo.log').read_text(errors='replace')[-2000:]}"
            )
        time.sleep(0.05)


def make_site(directory: Path, port: int, variables: t.Mapping[str, t.Any]) -> Site:
    """The example's playbooks, with the site of the demo."""
    site = Site(None, directory / "shop")
    shutil.rmtree(site.directory / "production")
    shutil.copytree(Path(__file__).with_name("site") / "production", site.directory / "production")
    own = {
        "demo_directory": str(directory),
        "demo_shop": str(SHOP),
        "demo_port": port,
        "demo_python": str(TOOLS / "python"),
        "ansible_python_interpreter": sys.executable,
        **variables,
    }
    site.write_variables(own)
    return site


def write(path: str | Path, text: str) -> Path:
    """A file, with the directories that it is in."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    return place


if __name__ == "__main__":
    sys.exit(inside(json.loads(sys.argv[1])))
