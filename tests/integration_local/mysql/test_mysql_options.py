# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option files as the programs of MariaDB read them."""

from __future__ import annotations

import subprocess

from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools import Host
from ansible_collections.slipway.deploy.plugins.module_utils.database.mysql_login import Login
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from hypothesis import example, given, settings
from hypothesis import strategies as some

TEXT = some.text(some.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=80)


@settings(deadline=None)
@given(TEXT, TEXT)
@example(" \\\"'#;[x]=%\t\r\n\b\\n\\s\x1a\x7f ", "x")
@example("\\", '"')
@example("'a'", "#")
def test_a_program_reads_each_value_as_it_is(user: str, password: str) -> None:
    login = Login("mysql://h/d")
    login.user, login.password = user, password
    with Host(System()).handed(login.option_file()) as handed:
        words = ["my_print_defaults", f"--defaults-file={handed.path}", "client"]
        said = subprocess.run(words, capture_output=True, check=True).stdout.decode()
    wanted = [f"--user={user}"] if user else []
    wanted += [f"--password={password}"] if password else []
    assert said == "\n".join([*wanted, "--protocol=tcp", "--host=h", "--port=3306", ""])
