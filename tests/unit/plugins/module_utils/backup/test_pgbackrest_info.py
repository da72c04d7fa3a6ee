# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pgBackRest 2.45 says is read as it is meant; the words are its own."""

from __future__ import annotations

import json

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import pgbackrest_info as info
from ansible_collections.slipway.deploy.plugins.module_utils.backup.pgbackrest import Order, PgBackRest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

FULL, INCR = "20261128-095733F", "20261128-095733F_20261128-100012I"
MIB = 1 << 20

INFO = (
    '[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"000000010000000000000006",'
    '"min":"000000010000000000000001"}],"backup":[{"archive":{"start":"000000010000000000000002",'
    '"stop":"000000010000000000000003"},"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},'
    '"error":false,"info":{"delta":22992555,"repository":{"delta":3056850,"size":3056850},"size":22992555},'
    '"label":"20261128-095733F","lsn":{"start":"0/2000028","stop":"0/3000050"},"prior":null,"reference":null,'
    '"timestamp":{"start":1795859853,"stop":1795859859},"type":"full"},{"archive":{"start":"000000010000000000000006",'
    '"stop":"000000010000000000000006"},"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},'
    '"error":true,"info":{"delta":2269450,"repository":{"delta":318683,"size":3067590},"size":23090859},'
    '"label":"20261128-095733F_20261128-100012I","lsn":{"start":"0/6000028","stop":"0/6000100"},'
    '"prior":"20261128-095733F","reference":["20261128-095733F"],"timestamp":{"start":1795860012,"stop":1795860013},'
    '"type":"incr"}],"cipher":"none","db":[{"id":1,"repo-key":1,"system-id":7713159315078375108,"version":"15"}],'
    '"name":"demo","repo":[{"cipher":"none","key":1,"status":{"code":0,"message":"ok"}}],"status":{"code":0,'
    '"lock":{"backup":{"held":false}},"message":"ok"}}]'
)
NOTHING = (
    '[{"archive":[],"backup":[],"cipher":"none","db":[],"name":"demo","repo":[{"cipher":"none","key":1,"status":{"code":1,'
    '"message":"missing stanza path"}}],"status":{"code":1,"lock":{"backup":{"held":false}},"message":"missing stanza path"}}]'
)


def test_backups_are_in_the_words_of_all_engines():
    found = info.stanza_of(INFO, "demo", 0)
    assert (found.code, found.system, found.archives) == (0, "7713159315078375108", ["15-1"])
    where = {"host": "db1", "database": "shop"}
    versions = info.versions_of(INFO, "demo")
    full, incr = (info.backup_of(record, n, where, versions) for n, record in enumerate(found.backups, start=1))
    manifest = full.manifest
    assert (manifest.id, manifest.format, manifest.number) == (FULL, "pgbackrest full", 1)
    assert (manifest.taken, manifest.seconds, manifest.position) == (1795859859.0, 6.0, "0/3000050")
    assert (manifest.server, manifest.client, manifest.size) == ("15", "2.45", 3056850)
    assert manifest.source == {"host": "db1", "database": "shop", "size": 22992555}
    assert (incr.manifest.parts["dump"].plain_size, incr.manifest.source["size"]) == (2269450, 23090859)
    assert (full.failed, incr.failed, incr.verified_by) == (False, True, "none")


def test_backups_are_in_the_order_in_which_they_ended():
    content = json.loads(INFO)
    content[0]["backup"].reverse()
    assert [one["label"] for one in info.stanza_of(json.dumps(content), "demo", 0).backups] == [FULL, INCR]


def test_another_repository_has_its_own_backups_and_its_own_state():
    content = json.loads(INFO)
    content[0]["repo"].append({"cipher": "none", "key": 2, "status": {"code": 2, "message": "no valid backups"}})
    found = info.stanza_of(json.dumps(content), "demo", 2)
    assert (found.code, found.backups) == (2, [])


def test_a_stanza_that_was_not_created_has_no_cluster():
    found = info.stanza_of(NOTHING, "demo", 0)
    assert (found.code in info.MISSING, found.system, found.backups) == (True, "", [])


@pytest.mark.parametrize("text", ["", "{}", "[]", "[{}]", "null", "ERROR: [055]", INFO.replace('"demo"', '"other"')])
def test_other_words_are_not_guessed_at(text):
    with pytest.raises(SlipwayError, match="said something that is not understood") as caught:
        info.stanza_of(text, "demo", 0)
    assert caught.value.cause == "unreadable"


# --- verify


def said(status="ok", **backups):
    lines = ["stanza: demo", f"status: {status}", "  archiveId: 15-1, total WAL checked: 3, total valid WAL: 3"]
    for label, verdict in backups.items():
        lines += [
            f"  backup: {label}, status: {verdict}, total files checked: 964, total valid files: 963",
            "    missing: 1",
        ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "text, problem",
    [
        (said(**{FULL: "valid", INCR: "valid"}), ""),
        (said(**{FULL: "valid"}), f"{INCR} is not in the repository"),
        (said("error", **{FULL: "invalid", INCR: "valid"}), f"{FULL} is invalid"),
        (said(**{FULL: "valid", INCR: "in-progress"}), f"{INCR} is in-progress"),
        ("", f"{INCR} is not in the repository; {FULL} is not in the repository"),  # its directory was deleted
        (said("error", **{FULL: "valid", INCR: "valid"}), "status: error"),  # of the WAL, or of another backup
        (said("", **{FULL: "valid", INCR: "valid"}).replace("status: \n", ""), "stanza: demo archiveId"),
    ],
)
def test_a_backup_is_good_only_where_it_is_named_and_valid(text, problem):
    found = info.verdict_of(text, [INCR, FULL])
    assert (problem in found) if problem else found == ""


def test_a_label_that_begins_like_another_is_not_that_one():
    text = said(**{INCR: "valid"})
    assert FULL in info.verdict_of(text, [FULL])


# --- WAL


def names(*segments):
    return [f"0000000100000000/{segment}-{'a' * 40}.gz" for segment in segments]


def segment(number, timeline=1, size=16 * MIB):
    each = (1 << 32) // size
    return f"{timeline:08X}{number // each:08X}{number % each:08X}"


@pytest.mark.parametrize("size", [MIB, 16 * MIB, 1024 * MIB])
@pytest.mark.parametrize("start", [1, 253, 4093, 70000])
@pytest.mark.parametrize("missing", range(8))
def test_each_missing_file_between_the_first_and_the_last_is_found(size, start, missing):
    wanted = [segment(start + n, size=size) for n in range(8)]
    there = names(*wanted)
    assert info.gap_in(there, wanted[0], wanted[-1], size) == ""
    del there[missing]
    assert info.gap_in(there, wanted[0], wanted[-1], size) == wanted[missing]


def test_files_that_are_no_whole_segment_stand_for_none():
    wanted = segment(5)
    there = [f"{wanted}.00000028.backup", f"{wanted}.partial", "00000002.history", "archive.info"]
    assert info.gap_in(there, wanted, wanted, 16 * MIB) == wanted


def test_of_two_timelines_nothing_is_said():
    assert info.gap_in([], segment(5), segment(6, timeline=2), 16 * MIB) == ""


# --- command lines


def test_a_copy_gets_its_wal_by_a_command_of_its_own():
    """Not by the queue of the live cluster's archiving; and a percent sign is the server's own."""
    command = PgBackRest(Order("shop", "/etc/100%/my conf", 2), System()).archive_get("/scratch/data")
    assert command == (
        "pgbackrest '--config=/etc/100%%/my conf' --stanza=shop --repo=2 --log-level-console=off --log-level-stderr=warn"
        ' archive-get --pg1-path=/scratch/data --reset-pg1-host --no-archive-async %f "%p"'
    )


def test_a_command_for_a_person_can_be_copied():
    shown = PgBackRest(Order("my shop", "/etc/pg.conf"), System()).shown("expire", "--set=L")
    assert shown == "sudo -u postgres pgbackrest --config=/etc/pg.conf '--stanza=my shop' --set=L expire"
