# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of PostgreSQL, as a process of its own imports it."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORT = "from ansible_collections.slipway.deploy.plugins.module_utils.database.postgresql_login import driver"
DRIVER = """
try:
    import ssl
    found = True
except ImportError:
    found = False
"""


@pytest.mark.parametrize("before", ["pass", "import ssl"])
def test_it_comes_without_the_ssl_of_python_which_is_there_for_whoever_wants_it(tmp_path, before):
    package = tmp_path / "psycopg2"
    package.mkdir()
    (package / "__init__.py").write_text(DRIVER)
    (package / "extensions.py").write_text("")
    words = [f"sys.path.insert(0, {str(tmp_path)!r})", IMPORT, f"assert driver().found is {before != 'pass'}"]
    after = ["import ssl", "assert ssl.create_default_context()"]
    subprocess.run([sys.executable, "-c", "\n".join(["import sys", before, *words, *after])], check=True)
