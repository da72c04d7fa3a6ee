# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pgBackRest is called without a shell as the cluster's owner, and what it says comes back with its own number."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import pgbackrest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.pgbackrest import Order, PgBackRest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.progress import Progress
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System


class Says(System):
    """A machine whose programs all answer alike."""

    def __init__(self, rc=0, stdout="", stderr=""):
        self.answer, self.called = Completed(rc, stdout, stderr), []

    def run(self, argv, **_words):
        self.called.append(argv)
        return self.answer

    def flow(self, programs):
        """What runs for long, as C(pipeline.flow) tells it."""
        self.called.append(list(programs[0].argv))
        yield from (self.answer.stdout.encode(), b"")
        if self.answer.rc:
            raise SlipwayError("failed", actual=self.answer.stderr, evidence={"status": self.answer.rc})


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(pgbackrest.shutil, "which", lambda name: f"/usr/bin/{name}")


def driven(monkeypatch, system, order=None, **words):
    monkeypatch.setattr(pgbackrest, "flow", system.flow)
    return PgBackRest(order or Order("shop"), system, **words)


@pytest.mark.parametrize(
    "status, cause",
    [
        (31, "bad_option"),  # an older one does not know an option
        (50, "busy"),
        (56, "unreachable"),
        (58, "other_cluster"),
        (62, "stopped"),
        (68, "archive_broken"),
        (82, "archive_broken"),
        (87, "archive_off"),
        (26, "damaged"),
        (28, "damaged"),
        (29, "damaged"),
        (55, "missing"),
        (75, "missing"),
        (103, "missing"),
        (99, "command_failed"),
        (1, "command_failed"),
        (-15, "command_failed"),
    ],
)
def test_every_exit_status_counts_and_the_words_are_passed_on(monkeypatch, status, cause):
    system = Says(status, stderr=f"ERROR: [{status:03}]: the very words")
    for act in (lambda it: it.check(), lambda it: it.backup(), lambda it: it.verify([]), lambda it: it.stanza()):
        with pytest.raises(SlipwayError) as caught:
            act(driven(monkeypatch, system))
        assert caught.value.cause == cause
        assert "the very words" in caught.value.message
        assert f"exit status {status}" in caught.value.message


def test_it_runs_as_the_owner_and_ends_with_this_process(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    system = Says()
    driven(monkeypatch, system, Order("shop; rm -rf /", repo=2, kind="diff")).backup()
    (argv,) = system.called
    assert argv[:5] == ["env", "--chdir=/", "setpriv", "--pdeathsig", "TERM"]
    assert "--reuid=postgres" in argv
    assert argv[argv.index("pgbackrest") + 1 :][:2] == ["--stanza=shop; rm -rf /", "--repo=2"]
    assert argv[-2:] == ["backup", "--type=diff"]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    PgBackRest(Order("shop"), system).check()
    assert not [word for word in system.called[-1] if word.startswith("--reuid")]
    assert system.called[-1][-2:] == ["check", "--archive-timeout=60"]


@pytest.mark.parametrize(
    "name, there",
    [
        ("00000001000000000000000A-" + "a" * 40 + ".gz", True),
        ("00000001000000000000000A-" + "a" * 40, True),
        ("00000001000000000000000A-" + "a" * 40 + ".gz.pgbackrest.tmp", False),  # it is being written
        ("00000001000000000000000B-" + "a" * 40 + ".gz", False),
        ("00000001000000000000000A.00000028.backup", False),
    ],
)
def test_a_file_of_the_wal_is_there_once_it_is_whole(name, there):
    listing = f'{{".":{{"type":"path"}},"{name}":{{"type":"file","size":1,"time":1}}}}'
    system = Says(stdout=listing)
    assert PgBackRest(Order("shop"), system).has_segment("00000001000000000000000A", ["15-1"]) is there
    assert system.called[0][-1] == "archive/shop/15-1/0000000100000000"


@pytest.mark.parametrize("said", ["", "[]"])
def test_an_answer_that_is_none_is_not_taken_for_an_empty_repository(said):
    with pytest.raises(SlipwayError) as caught:
        PgBackRest(Order("shop"), Says(stdout=said)).stanza()
    assert caught.value.cause == "unreadable"


def test_how_far_it_is_stands_at_the_end_of_what_it_says_of_a_file(monkeypatch, tmp_path):
    system = Says(
        stdout="P00   INFO: backup command begin 2.45: --stanza=shop\n"
        "P01 DETAIL: backup file /data/base/1/2 (440KB, 22.36%) checksum 0a\n"
        "P01 DETAIL: backup file /data/base/1/3 (bundle 1/0, 8KB, 97.01%) checksum 0b\n"
        "P00   INFO: new backup label = 20261124-031500F\n"
    )
    progress = Progress(str(tmp_path / "shop.progress"), System())
    it = driven(monkeypatch, system, progress=progress)
    it.backup()
    assert (tmp_path / "shop.progress").read_text() == "backed up by pgBackRest: 97 %\n"
    assert "--log-level-console=detail" in system.called[-1]
    it.restore("20261124-031500F", "/new", [], "/new.tablespaces")
    assert (tmp_path / "shop.progress").read_text() == "restored by pgBackRest: 97 %\n"
