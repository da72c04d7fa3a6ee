# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the lab, built out of Debian packages and cached by a hash of their recipe.

``bare``   a small VM: systemd, sshd, python3, sudo. For the tests of vm_provision.
``ready``  bare with the engine, the proxies and the database installed. Three of these are up in seconds.
``base``   no machine: a small root with Python and nginx, what the applications of tests and demo are built on.

The mirror, apt's settings and the certificates are the building machine's own, read at build time.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

from .engine import STATE, LabError, Progress, docker, ensure_engine, inspect, locked, run, run_logged

RECIPE = Path(__file__).resolve().parent / "recipe"
MACHINES = "slipway-lab"
BASE = "slipway-lab-base"
BARE_PACKAGES = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "python3-apt",
    "sudo",
    "procps",
    "iproute2",
    "ca-certificates",
    "curl",
]
READY_PACKAGES = [
    "docker.io",
    "iptables",
    "python3-docker",
    "docker-registry",
    "haproxy",
    "nginx-light",
    "postgresql",
    "postgresql-client",
    "python3-psycopg2",
    "pgbouncer",
    "zstd",
    "logrotate",
    "cron",
    "faketime",
    "supervisor",
    "nodejs",
]
BASE_PACKAGES = [
    "python3",
    "python3-aiohttp",
    "python3-asyncpg",
    "nginx-light",
    "dash",
    "coreutils",
    "grep",
    "sed",
    "base-passwd",
]
# What a machine without an engine is made by, of one that has all. Nor does it watch for questions about passwords: many of
# them fit beside each other.
LIGHT = """rm /etc/slipway-lab-ready
systemctl disable docker.service docker.socket containerd.service cron.service
systemctl mask systemd-ask-password-console.path systemd-ask-password-wall.path"""
# Settings of apt that decide whether the mirror can be reached; the rest of its configuration is its own affair.
APT_SETTINGS = re.compile(
    r"Acquire::(https?::|Check-|Retries|Force|Max-ValidTime|Min-ValidTime|ProxyAuto)", re.IGNORECASE
)


def ensure_image(kind: str) -> str:
    """The name of an image (``bare``, ``ready``, ``light``), built first when it is not there.

    :raises LabError: unknown kind, or the build failed; with the end of its log.
    """
    builders: dict[str, t.Callable[[str], None]] = {
        "bare": _build_bare,
        "ready": _build_ready,
        "light": _build_light,
        "base": _build_base,
    }
    if kind not in builders:
        raise LabError(f"no image named {kind!r}; there are {', '.join(builders)}")
    name = names()[kind]
    if inspect("image", name) is None:
        ensure_engine()
        if kind != "bare":
            ensure_image("ready" if kind == "light" else "bare")
        with locked(STATE / "image.lock"):
            if inspect("image", name) is None:
                builders[kind](name)
    return name


def base_image() -> str:
    """The image that applications are built on (``BASE`` of the example's Dockerfiles), built when missing."""
    return ensure_image("base")


def build_all() -> dict[str, str]:
    """Build what is missing of all images; return their names by kind."""
    ensure_engine()
    return {kind: ensure_image(kind) for kind in names()}


def names() -> dict[str, str]:
    """The full names of the images of this recipe, whether built or not."""
    system = Debian()
    shared = (RECIPE / "init.sh").read_text() + (RECIPE / "python3-faketime").read_text()
    bare = _hash(system.suite, platform.machine(), shared, (RECIPE / "bare.sh").read_text(), *BARE_PACKAGES)
    ready = _hash(bare, (RECIPE / "ready.sh").read_text(), *READY_PACKAGES)
    base = _hash(bare, (RECIPE / "base.sh").read_text(), *BASE_PACKAGES)
    machines = {"bare": bare, "ready": ready, "light": _hash(ready, LIGHT)}
    return {**{kind: f"{MACHINES}:{kind}-{digest}" for kind, digest in machines.items()}, "base": f"{BASE}:{base}"}


def remove_all() -> list[str]:
    """Remove every image of the lab, those of older recipes too; return their names."""
    listed = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={MACHINES}*").split()
    for name in listed:
        docker("image", "rm", "--force", name)
    return listed


class Debian:
    """What the building machine knows of its distribution: suite, mirror, apt sources. Debian and Ubuntu.

    :raises LabError: neither of them.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.etc = root / "etc"
        pairs = re.findall(r'^(\w+)="?(.*?)"?$', (self.etc / "os-release").read_text(encoding="utf-8"), re.MULTILINE)
        facts = dict(pairs)
        self.id = facts.get("ID", "")
        self.suite = facts.get("VERSION_CODENAME", "")
        if self.id not in ("debian", "ubuntu") or not self.suite:
            raise LabError(
                f"The lab builds its machines from the packages of Debian or Ubuntu, this is {self.id or 'neither'}; "
                "run it on one of those (a small VM will do)."
            )

    def sources(self) -> dict[str, str]:
        """The distribution's own apt sources, without what a person has added: file name to content."""
        modern = self.etc / "apt" / "sources.list.d" / f"{self.id}.sources"
        if modern.exists():
            return {f"sources.list.d/{modern.name}": modern.read_text(encoding="utf-8")}
        classic = self.etc / "apt" / "sources.list"
        lines = classic.read_text(encoding="utf-8").splitlines() if classic.exists() else []
        wanted = [line for line in lines if re.match(rf"deb\s+(\[[^]]*\]\s+)?\S+\s+{self.suite}", line)]
        if not wanted:
            raise LabError(f"{modern} and {classic} name no source of {self.id} {self.suite}; the lab needs a mirror.")
        return {"sources.list": "\n".join(wanted) + "\n"}

    def mirror(self) -> str:
        """The address that the packages of the base system come from."""
        (text,) = self.sources().values()
        found = re.search(r"^URIs:\s*(\S+)", text, re.MULTILINE) or re.search(
            r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", text, re.MULTILINE
        )
        if not found:
            raise LabError(f"no mirror found in {', '.join(self.sources())}; give it a line `URIs: …`.")
        return found.group(1)

    def components(self) -> str:
        return "main,universe" if self.id == "ubuntu" else "main"


def _build_bare(name: str) -> None:
    if os.geteuid() != 0:
        raise LabError("Building the image of the machines (once) needs root: run `sudo python3 -m tests.lab image`.")
    system = Debian()
    work = Path(tempfile.mkdtemp(prefix="slipway-lab-", dir="/var/tmp"))
    try:
        with Progress(f"building {name}, once") as progress:
            root = work / "root"
            cache = STATE / "cache" / "debs"
            cache.mkdir(parents=True, exist_ok=True)
            _debootstrap(system, root, cache, progress)
            _furnish(system, root)
            recipe = (RECIPE / "bare.sh").read_text(encoding="utf-8")
            run_logged(["chroot", str(root), "sh", "-s"], STATE / "log" / "bare.log", progress, stdin=recipe)
            _import(root, name, 'CMD ["/sbin/slipway-lab-init"]')
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _debootstrap(system: Debian, root: Path, cache: Path, progress: Progress) -> None:
    argv = [
        "debootstrap", "--variant=minbase", f"--cache-dir={cache}", f"--components={system.components()}",
        f"--include={','.join(BARE_PACKAGES)}", system.suite, str(root), system.mirror(),
    ]  # fmt: skip
    log = STATE / "log" / "debootstrap.log"
    try:
        run_logged(argv, log, progress)
    except LabError as error:
        detail = root / "debootstrap" / "debootstrap.log"
        if detail.exists():
            shutil.copy(detail, log.with_name("debootstrap-detail.log"))
        raise LabError(f"{error}\n  (see also {log.with_name('debootstrap-detail.log')})") from None


def _furnish(system: Debian, root: Path) -> None:
    """Give the root what makes apt work there as it does here, and the files of the recipe."""
    apt = root / "etc" / "apt"
    (apt / "sources.list").write_text("", encoding="utf-8")
    for name, text in system.sources().items():
        (apt / name).write_text(text, encoding="utf-8")
    settings = [line for line in run(["apt-config", "dump"]).stdout.splitlines() if APT_SETTINGS.match(line)]
    lines = [line for line in settings if not line.endswith(' "";')]
    lines += ['Acquire::Languages "none";', ""]
    (apt / "apt.conf.d" / "90slipway-lab").write_text("\n".join(lines), encoding="utf-8")
    own = root / "usr" / "local" / "share" / "ca-certificates"
    for certificate in Path("/usr/local/share/ca-certificates").rglob("*.crt"):
        shutil.copy(certificate, own)
    shutil.copy(RECIPE / "init.sh", root / "sbin" / "slipway-lab-init")
    shutil.copy(RECIPE / "python3-faketime", root / "usr" / "local" / "bin" / "python3-faketime")


def _import(root: Path, name: str, change: str) -> None:
    with subprocess.Popen(["tar", "-C", str(root), "--numeric-owner", "-c", "."], stdout=subprocess.PIPE) as tar:
        done = subprocess.run(
            ["docker", "import", "--change", change, "-", name],
            stdin=tar.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or tar.returncode:
        raise LabError(f"docker import {name}: {done.stderr.strip() or 'tar failed'}; is there space on the disk?")


def _recipe(name: str, packages: list[str]) -> str:
    # Proxies of this shell, for a network where apt's settings do not name them; never stored in the image.
    wanted = {key: value for key, value in os.environ.items() if key.lower() in ("http_proxy", "https_proxy")}
    proxies = [f"export {key}={shlex.quote(value)}\n" for key, value in wanted.items()]
    return f"{''.join(proxies)}PACKAGES='{' '.join(packages)}'\n{(RECIPE / name).read_text(encoding='utf-8')}"


def _build_ready(name: str) -> None:
    _commit(name, names()["bare"], _recipe("ready.sh", READY_PACKAGES))


def _build_light(name: str) -> None:
    _commit(name, names()["ready"], LIGHT)


def _commit(name: str, base: str, recipe: str) -> None:
    """Run a recipe in a container of another image and commit it: no builder plugin, and the host's network serves."""
    with Progress(f"building {name}, once") as progress:
        argv = ["docker", "run", "--interactive", "--network=host", "--label=slipway-lab.build", "--name", _scratch()]
        try:
            log = STATE / "log" / f"{name.partition(':')[2].partition('-')[0]}.log"
            run_logged([*argv, base, "sh", "-s"], log, progress, stdin=recipe)
            progress.detail = "storing the image"
            docker("commit", "--change", 'CMD ["/sbin/slipway-lab-init"]', _scratch(), name, timeout=600)
        finally:
            docker("rm", "--force", "--volumes", _scratch(), check=False)


def _build_base(name: str) -> None:
    with Progress(f"building {name}, once") as progress, tempfile.NamedTemporaryFile(dir="/var/tmp") as archive:
        log = STATE / "log" / "base.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        argv = [
            "docker",
            "run",
            "--rm",
            "--interactive",
            "--network=host",
            "--label=slipway-lab.build",
            names()["bare"],
        ]
        with log.open("wb") as errors:
            recipe = _recipe("base.sh", BASE_PACKAGES).encode()
            done = subprocess.run([*argv, "sh", "-s"], input=recipe, stdout=archive, stderr=errors, check=False)
        if done.returncode:
            tail = "\n  ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
            raise LabError(
                f"building {name}: exit status {done.returncode}; the whole output is in {log}, its end:\n  {tail}"
            )
        progress.detail = "storing the image"
        docker("import", "--change", 'CMD ["/usr/bin/python3"]', archive.name, name, timeout=600)


def _scratch() -> str:
    return f"slipway-lab-build-{os.getpid()}"


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
