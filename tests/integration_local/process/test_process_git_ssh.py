# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code out of a git repository behind a real sshd, with a private key that is made here."""

from __future__ import annotations

import getpass
import os
import pathlib
import socket
import subprocess
import time
import typing as t

import pytest

from .test_process_git import Work

SETTINGS = """
Port {port}
ListenAddress 127.0.0.1
HostKey {tmp}/host
AuthorizedKeysFile {tmp}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


def make_key(path: pathlib.Path) -> str:
    """A key without a passphrase; its public half."""
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(argv, check=True)
    return path.with_suffix(".pub").read_text().strip()


class Server:
    """An sshd of this user's own that lets one key in."""

    def __init__(self, tmp: pathlib.Path) -> None:
        self.tmp = tmp
        self.host_key = " ".join(make_key(tmp / "host").split()[:2])
        (tmp / "authorized").write_text(make_key(tmp / "key"))
        with socket.socket() as link:
            link.bind(("127.0.0.1", 0))
            self.port = link.getsockname()[1]
        (tmp / "sshd_config").write_text(SETTINGS.format(port=self.port, tmp=tmp))
        os.makedirs("/run/sshd", exist_ok=True)  # where it locks itself in before somebody has logged in
        argv = ["/usr/sbin/sshd", "-D", "-e", "-f", str(tmp / "sshd_config")]
        self.log = open(tmp / "sshd.log", "w+", encoding="utf-8")  # noqa: SIM115
        self.process = subprocess.Popen(argv, stderr=self.log)
        end = time.monotonic() + 30
        while not self._listens():
            assert self.process.poll() is None and time.monotonic() < end, (tmp / "sshd.log").read_text()

    def _listens(self) -> bool:
        with socket.socket() as link:
            return link.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def known_hosts(self) -> str:
        return f"[127.0.0.1]:{self.port} {self.host_key}"

    def options(self, path: pathlib.Path) -> dict[str, str]:
        address = f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"
        return {"repository": address, "branch": "main", "key": "DEPLOY", "known_hosts": self.known_hosts}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()


@pytest.fixture
def server(tmp_path: pathlib.Path) -> t.Iterator[Server]:
    (tmp_path / "ssh").mkdir()
    server = Server(tmp_path / "ssh")
    yield server
    server.stop()


@pytest.fixture
def work(tmp_path: pathlib.Path, server: Server) -> Work:
    made = Work(tmp_path)
    made.secrets["DEPLOY"] = (server.tmp / "key").read_text()
    return made


def test_a_private_key_opens_the_repository_and_its_submodules_and_stays_nowhere(work: Work, server: Server) -> None:
    (work.tmp / "inner").mkdir()
    inner = Work(work.tmp / "inner")
    work.git("submodule", "--quiet", "add", "../inner/work", "lib")
    work.commit("2")
    target, commit = work.release(**server.options(work.path))
    assert ((target / "app").read_text(), (target / "lib" / "app").read_text()) == ("2", "1")
    assert commit == work.git("rev-parse", "HEAD") and inner.git("rev-parse", "HEAD")
    assert not [name for name in os.listdir("/dev/shm") if name.startswith("slipway-git-")]
    kept = b"".join(path.read_bytes() for path in work.base.rglob("*") if path.is_file())
    assert work.secrets["DEPLOY"].splitlines()[1].encode() not in kept


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("another host", "Host key verification failed"),
        ("a stranger's key", "Permission denied"),
        ("no key at all", "Permission denied"),
        ("no such repository", "does not appear to be a git repository"),
    ],
)
def test_what_ssh_refuses_is_in_the_message_and_no_key_is(work: Work, server: Server, harm: str, said: str) -> None:
    options = server.options(work.path)
    if harm == "another host":
        options["known_hosts"] = f"[127.0.0.1]:{server.port} {' '.join(make_key(work.tmp / 'other').split()[:2])}"
    elif harm == "a stranger's key":
        make_key(work.tmp / "other")
        work.secrets["DEPLOY"] = (work.tmp / "other").read_text()
    elif harm == "no key at all":
        work.secrets["DEPLOY"] = "no key"
    else:
        options["repository"] += "x"
    error = work.refused(**options)
    assert error.cause == "git" and said in str(error.actual)
    assert "PRIVATE" not in error.message and not list(work.tmp.glob("release-*/*"))
