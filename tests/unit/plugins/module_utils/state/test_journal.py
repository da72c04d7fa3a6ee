# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal's file: lines, torn tails, damage, repair, compaction."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.state import journal as engine
from ansible_collections.slipway.deploy.plugins.module_utils.state.journal import (
    Journal,
    NewerSchemaError,
    Record,
    Reserve,
    decode,
    encode,
    parse,
)
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import ManualSystem
from hypothesis import given
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.builds(
    Record,
    seq=st.integers(min_value=1),
    wall=st.floats(allow_nan=False, allow_infinity=False),
    release=st.text(),
    token=st.integers(min_value=0),
    stage=st.text(),
    event=st.text(),
    data=st.dictionaries(st.text(), JSON, max_size=4),
)


def a_journal(directory, system=None):
    system = system or ManualSystem()
    return Journal(system, str(directory), Reserve(system, str(directory)))


def with_notes(directory, count):
    journal = a_journal(directory)
    for number in range(1, count + 1):
        journal.append("note", release="r1", token=3, stage="prepare", data={"number": number})
    return journal.path


def content_of(path):
    with open(path, "rb") as stream:
        return stream.read()


def write(path, content):
    with open(path, "wb") as stream:
        stream.write(content)


# Lines


@given(RECORDS)
def test_a_record_is_one_line_and_reads_back_as_it_was(record):
    line = encode(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line[:-1]) == record


@given(RECORDS, st.data())
def test_any_single_changed_byte_is_noticed(record, data):
    line = bytearray(encode(record)[:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError):
        decode(bytes(line))


@given(st.binary())
def test_garbage_is_refused_as_a_value_error_and_nothing_else(garbage):
    with pytest.raises(ValueError):
        decode(garbage)


@given(st.binary())
def test_a_file_of_garbage_is_a_torn_tail_or_named_damage(garbage):
    try:
        assert parse(garbage, "journal").records == []
    except SlipwayError as error:
        assert error.cause == "journal_damaged"
        assert "journal_repaired" in error.remedy


# Appending and reading


def test_records_are_numbered_and_carry_who_and_when(tmp_path):
    path = with_notes(tmp_path, 2)
    lines = [json.loads(line) for line in content_of(path).splitlines()]
    assert [line["seq"] for line in lines] == [1, 2]
    assert lines[0]["wall"] == 1_800_000_000.0
    assert (lines[0]["v"], lines[0]["release"], lines[0]["token"], lines[0]["stage"]) == (1, "r1", 3, "prepare")
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_reading_a_bare_machine_gives_nothing_and_makes_nothing(tmp_path):
    assert a_journal(tmp_path).records == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_line_cut_anywhere_is_left_out_then_closed_by_the_next_record(tmp_path, cut):
    path = with_notes(tmp_path, 2)
    whole = content_of(path)
    write(path, whole[:-cut])
    assert [record.data["number"] for record in a_journal(tmp_path).records] == [1]
    assert content_of(path) == whole[:-cut], "reading must not write"
    a_journal(tmp_path).append("note", release="r1", data={"number": 7})
    assert [record.data["number"] for record in a_journal(tmp_path).records] == [1, 7]


def test_a_bad_last_line_with_its_newline_is_a_torn_tail(tmp_path):
    path = with_notes(tmp_path, 2)
    write(path, content_of(path)[:-10] + b"\0" * 9 + b"\n")
    assert len(a_journal(tmp_path).records) == 1


def test_what_the_caller_changes_afterwards_is_not_in_the_journal(tmp_path):
    journal = a_journal(tmp_path)
    data = {"list": [1]}
    journal.append("note", data=data)
    data["list"].append(2)
    assert journal.records[0].data == {"list": [1]}


# Damage


def damaged(path, number, replacement):
    lines = content_of(path).splitlines(keepends=True)
    lines[number - 1 : number] = replacement
    write(path, b"".join(lines))


@pytest.mark.parametrize(
    ("number", "replacement", "line"),
    [
        pytest.param(2, [b"garbage\n"], 2, id="garbage"),
        pytest.param(2, [b"\n"], 2, id="an empty line"),
        pytest.param(2, [], 2, id="a line is missing"),
        pytest.param(1, [], 1, id="the first line is missing"),
    ],
)
def test_damage_before_the_last_line_is_refused_and_named(tmp_path, number, replacement, line):
    path = with_notes(tmp_path, 4)
    damaged(path, number, replacement)
    before = content_of(path)
    with pytest.raises(SlipwayError) as caught:
        a_journal(tmp_path).append("note")
    assert caught.value.cause == "journal_damaged"
    assert caught.value.evidence["line"] == line
    assert f"line {line}" in caught.value.message
    assert "state=journal_repaired" in caught.value.message
    assert content_of(path) == before


def test_repair_keeps_every_good_line_and_the_damaged_file(tmp_path):
    path = with_notes(tmp_path, 5)
    damaged(path, 2, [b"garbage\n"])
    before = content_of(path)
    journal = a_journal(tmp_path)
    plan = journal.plan_repair()
    assert content_of(path) == before, "planning must not write"
    journal.repair(plan)
    assert plan.done["lines_lost"] == 1
    assert content_of(plan.done["kept_aside"]) == before
    again = a_journal(tmp_path)
    assert [record.data.get("number") for record in again.records] == [1, 3, 4, 5, None]
    assert again.records[-1].event == "repaired"
    again.append("note", data={"number": 6})
    assert a_journal(tmp_path).records[-1].data["number"] == 6


def test_a_file_of_nothing_but_garbage_can_be_repaired(tmp_path):
    journal = a_journal(tmp_path)
    write(journal.path, b"garbage\nmore garbage\nand more\n")
    journal.repair(journal.plan_repair())
    assert [record.event for record in a_journal(tmp_path).records] == ["repaired"]


def test_damage_after_a_repair_is_noticed_again(tmp_path):
    path = with_notes(tmp_path, 5)
    damaged(path, 2, [])
    journal = a_journal(tmp_path)
    journal.repair(journal.plan_repair())
    damaged(path, 3, [])
    with pytest.raises(SlipwayError):
        assert a_journal(tmp_path).records


def test_a_good_journal_is_not_repaired(tmp_path):
    with_notes(tmp_path, 3)
    assert a_journal(tmp_path).plan_repair() is None


# Newer schema


def test_a_newer_schema_is_refused_by_reading_and_by_repair(tmp_path, monkeypatch):
    path = with_notes(tmp_path, 2)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "SCHEMA", 2)
        line = encode(Record(3, 0.0, "", 0, "", "unheard_of", {}))
    write(path, content_of(path) + line)
    with pytest.raises(SlipwayError) as caught:
        a_journal(tmp_path).append("note")
    assert caught.value.cause == "journal_newer"
    assert "Upgrade" in caught.value.remedy
    damaged(path, 1, [b"garbage\n"])
    with pytest.raises(SlipwayError) as caught:
        a_journal(tmp_path).plan_repair()
    assert caught.value.cause == "journal_newer"
    with pytest.raises(NewerSchemaError):
        decode(line[:-1])


# Failing writes


class FailingSync(ManualSystem):
    """The n-th fsync fails, once."""

    def __init__(self, fail_at):
        super().__init__()
        self.left = fail_at

    def fsync_fd(self, fd):
        self.left -= 1
        if self.left == 0:
            raise OSError(5, "Input/output error")
        super().fsync_fd(fd)


def test_a_record_whose_sync_failed_is_taken_back(tmp_path):
    path = with_notes(tmp_path, 2)
    before = content_of(path)
    journal = a_journal(tmp_path, FailingSync(1))
    with pytest.raises(SlipwayError) as caught:
        journal.append("note", data={"number": 3})
    assert caught.value.cause == "io"
    assert content_of(path) == before
    journal.append("note", data={"number": 4})
    assert [record.data["number"] for record in a_journal(tmp_path).records] == [1, 2, 4]


class ShortWrite(ManualSystem):
    """Writes half of it, then nothing more."""

    def __init__(self):
        super().__init__()
        self.broken = True

    def write_fd(self, fd, data):
        if not self.broken:
            return super().write_fd(fd, data)
        if len(data) > 60:
            return super().write_fd(fd, data[:60])
        return 0


def test_a_short_write_is_an_error_and_leaves_no_half_line(tmp_path):
    path = with_notes(tmp_path, 2)
    before = content_of(path)
    system = ShortWrite()
    journal = a_journal(tmp_path, system)
    with pytest.raises(SlipwayError) as caught:
        journal.append("note", data={"number": 3})
    assert caught.value.cause in ("short_write", "no_space")
    assert content_of(path) == before
    system.broken = False
    journal.append("note", data={"number": 4})
    assert [record.data["number"] for record in a_journal(tmp_path).records] == [1, 2, 4]
