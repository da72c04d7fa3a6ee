# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""examples/guestbook in the lab: images that have migrations and the tool for them, and a database with two users."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import tempfile
import typing as t
from pathlib import Path

from tests.integration_local import tool_images
from tests.lab import Lab, Registry, base_image

from . import settings
from .fleet import Fleet
from .machines import shell

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/guestbook"
SITE_PACKAGES = next((ROOT / ".venv-migration-tools/lib").glob("python3*/site-packages"), ROOT)
MODULES = ROOT / ".cache/tools/node_modules"
PACKAGES = (
    *("django", "asgiref", "sqlparse", "psycopg2", "psycopg2_binary.libs"),
    *("alembic", "sqlalchemy", "mako", "markupsafe", "typing_extensions.py"),
)
JAVA = Path(shutil.which("java") or "/usr/bin/java").resolve().parents[1]
FLYWAY = ROOT / ".cache/tools/flyway"
LIQUIBASE = MODULES / "liquibase/dist/liquibase"
# Of databases that are none here; they would be most of it.
DRIVERS = re.compile(r"(h2|hsqldb|jaybird|jcc|mariadb-|mssql-|ojdbc|snowflake-|sqlite-)")
PYTHON_PATH = f"/usr/local/lib/{SITE_PACKAGES.parent.name}/dist-packages"  # of the base image, whose Python is the same

# The program's user may only read and write rows, of what is there and of what the other one makes.
_ROLES = """
DROP OWNED BY guestbook_owner;
ALTER SCHEMA public OWNER TO pg_database_owner;
SELECT 'CREATE ROLE guestbook LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'guestbook') \\gexec
ALTER ROLE guestbook LOGIN PASSWORD '{password}';
ALTER DEFAULT PRIVILEGES FOR ROLE guestbook_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO guestbook;
ALTER DEFAULT PRIVILEGES FOR ROLE guestbook_owner GRANT SELECT, USAGE ON SEQUENCES TO guestbook;
"""


class Guestbook(Fleet):
    """The example as it is shipped, on app1 and on lb1, which has the database too, and so migrates for both.

    :ivar secret: values that nobody but the two programs may read.
    """

    def __init__(self, lab: Lab, registry: Registry, directory: Path, facts: t.Mapping[str, t.Any]) -> None:
        owner = lab.setup_database("lb1", "guestbook", "guestbook_owner")
        mine = secrets.token_urlsafe(18)
        psql(lab, _ROLES.format(password=mine))
        url = re.sub(r"//[^@]+@", f"//guestbook:{mine}@", owner)
        self.owner = re.search(r":([^:@/]+)@", owner)[1]  # type: ignore[index]
        self.key = secrets.token_urlsafe(30)
        self.secret = (self.owner, mine, self.key)
        vault = {"vault_database_url": url, "vault_admin_url": owner, "vault_secret_key": self.key}
        shop = {"vm_provision_insecure_registries": facts["vm_provision_insecure_registries"]}
        self.registry = registry
        super().__init__(
            lab,
            directory,
            apps=("app1", "lb1"),
            proxies=("lb1",),
            facts={**shop, **vault, "guestbook_registry": f"{registry.address}/guestbook"},
            example=EXAMPLE,
        )
        self.variables = {**settings.FAST, "slipway_platform": "guestbook"}
        self.write_variables()
        for machine in self.machines:  # images of an earlier run
            shell(lab, machine, "docker images -q '*/guestbook/*' | xargs -r docker rmi -f")

    def write_inventory(self, **options: t.Any) -> None:
        """With the machine of the database, which takes the backups."""
        groups = {"slipway_app": self.apps, "slipway_proxy": self.proxies, "slipway_db": ["lb1"]}
        self.site.write_inventory(groups, self.facts, environment=self.environment)

    def build(self, version: str, base: str, files: t.Mapping[str, str]) -> None:
        """Build and push an image of the example's sources.

        :param files: more of them, or others in their place.
        """
        with tempfile.TemporaryDirectory() as place:
            context = Path(place, "src")
            shutil.copytree(EXAMPLE / "src", context, ignore=shutil.ignore_patterns("__pycache__"))
            for name, text in files.items():
                path = context / "guestbook" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            name = f"guestbook/web:{version}"
            words = ["--tag", name, "--build-arg", f"BASE={base}", "--build-arg", f"VERSION={version}"]
            subprocess.run(["docker", "build", "--quiet", *words, str(context)], check=True, stdout=subprocess.DEVNULL)
        self.registry.push(name)

    def book(self, machine: str = "lb1") -> dict[str, t.Any]:
        """What a guest sees."""
        status, body = self.get("/", machine)
        assert status == 200, body
        return t.cast("dict[str, t.Any]", json.loads(body))

    def _asks(self) -> list[str]:
        return ["/"]

    def left(self) -> list[str]:
        """Containers on the machine that migrates that are no side's."""
        names = shell(self.lab, "lb1", "docker ps -a --format '{{.Names}}'").split()
        return [name for name in names if "-one-off-" in name or "-rehearsal-" in name]


def psql(lab: Lab, statement: str, database: str = "guestbook") -> list[str]:
    """Lines that statements answer, as the cluster's superuser."""
    words = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "--set=ON_ERROR_STOP=1", database]
    return lab.exec("lb1", words, stdin=statement).stdout.splitlines()


def python_base() -> str:
    """The lab's base image with what the program needs, and Alembic."""
    return tool_images.added(base_image(), {f"{PYTHON_PATH}/{name}": str(SITE_PACKAGES / name) for name in PACKAGES})


def node_base() -> str:
    """The same with Node.js, Knex and its driver."""
    modules = {f"/srv/node_modules/{name}": str(MODULES / name) for name in _needed("knex", "pg")}
    return tool_images.added(python_base(), modules, programs=("node",))


def flyway_base() -> str:
    """What the program needs, with a Java runtime and Flyway."""
    program = "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp '/srv/flyway/*' org.flywaydb.commandline.Main"
    return _java_base({f"/srv/flyway/{path.name}": str(path) for path in FLYWAY.glob("*.jar")}, "flyway", program)


def liquibase_base() -> str:
    """What the program needs, with a Java runtime and Liquibase."""
    wanted = [LIQUIBASE / "liquibase", *(path for path in LIQUIBASE.rglob("*.jar") if not DRIVERS.match(path.name))]
    trees = {f"/srv/liquibase/{path.relative_to(LIQUIBASE)}": str(path) for path in wanted}
    return _java_base(trees, "liquibase", "sh /srv/liquibase/liquibase")


def _java_base(trees: dict[str, str], name: str, program: str) -> str:
    """With a program written in Java that is found by its name, as in its maker's own image.

    :param program: as a shell starts it.
    """
    image = tool_images.added(tool_images.with_java(python_base(), str(JAVA), "/srv/java"), trees)
    script = f'#!/bin/sh\nexport JAVA_HOME=/srv/java PATH="/srv/java/bin:$PATH"\nexec {program} "$@"\n'
    return tool_images.with_files(image, {f"/usr/local/bin/{name}": script})


def _needed(*names: str) -> set[str]:
    """Packages of Node.js, and all that these need."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += json.loads((MODULES / name / "package.json").read_text(encoding="utf-8")).get("dependencies", {})
    return found
