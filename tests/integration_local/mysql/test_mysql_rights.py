# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of a real MariaDB server must be allowed for a backup; what of its password and rows is seen."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools import Host
from ansible_collections.slipway.deploy.plugins.module_utils.database.mysql_login import Login
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

from tests.integration_local.places import free_port

from .conftest import PASSWORD, Server
from .target import RIGHTS, Target, named, patterned, programs, real


@pytest.fixture
def public() -> t.Iterator[pathlib.Path]:
    """A directory that everybody may pass, also the user of a throw-away server."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-p-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("user, password", [("admin", "wrong"), ("nobody", "wrong")])
def test_a_login_that_is_refused(
    server: Server, database: str, target: Target, tmp_path: pathlib.Path, user: str, password: str
) -> None:
    target.back_up("none")
    url = server.url(database, user=user, password=password)
    Target(url, tmp_path / "store", tmp_path).fails("login", "cannot log in")


def test_a_table_that_may_not_be_read_fails_the_backup(
    server: Server, database: str, user: str, tmp_path: pathlib.Path
) -> None:
    """The server does not even tell a user of it, so a dump would leave it out without a word."""
    server.execute(database, "CREATE TABLE t (id int)", "CREATE TABLE secret (id int)")
    server.execute(None, f"GRANT {RIGHTS} ON {named(database)}.t TO {user}".replace(", EVENT, EXECUTE", ""))
    server.execute(None, f"GRANT RELOAD ON *.* TO {user}")
    url = server.url(database, user=user, password="poor")
    said = Target(url, tmp_path / "store", tmp_path).fails("denied", "cannot be seen whole by this user")
    assert said.actual == "without SELECT, SHOW VIEW, TRIGGER, EVENT, SELECT ON mysql.proc"


@pytest.mark.parametrize("missing", ["SELECT", "TRIGGER", "EVENT", "SHOW VIEW", "EXECUTE", "LOCK TABLES"])
def test_each_right_without_which_something_is_left_out(
    server: Server, database: str, user: str, tmp_path: pathlib.Path, missing: str
) -> None:
    has = [right for right in [*RIGHTS.split(", "), "LOCK TABLES"] if right != missing]
    server.execute(None, f"GRANT {', '.join(has)} ON {patterned(database)}.* TO {user}")
    target = Target(server.url(database, user=user, password="poor"), tmp_path / "store", tmp_path)
    words = {"EXECUTE": "SELECT ON mysql.proc", "LOCK TABLES": "RELOAD or LOCK TABLES"}.get(missing, missing)
    assert target.fails("denied", "cannot be seen whole").actual == f"without {words}"


def test_a_right_by_a_role_counts(server: Server, database: str, user: str, tmp_path: pathlib.Path) -> None:
    server.execute(None, f"CREATE ROLE {user}_r", f"GRANT {RIGHTS}, LOCK TABLES ON {patterned(database)}.* TO {user}_r")
    server.execute(None, f"GRANT {user}_r TO {user}", f"SET DEFAULT ROLE {user}_r FOR {user}")
    try:
        Target(server.url(database, user=user, password="poor"), tmp_path / "store", tmp_path).back_up("none")
    finally:
        server.execute(None, f"DROP ROLE {user}_r")


def test_a_routine_that_may_not_be_read_fails_the_backup(
    server: Server, database: str, user: str, tmp_path: pathlib.Path
) -> None:
    server.execute(database, "CREATE PROCEDURE p() SELECT 1")
    server.execute(None, f"GRANT {RIGHTS}, LOCK TABLES ON {patterned(database)}.* TO {user}")
    target = Target(server.url(database, user=user, password="poor"), tmp_path / "store", tmp_path)
    target.fails("command_failed", "privileges to SHOW CREATE PROCEDURE `p`")


def test_the_owner_of_a_database_can_back_it_up(
    server: Server, database: str, user: str, tmp_path: pathlib.Path, scratch: pathlib.Path
) -> None:
    server.execute(None, f"GRANT ALL ON {patterned(database)}.* TO {user}")
    with contextlib.closing(server.connect(database, user, "poor")) as link, link.cursor() as cursor:
        cursor.execute("CREATE TABLE item (id int AUTO_INCREMENT PRIMARY KEY)")
        cursor.execute("INSERT INTO item VALUES ()")
        cursor.execute("CREATE PROCEDURE mine() SELECT 1")
    backup = Target(server.url(database, user, "poor"), tmp_path / "store", scratch).back_up().backup
    assert backup is not None and backup.verified_by == "restore"
    assert backup.manifest.facts["tables"]["item"][0] == 1


def test_the_password_is_in_no_command_line_no_environment_and_no_file_with_a_name(
    server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path, public: pathlib.Path
) -> None:
    seen = tmp_path / "seen"
    look = (
        f'tr "\\0" "\\n" </proc/$$/cmdline >>{seen}; env >>{seen}\n'
        f'for word in "$@"; do case $word in --defaults-file=*) stat -Lc "mode %a, names %h" "${{word#*=}}" >>{seen};; esac; done\n'
    )
    spying = programs(
        public / "bin",
        mariadb_dump=f'{look}exec {real("mariadb-dump")} "$@"',
        mariadb=f'{look}exec {real("mariadb")} "$@"',
    )
    target = Target(server.url(database), tmp_path / "store", scratch, bin_dir=spying)
    made = target.back_up()
    target.keeper().restored("latest", f"{database}_look", confirm="", safety=True)
    text = seen.read_text(errors="replace")
    assert "wörd" not in text and "wörd" not in str(made)
    assert {line for line in text.splitlines() if line.startswith("mode ")} == {"mode 600, names 0"}
    assert text.count("mode 600") == 3


def test_the_password_is_in_no_message(server: Server, database: str, tmp_path: pathlib.Path) -> None:
    url = server.url(database, port=free_port())
    said = Target(url, tmp_path / "store", tmp_path).fails("unreachable", "cannot be reached")
    assert "wörd" not in str(said.result()) and "w%C3%B6rd" not in str(said.result())


def test_rows_are_in_no_message(server: Server, database: str, tmp_path: pathlib.Path, scratch: pathlib.Path) -> None:
    """The client repeats a statement that failed, with what is in it."""
    server.execute(database, "CREATE TABLE t (id int PRIMARY KEY, word text)", "INSERT INTO t VALUES (1, 'planted')")
    target = Target(server.url(database), tmp_path / "store", scratch)
    dump, facts = target.taken()
    broken = [chunk.replace(b"(1,'planted')", b"(1,'planted',3)") for chunk in dump]
    with target.engine.scratch("10.11", facts, 0) as place, pytest.raises(SlipwayError, match="Column count") as caught:
        place.restore(broken)
    assert "planted" not in str(caught.value.result())
    assert caught.value.cause == "command_failed"


def test_the_login_works_for_the_programs_as_for_the_driver(server: Server, database: str) -> None:
    """One password with everything in it that has a meaning somewhere."""
    with Host(System()).handed(Login(server.url(database)).option_file()) as handed:
        words = [
            "mariadb",
            f"--defaults-file={handed.path}",
            "--batch",
            "--skip-column-names",
            "--execute=SELECT USER()",
        ]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.startswith("admin@")
    assert PASSWORD.strip() != PASSWORD
