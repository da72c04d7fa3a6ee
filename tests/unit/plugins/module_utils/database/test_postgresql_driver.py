# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of PostgreSQL, as it is imported."""

from __future__ import annotations

import ssl
import sys

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.postgresql_login import (
    _without_ssl,
    driver,
)

DRIVER = """
try:
    import ssl
    found = True
except ImportError:
    found = False
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """One that looks for C(ssl), as the real one does."""
    with monkeypatch.context() as patch:
        for name in [name for name in sys.modules if name.partition(".")[0] == "psycopg2"]:
            patch.delitem(sys.modules, name)
        package = tmp_path / "psycopg2"
        package.mkdir()
        (package / "__init__.py").write_text(DRIVER)
        (package / "extensions.py").write_text("")
        patch.syspath_prepend(str(tmp_path))
        yield patch
        for name in ("psycopg2", "psycopg2.extensions"):
            del sys.modules[name]


@pytest.mark.parametrize("before", [True, False])
def test_it_comes_without_the_ssl_of_python_unless_somebody_has_that_already(fake, before):
    if not before:
        fake.delitem(sys.modules, "ssl")
    assert driver().found is before
    assert (sys.modules.get("ssl") is ssl) is before


def test_once_it_is_there_nobody_elses_ssl_is_hidden(fake):
    """Another thread may import it at any time."""
    fake.delitem(sys.modules, "ssl")
    driver()
    with _without_ssl():
        assert sys.modules.get("ssl", ssl) is ssl
