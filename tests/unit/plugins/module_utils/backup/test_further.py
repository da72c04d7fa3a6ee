# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leads on from a dump is tried on the restored copy of its proof; the dump is good or bad by itself."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import due
from ansible_collections.slipway.deploy.plugins.module_utils.backup.further import Further
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.backup.fakes import FakeEngine, keeper, order


class Way(Further):
    """Leads to a moment, unless it has a problem."""

    name, words = "proof_now", "some logs were replayed up to proof_now"

    def __init__(self, problem=None, strict=False, found=None):
        self.problem, self.strict, self._found, self.tried_on = problem, strict, found, []

    def bring(self, backup, scratch, prover):
        self.tried_on.append(scratch.restored)
        if self._found:
            raise self._found


class Trail:
    def __init__(self, way, wants=False):
        self.way, self.wants, self.asked = way, wants, 0

    def ahead(self, backup):
        self.asked += 1
        return self.way

    def wanting(self, backup):
        return self.wants


def trailed(tmp_path, trail, engine=None):
    made = keeper(tmp_path, engine)
    made.trail = trail
    return made


PROBLEM = SlipwayError("is gone", obj="log 7", cause="missing")


def test_it_is_tried_on_the_copy_that_was_just_restored_and_the_proof_says_so(tmp_path):
    engine, way = FakeEngine(), Way()
    outcome = trailed(tmp_path, Trail(way), engine).present(order())
    assert way.tried_on == [engine.content] and engine.restores == 1
    assert outcome.backup.last_restore.logs == "proof_now"
    assert way.words in outcome.actions
    again = keeper(tmp_path).list().backups[-1]  # as it is written down
    assert again.last_restore.logs == "proof_now"


@pytest.mark.parametrize("way", [{"found": PROBLEM}, {"problem": PROBLEM}], ids=["it fails", "there is none"])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("state", ["present", "verified"])
def test_where_it_fails_the_dump_is_good_all_the_same(tmp_path, way, strict, state):
    if state == "verified":
        keeper(tmp_path).present(order(verify="none"))
    made = trailed(tmp_path, Trail(Way(strict=strict, **way)))
    ask = (lambda: made.present(order())) if state == "present" else (lambda: made.verified("latest", "restore", 0))
    if strict:
        with pytest.raises(SlipwayError, match="log 7: is gone") as caught:
            ask()
        assert caught.value.cause == "missing"
    else:
        assert any("to proof_now is not proven: log 7: is gone" in said for said in ask().actions)
    (backup,) = keeper(tmp_path).list().backups
    assert (backup.verified_by, backup.failed) == ("restore", False)
    assert (backup.last_restore.logs, "log 7" in backup.last_restore.problem) == ("", True)


@pytest.mark.parametrize(
    "cause, known", [("busy", "proof_now"), ("denied", "proof_now"), ("damaged", ""), ("bad_backup", "")]
)
def test_what_was_seen_once_holds_until_it_is_seen_not_to(tmp_path, cause, known):
    trailed(tmp_path, Trail(Way())).present(order())
    problem = SlipwayError("is in the way", obj="something", cause=cause)
    trailed(tmp_path, Trail(Way(found=problem))).verified("latest", "restore", 0)
    (backup,) = keeper(tmp_path).list().backups
    assert (backup.last_restore.logs, len(backup.proofs)) == (known, 2)


def test_it_is_made_but_not_tried_where_another_machine_proves(tmp_path):
    trail = Trail(Way(strict=True))
    trailed(tmp_path, trail).present(order(verify="none"))
    assert (trail.asked, trail.way.tried_on) == (1, [])
    with pytest.raises(SlipwayError, match="log 7"):
        trailed(tmp_path, Trail(Way(strict=True, problem=PROBLEM))).present(order(verify="none"))


def test_a_release_that_waits_for_its_dump_waits_for_nothing_else(tmp_path):
    trail = Trail(Way())
    trailed(tmp_path, trail).present(order()._replace(patience=due.Patience(300.0, 86400.0)))
    assert trail.asked == 0


@pytest.mark.parametrize("wants", [False, True])
def test_a_proof_that_lacks_what_there_is_by_now_is_made_again(tmp_path, wants):
    keeper(tmp_path).present(order())
    assert trailed(tmp_path, Trail(Way(), wants)).verified("latest", "restore", 3600.0).changed is wants


def test_a_bad_dump_leads_nowhere(tmp_path):
    engine, way = FakeEngine(), Way()
    engine.restores_to = b"other rows"
    with pytest.raises(SlipwayError, match="restores to something else"):
        trailed(tmp_path, Trail(way), engine).present(order())
    assert way.tried_on == []
    (backup,) = keeper(tmp_path).list().backups
    assert backup.failed and backup.last_restore is None
