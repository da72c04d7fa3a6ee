# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations whose tool only an image has, tried in a network that leads to the copy alone."""

from __future__ import annotations

import base64
import json
import pathlib
import subprocess
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.container.one_off import LABEL as ONE_OFF
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.stand import LABEL

from tests.integration_local import tool_images
from tests.integration_local.migration_tools.outside import PYTHON, ROOT

from .rehearsed import Site, expect_good

# It makes sure of where it is by itself; what it finds wrong is its last word.
TOOL = r"""
import os, socket, sys
import psycopg2
url, secret = os.environ["DATABASE_URL"], open(os.environ["TOKEN_FILE"]).read()
own = open(os.environ["OWN_URL_FILE"]).read()
assert secret != "tok-123-production" and len(secret) == 18, "the secret is here"
assert "@127.0.0.1:" in url and "@127.0.0.1:" in own and "production" not in own, own
for place in [("127.0.0.1", int(sys.argv[2])), ("192.0.2.1", 80)]:
    try:
        socket.create_connection(place, timeout=5)
    except OSError:
        continue
    sys.exit("reaches " + str(place))
psycopg2.connect(own).close()
link = psycopg2.connect(url)
link.autocommit = True
cursor = link.cursor()
if sys.argv[1] == "pending":
    cursor.execute("SELECT to_regclass('made') IS NULL")
    sys.exit(1 if cursor.fetchone()[0] else 0)
cursor.execute(sys.argv[3])
"""


def migrations(site: Site, sql: str) -> dict[str, t.Any]:
    program = site.directory / "tool.py"
    program.write_text(TOOL)
    for path in [program, *site.directory.parents[: len(site.directory.parents) - 2]]:
        path.chmod(path.stat().st_mode | 0o055)
    secrets = {
        "TOKEN": "tok-123-production",
        "OWN_URL": f"postgresql://{site.role}:production@db.example.com:5432/{site.database}?sslmode=require",
    }
    container = {
        "image": tool_images.python(str(ROOT / ".venv-migration-tools"), "psycopg2", "psycopg2_binary.libs"),
        "secrets": ["TOKEN", "OWN_URL"],
        "keywords": {"cpu_shares": 2, "volumes": [f"{program}:{program}", "/var:/production"]},
    }
    words = [PYTHON, str(program)]
    rest = [str(site.server.port), sql]
    return {
        "tool": "command",
        "project": {"apply": [*words, "apply", *rest], "pending": [*words, "pending", *rest]},
        "phase": "all",
        "locations": None,
        "run_in": "container",
        "container": container,
        "secrets": base64.b64encode(json.dumps(secrets).encode()).decode(),
        "root": str(site.directory / "root"),
    }


def containers(site: Site) -> list[str]:
    """Those that have to do with it; other tests have theirs."""
    found = []
    for label in (LABEL, ONE_OFF):
        words = ["docker", "ps", "--all", "--format", "{{.Names}}", "--filter", f"label={label}"]
        found += subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    shown = {name: subprocess.run(["docker", "inspect", name], capture_output=True, check=False) for name in found}
    return [name for name, about in shown.items() if str(site.directory).encode() in about.stdout]


def test_it_reaches_the_copy_and_nothing_else_and_is_gone(site: Site, tmp_path: pathlib.Path) -> None:
    site.back_up()
    found = expect_good(site.rehearse(migrations=migrations(site, "CREATE TABLE made (id integer)")))
    assert found["pending"] == ["something"] and len(found["applied"]) == 1
    error = site.refuses("rehearsal_failed", migrations=migrations(site, "CREATE UNIQUE INDEX one ON item ((1))"))
    assert "could not create unique index" in error["actual"]
    assert containers(site) == []
    assert list((tmp_path / "root").glob("rehearsal/*")) == []
