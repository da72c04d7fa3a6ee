# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab machine lacks for backups other than dumps: a MariaDB in a container, and a storage that makes snapshots."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import typing as t

import pymysql

from tests.integration_local import tool_images
from tests.integration_local.snapshot import storage

from .fleet import Fleet

Ask = t.Callable[[str], str]

CONTAINER, PORT, PASSWORD = "shop-mariadb", 3307, "p@ss word#1"
DATA, STORE = "/srv/mariadb", "/srv/mariadb-backups"
URL = f"mariadb://backup:p%40ss%20word%231@127.0.0.1:{PORT}/orders"
OPTIONS = (
    f"--port={PORT}",
    "--log-bin=binlog",
    "--server-id=1",
    "--binlog-format=ROW",
    "--innodb-buffer-pool-size=32M",
)
PACKAGES = "/usr/lib/python3/dist-packages"
STAND_IN, SNAPSHOTS = "/usr/local/lib/storage_stand_in.py", "/srv/snapshots"


@contextlib.contextmanager
def mariadb(site: Fleet) -> t.Iterator[Ask]:
    """Answers of a MariaDB server in a container of app1's own engine, which this machine's programs were put into."""
    machine, image = site.lab.container("app1"), tool_images.full()
    packages = str(pathlib.Path(pymysql.__file__).parent.parent)
    given(machine, ["docker", "save", image], ["docker", "load", "--quiet"])
    given(machine, ["tar", "c", "-C", packages, "pymysql"], ["tar", "x", "-C", PACKAGES])
    run = ["docker", "run", "--network=host", "--tmpfs=/tmp", f"--volume={DATA}:{DATA}"]
    run += ["--volume=/etc/passwd:/etc/passwd:ro"]  # the image has none, and a server wants to know its user
    own = ["--no-defaults", "--user=root", f"--datadir={DATA}"]
    install = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    inside(site, *run, "--rm", image, "mariadb-install-db", *own, *install)
    server = ["mariadbd", *own, "--bind-address=127.0.0.1", f"--socket={DATA}/s", *OPTIONS]
    inside(site, *run, "--detach", f"--name={CONTAINER}", image, *server)

    def ask(statements: str) -> str:
        return inside(site, "docker", "exec", CONTAINER, "mariadb", f"--socket={DATA}/s", "--batch", "-Ne", statements)

    try:
        while inside(site, "docker", "exec", CONTAINER, "sh", "-c", f"ls {DATA}/s || true").strip() != f"{DATA}/s":
            pass
        ask(f"CREATE DATABASE orders; CREATE USER backup IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO backup")
        ask("USE orders; CREATE TABLE item (id int AUTO_INCREMENT PRIMARY KEY, word text)")
        yield ask
    finally:
        inside(site, "docker", "rm", "--force", CONTAINER)
        inside(site, "rm", "-rf", DATA, STORE, f"{PACKAGES}/pymysql")


def given(machine: str, whence: list[str], there: list[str]) -> None:
    """What a command here writes, for one on a machine."""
    with subprocess.Popen(whence, stdout=subprocess.PIPE) as process:
        subprocess.run(["docker", "exec", "--interactive", machine, *there], stdin=process.stdout, check=True)
    assert process.returncode == 0


def inside(site: Fleet, *command: str) -> str:
    """What a command says on app1."""
    return site.lab.exec("app1", list(command)).stdout


@contextlib.contextmanager
def snapshots(site: Fleet) -> t.Iterator[dict[str, t.Any]]:
    """Commands of a stand-in, which copies a cluster that stands still; its files are on no storage that makes snapshots."""
    data = _sql(site, "SHOW data_directory")
    site.lab.exec(
        "lb1", ["sh", "-c", f"mkdir -p {SNAPSHOTS}; cat >{STAND_IN}"], stdin=pathlib.Path(storage.__file__).read_text()
    )
    _sql(site, "GRANT pg_read_all_data, pg_read_all_settings TO shop")
    command = f"python3 {STAND_IN} {data} {SNAPSHOTS}"
    try:
        yield {
            "create": f"{command} create {{name}}",
            "clone": f"{command} clone {{name}} {{path}}",
            "unclone": f"{command} unclone {{path}}",
            "remove": f"{command} remove {{name}}",
            "list": f"{command} list",
            "data": "main",
        }
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            _sql(site, "REVOKE pg_read_all_data, pg_read_all_settings FROM shop")
        site.lab.exec("lb1", ["rm", "-rf", SNAPSHOTS, STAND_IN])


def _sql(site: Fleet, statement: str) -> str:
    become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return site.lab.exec("lb1", [*become, "psql", "-XAtc", statement]).stdout.strip()
