# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored copy that somebody works on: it proves what was not proven, and is gone whatever happens."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import FakeEngine, keeper, order


def test_one_that_was_not_proven_is_compared_and_proven_before_it_is_worked_on(tmp_path):
    engine = FakeEngine()
    kept = keeper(tmp_path, engine)
    kept.present(order(verify="none"))
    with kept.copied("latest", "shop") as copied:
        assert (engine.open, engine.compared, copied.copy.user) == (1, 1, "shop")
        assert copied.backup.verified_by == "restore"
    assert engine.open == 0
    assert kept.list().backups[-1].verified_by == "restore"


def test_one_that_was_proven_is_not_compared_again(tmp_path):
    engine = FakeEngine()
    kept = keeper(tmp_path, engine)
    kept.present(order(verify="restore"))
    with kept.copied("latest", "") as copied:
        assert (engine.restores, engine.compared) == (2, 1)
        assert len(copied.backup.proofs) == 1


def test_what_goes_wrong_in_the_work_is_not_blamed_on_the_backup(tmp_path):
    engine = FakeEngine()
    kept = keeper(tmp_path, engine)
    kept.present(order(verify="none"))
    with pytest.raises(SlipwayError, match="a migration fails"), kept.copied("latest", ""):
        raise SlipwayError("a migration fails", cause="damaged")
    assert engine.open == 0
    assert not kept.list().backups[-1].failed


def test_one_that_restores_to_something_else_is_bad_and_nobody_works_on_it(tmp_path):
    engine = FakeEngine()
    kept = keeper(tmp_path, engine)
    kept.present(order(verify="none"))
    engine.restores_to = b"other rows"
    with pytest.raises(SlipwayError) as caught, kept.copied("latest", ""):
        pytest.fail("it was worked on")
    assert (caught.value.cause, engine.open) == ("bad_backup", 0)
    assert kept.list().backups[-1].failed
