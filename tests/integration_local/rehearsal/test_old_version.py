# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real program in a real container, on a real database whose schema is changed under it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import typing as t

import docker
import psycopg2
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.engine import Engine
from ansible_collections.slipway.deploy.plugins.module_utils.container.observe import observe
from ansible_collections.slipway.deploy.plugins.module_utils.container.spec import Scope
from ansible_collections.slipway.deploy.plugins.module_utils.database.copied import Copy
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal import stand
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.old_version import witness
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.witness import BROKEN, UNABLE
from ansible_collections.slipway.deploy.plugins.module_utils.stages.probing import prober
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local import tool_images
from tests.integration_local.backup.conftest import BIN
from tests.integration_local.places import free_port

from .rehearsed import Site

ROOT = pathlib.Path(__file__).resolve().parents[3]
VENV = ROOT / ".venv-test"
PASSWORD = "pr0duct10n-passw0rd"
KEY = "pr0duct10n-k3y"
TABLE = (
    "DROP TABLE IF EXISTS customer",
    "CREATE TABLE customer (id int PRIMARY KEY, name text)",
    "INSERT INTO customer VALUES (1, 'a')",
)
APP = """
import http.server, os, psycopg2
assert os.getuid() == 1234 and open(os.environ["KEY_FILE"]).read() and os.environ["TOKEN"]
link = psycopg2.connect(open(os.environ["DATABASE_URL_FILE"]).read())
link.autocommit = True
cursor = link.cursor()
table = os.environ.get("TABLE", "customer")
cursor.execute("PREPARE everything AS SELECT * FROM " + table)
STATEMENTS = {
    "/health": "SELECT 1",
    "/star": "EXECUTE everything",
    "/named": "SELECT id, name FROM " + table,
    "/count": "SELECT count(*) FROM " + table,
}

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code, said = 200, "fine"
        try:
            cursor.execute(STATEMENTS[self.path])
        except psycopg2.Error as error:
            code, said = 500, str(error)
            print(self.path, said, flush=True)
        self.send_response(code)
        self.end_headers()
        self.wfile.write(said.encode())

    def log_message(self, *_words):
        pass

http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""
LOOK = """
import json, os, socket, sys
def refused(work):
    try:
        work()
    except OSError as error:
        return type(error).__name__ + " " + str(error)
    return ""
found = {
    "interfaces": [name for _number, name in socket.if_nameindex()],
    "name": refused(lambda: socket.getaddrinfo("example.com", 80)),
    "away": refused(lambda: socket.create_connection(("192.0.2.1", 80), 5)),
    "machine": [refused(lambda: socket.create_connection((host, int(sys.argv[1])), 5)) for host in sys.argv[2:]],
    "copy": refused(lambda: socket.create_connection(("127.0.0.1", 5432), 5)),
    "secrets": {name: open("/run/secrets/" + name).read() for name in os.listdir("/run/secrets")},
    "environment": open("/proc/1/environ").read(),
}
print(json.dumps(found))
"""
KILLED = """
import json, sys
from ansible_collections.slipway.deploy.plugins.module_utils.database.copied import Copy
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.old_version import witness
from ansible_collections.slipway.deploy.plugins.module_utils.stages.probing import prober
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
copy, old = json.loads(sys.argv[1])
with witness(Copy(*copy), old, System(), prober) as one:
    print(one.warm(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def restored() -> t.Iterator[Copy]:
    """A PostgreSQL that answers on a socket and asks for no password, as a restored copy does."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slipway-old-"))
    owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    shutil.chown(directory, "postgres", "postgres")

    def run(*words: str) -> None:
        subprocess.run([*owner, *words], check=True, stdout=subprocess.DEVNULL)

    data = str(directory / "data")
    options = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off"
    run(str(BIN / "initdb"), "-D", data, "-U", "admin", "--auth=trust", "--no-sync")
    run(str(BIN / "pg_ctl"), "-D", data, "-w", "-l", str(directory / "log"), "-o", options, "start")
    yield Copy("postgresql", "postgres", "admin", "admin", str(directory))
    run(str(BIN / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(directory)


@pytest.fixture
def copy(restored: Copy) -> Copy:
    change(restored, *TABLE)
    return restored


@pytest.fixture(scope="module")
def image() -> str:
    plain = tool_images.python(str(VENV), "psycopg2", "psycopg2_binary.libs")
    return tool_images.with_files(plain, {"/app.py": APP, "/look.py": LOOK})


@pytest.fixture
def old(image: str, tmp_path: pathlib.Path) -> dict[str, t.Any]:
    """What is live, on a machine that has nothing else of the platform."""
    health = {"path": "/health", "successes": 1, "minimum": 0, "interval": 0.1, "deadline": 120}
    web = {
        "image": image,
        "command": [str(VENV / "bin/python"), "/app.py"],
        "port": 8080,
        "ports": {"blue": [20000], "green": [20010]},
        "secrets": ["DATABASE_URL", "KEY"],
        "env_secrets": ["TOKEN"],
        "health": health,
        "smoke": [{"path": path} for path in ("/star", "/named", "/count")],
        "container": {"cpu_shares": 2, "mem_limit": "128m", "network": "bridge"},
    }
    url = f"postgresql://shop:{PASSWORD}@db.example.com/shop?sslmode=verify-full"
    return {
        **{"platform": f"old-{os.getpid()}", "environment": "test", "side": "blue", "root": str(tmp_path)},
        "services": {"web": web},
        "secrets": {"DATABASE_URL": url, "KEY": KEY, "TOKEN": KEY},
    }


@pytest.fixture(autouse=True)
def _nothing_is_left(old: dict[str, t.Any]) -> t.Iterator[None]:
    yield
    left = containers(old)
    for container in left:
        container.remove(force=True, v=True)
    assert left == []


def change(copy: Copy, *statements: str) -> None:
    with contextlib.closing(psycopg2.connect(host=copy.socket, user=copy.admin, dbname=copy.database)) as link:
        link.autocommit = True
        with link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def containers(old: dict[str, t.Any]) -> list[t.Any]:
    label = f"{stand.LABEL}={old['platform']}/{old['environment']}"
    return docker.from_env(version="auto").containers.list(all=True, filters={"label": label})


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("CREATE INDEX ON customer (name)", set()),
        ("ALTER TABLE customer ADD COLUMN note text", {("star", "old")}),
        (
            "ALTER TABLE customer RENAME COLUMN name TO called",
            {("star", "old"), ("named", "old"), ("named", "new")},
        ),
        ("DROP TABLE customer", {("star", "old"), ("named", "old"), ("count", "old"), ("becomes healthy", "new")}),
    ],
)
def test_what_a_migration_breaks_is_found_on_the_connections_that_it_breaks(
    copy: Copy, old: dict[str, t.Any], statement: str, broken: set[tuple[str, str]]
) -> None:
    with witness(copy, old, System(), prober) as one:
        assert one.warm() == []
        change(copy, statement)
        found = one.judge()

    assert {(item.check.rpartition("/")[2], item.connections) for item in found} == broken, found
    assert {item.kind for item in found} <= {BROKEN}
    words = {("star", "old"): "cached plan must not change result type", ("named", "new"): "does not exist"}
    for item in found if "TABLE customer " in statement else ():
        assert words.get((item.check.rpartition("/")[2], item.connections), "") in item.answered


def test_it_reaches_the_copy_and_nothing_else_and_knows_no_secret_of_production(
    copy: Copy, old: dict[str, t.Any]
) -> None:
    machine = [address for address in ("172.17.0.1", socket.gethostbyname(socket.gethostname())) if address]
    with witness(copy, old, System(), prober) as one, socket.socket() as listener:
        listener.bind(("", free_port()))
        listener.listen()
        assert one.warm() == []
        program = next(item for item in containers(old) if not item.name.endswith("-network"))
        words = [str(VENV / "bin/python"), "/look.py", str(listener.getsockname()[1]), "127.0.0.1", *machine]
        found = json.loads(program.exec_run(words).output)
        about = json.dumps([item.attrs for item in containers(old)])
        scope = Scope(old["platform"], "test", f"{old['root']}/{old['platform']}/test")
        assert Engine().containers(scope.labels) == []
        sides = observe(old["platform"], "test", System(), root=old["root"])["sides"]
        written = list(pathlib.Path(old["root"]).rglob("KEY"))
        assert [path.stat().st_mode & 0o777 for path in written] == [0o400]

    assert [side["services"] or side["others"] for side in sides.values()] == [[], []]
    assert found["interfaces"] == ["lo"]
    assert found["copy"] == ""
    assert "gaierror" in found["name"]
    assert "unreachable" in found["away"]
    assert all(found["machine"]), found["machine"]
    assert sorted(found["secrets"]) == ["DATABASE_URL", "KEY"]
    for text in (about, json.dumps(found)):
        assert PASSWORD not in text
        assert KEY not in text
    assert list(pathlib.Path(old["root"]).rglob("KEY")) == []


def test_what_a_killed_run_leaves_is_gone_after_the_next_one(copy: Copy, old: dict[str, t.Any]) -> None:
    words = [sys.executable, "-c", KILLED, json.dumps([copy, old])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "[]\n"
        process.kill()
    assert len(containers(old)) == 2
    assert list(pathlib.Path(old["root"]).rglob("KEY")) != []

    old["services"]["web"]["image"] = "slipway-test-gone:1"
    with witness(copy, old, System(), prober) as one:
        assert [item.kind for item in one.warm()] == [UNABLE]

    assert containers(old) == []
    assert list(pathlib.Path(old["root"]).rglob("KEY")) == []


def test_a_rehearsal_refuses_what_breaks_it_and_says_how(old: dict[str, t.Any], site: Site) -> None:
    site.write(V1__note="ALTER TABLE item ADD COLUMN note text")
    site.back_up()
    old["services"]["web"]["env"] = {"TABLE": "item"}
    secrets = base64.b64encode(json.dumps(old["secrets"]).encode()).decode()
    known = {name: old[name] for name in ("platform", "environment")}
    error = site.refuses(
        "old_version_broken", **known, old={"services": old["services"], "side": "blue", "secrets": secrets}
    )

    assert [(one["check"], one["connections"]) for one in error["evidence"]["findings"]] == [
        ("web.smoke[0] GET /star", "old")
    ]
    assert "cached plan must not change result type" in error["actual"]
    assert PASSWORD not in json.dumps(error)
