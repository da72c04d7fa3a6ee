# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown of a run that takes long, in a file that is gone afterwards."""

from __future__ import annotations

import pathlib
import types

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import progress
from ansible_collections.slipway.deploy.plugins.module_utils.stages.migration_progress import file_of, shown
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


class Clock(System):
    """Stands still."""

    now = 10.0

    def monotonic(self) -> float:
        return self.now


def test_it_says_now_and_then_what_it_is_at(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DIRECTORY", str(tmp_path))
    params = {"platform": "shop", "environment": "production"}
    tool, clock, path = types.SimpleNamespace(), Clock(), pathlib.Path(file_of(params))
    assert path == tmp_path / "migrations-shop-production.progress"
    with pytest.raises(ValueError, match="over"), shown(tool, params, clock):  # type: ignore[arg-type]
        tool.begun("V1__a.sql")
        assert path.read_text() == "applies V1__a.sql\n"
        tool.say("V2__b.sql: 10 rows")
        assert path.read_text() == "applies V1__a.sql\n"
        clock.now += progress.EVERY
        tool.say("V2__b.sql: 20 rows")
        assert path.read_text() == "V2__b.sql: 20 rows\n"
        raise ValueError("over")
    assert not path.exists()


def test_without_a_platform_it_has_a_name_all_the_same() -> None:
    assert file_of({"platform": None}).endswith("/migrations.progress")
