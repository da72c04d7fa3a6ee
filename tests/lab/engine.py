# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every part of the lab stands on: running commands, this machine's Docker Engine, progress, state."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".lab"
DOCKERD_LOG = STATE / "log" / "dockerd.log"
# What the lab needs of this machine: the command, and the Debian package that has it.
TOOLS = {"docker": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap", "ssh": "openssh-client"}


class LabError(Exception):
    """The lab cannot do what it was asked; the message says what failed and what to do."""


def run(
    argv: t.Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float | None = None,
    check: bool = True,
    env: t.Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result with the output as text.

    :param stdin: text for its standard input; without it the command reads nothing.
    :param timeout: seconds.
    :param check: raise when it fails.
    :raises LabError: it does not exist, failed (with the end of its error output), or took too long.
    """
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL if stdin is None else None, env={**os.environ, **(env or {})},
        )  # fmt: skip
    except FileNotFoundError:
        raise LabError(f"{argv[0]}: command not found; run `python -m tests.lab engine`") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv[:6])}: no answer within {timeout:.0f} s") from None
    if check and done.returncode:
        said = (done.stderr or done.stdout).strip()[-1500:]
        raise LabError(f"{' '.join(argv[:8])}: exit status {done.returncode}: {said}")
    return done


def docker(*argv: str, stdin: str | None = None, timeout: float | None = 120, check: bool = True) -> str:
    """Run a command of the docker client and return what it printed, stripped."""
    return run(["docker", *argv], stdin=stdin, timeout=timeout, check=check).stdout.strip()


def inspect(kind: str, name: str) -> dict[str, t.Any] | None:
    """What ``docker <kind> inspect`` says of one object, or None when there is no such object."""
    done = run(["docker", kind, "inspect", name], check=False, timeout=60)
    if done.returncode:
        if "no such" in done.stderr.lower() or "not found" in done.stderr.lower():
            return None
        raise LabError(f"docker {kind} inspect {name}: {done.stderr.strip()}")
    found: dict[str, t.Any] = json.loads(done.stdout)[0]
    return found


class Progress:
    """Says on stderr what goes on, but only when it takes longer than two seconds, then every five.

    ``detail`` (the last line of a build, say) is printed with it. Use as a context manager.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.detail = ""
        self.seconds = 0.0
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._spoke = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, kind: t.Any, value: t.Any, trace: t.Any) -> None:
        self._stop.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._started
        if self._spoke:
            self._say("failed" if kind else "done")

    def _watch(self) -> None:
        wait = 2.0
        while not self._stop.wait(wait):
            self._spoke = True
            self._say(self.detail)
            wait = 5.0

    def _say(self, text: str) -> None:
        elapsed = time.monotonic() - self._started
        line = f"lab: {self.what} ({elapsed:.0f} s)" + (f": {text}" if text else "")
        sys.stderr.write(line[:160] + "\n")
        sys.stderr.flush()


def run_logged(argv: t.Sequence[str], log: Path, progress: Progress, *, stdin: str | None = None) -> None:
    """Run a long command: its output goes to *log*, the last line of it into the progress.

    :raises LabError: it failed; with the last lines of the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as out:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # What runs in another root has not our directory for temporary files.
            env={name: value for name, value in os.environ.items() if name != "TMPDIR"},
        )
        assert child.stdin is not None and child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(stdin or "")
            child.stdin.close()
        for line in child.stdout:
            out.write(line)
            progress.detail = line.strip() or progress.detail
        status = child.wait()
    if status:
        tail = "\n  ".join(log.read_text(encoding="utf-8").splitlines()[-15:])
        raise LabError(f"{' '.join(argv[:4])}: exit status {status}; the whole output is in {log}, its end:\n  {tail}")


@contextlib.contextmanager
def locked(path: Path) -> t.Iterator[None]:
    """Hold an exclusive flock on *path*: two labs at once must not build one image or pick one address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)
    partial.replace(path)


def ensure_engine() -> str:
    """Make sure that the tools of the lab and a Docker Engine are there; return the engine's version.

    Uses the engine that answers. Otherwise installs Debian's docker.io (as root) and starts it: by systemd where
    that is PID 1, else as a detached process with its pid and log under ``.lab/``.

    :raises LabError: one sentence saying why it cannot be, and what to do.
    """
    missing = sorted(package for command, package in TOOLS.items() if not _which(command))
    if missing:
        _install(missing)
    version, refused = _answer()
    if not version:
        if "permission denied" in refused:
            raise LabError(
                "The Docker Engine runs but does not let this user in; "
                "add yourself to the group docker and log in again, or run as root."
            )
        _start_engine()
        version = _answer()[0]
    return version


def _which(command: str) -> str | None:
    # An ordinary user's PATH often lacks sbin, where iptables and debootstrap live.
    return shutil.which(command, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def _answer() -> tuple[str, str]:
    done = run(["docker", "info", "--format", "{{.ServerVersion}}"], check=False, timeout=30)
    if done.returncode:
        return "", (done.stderr or done.stdout).lower()
    return done.stdout.strip(), ""


def _install(packages: list[str]) -> None:
    names = " ".join(packages)
    if os.geteuid() != 0:
        raise LabError(f"The lab needs {names}: run `apt-get install {names}` as root, then try again.")
    if not _which("apt-get"):
        raise LabError(f"The lab needs {names} and this machine has no apt-get: install them by hand, then try again.")
    log = STATE / "log" / "install.log"
    with Progress(f"installing {names}") as progress:
        run_logged(["apt-get", "update"], log, progress)
        environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
        run_logged([*environment, "apt-get", "install", "-y", "--no-install-recommends", *packages], log, progress)


def _start_engine() -> None:
    if os.geteuid() != 0:
        raise LabError("No Docker Engine answers; start it as root (`systemctl start docker`), then try again.")
    if not _which("dockerd"):  # a client alone is no engine
        _install(["docker.io"])
    by_systemd = Path("/run/systemd/system").is_dir()
    with Progress("starting the Docker Engine"):
        why = _start_by_systemd() if by_systemd else _start_detached()
    if why:
        evidence = "`journalctl -u docker`" if by_systemd else str(DOCKERD_LOG)
        raise LabError(
            f"A Docker Engine cannot run on this machine ({why.strip()[-300:]}); see {evidence}, "
            "or use a machine (a VM, not a plain container) where `docker info` answers."
        )


def _start_by_systemd() -> str:
    """Start the service; return why it failed, or nothing."""
    done = run(["systemctl", "start", "docker"], check=False, timeout=120)
    return "" if _answer()[0] else done.stderr or "the service is active, but does not answer"


def _start_detached() -> str:
    """Start dockerd as a process of its own, wait for its answer; return why it failed, or nothing."""
    DOCKERD_LOG.parent.mkdir(parents=True, exist_ok=True)
    with DOCKERD_LOG.open("wb") as out:
        child = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    (STATE / "dockerd.pid").write_text(f"{child.pid}\n", encoding="ascii")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and child.poll() is None:
        if _answer()[0]:
            return ""
        time.sleep(0.3)
    lines = DOCKERD_LOG.read_text(encoding="utf-8", errors="replace").splitlines()
    telling = [line for line in lines if line.startswith("failed")] or lines or ["it said nothing"]
    return telling[-1] if child.poll() is not None else f"no answer within 60 s: {telling[-1]}"
