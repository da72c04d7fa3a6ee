# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of migration files, its checksum, its placeholders and what is said beside it."""

from __future__ import annotations

import codecs
import zlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.migration import conf
from ansible_collections.slipway.deploy.plugins.module_utils.migration.checksum import checksum
from ansible_collections.slipway.deploy.plugins.module_utils.migration.conf import Allowed, Conf, Notes, in_transaction
from ansible_collections.slipway.deploy.plugins.module_utils.migration.placeholders import Own, Placeholders
from ansible_collections.slipway.deploy.plugins.module_utils.migration.scripts import SMALL, Reader, Scripts
from ansible_collections.slipway.deploy.plugins.module_utils.migration.source import lines, little, read
from hypothesis import given
from hypothesis import strategies as st

OWN = Own("public", "u", "d", "t", "2026-01-31 23:59:59", "/srv")


def pieces(text, size):
    return [text[start : start + size] for start in range(0, len(text), size)]


def written(tmp_path, data):
    path = tmp_path / "V1__x.sql"
    path.write_bytes(data)
    return str(path)


# Text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("ä;\r\n".encode(), "UTF-8"),
        (codecs.BOM_UTF8 + "ä;\r\n".encode(), "UTF-8"),
        ("ä;\r\n".encode("latin-1"), "ISO-8859-1"),
        ("ä;\r\n".encode("cp1252"), "windows-1252"),
        ("ä;\r\n".encode("utf-16-be"), "UTF-16"),
        (codecs.BOM_UTF16_LE + "ä;\r\n".encode("utf-16-le"), "UTF-16"),
        (codecs.BOM_UTF16_BE + "ä;\r\n".encode("utf-16-be"), "UTF-16"),
        ("\ufeffä;\r\n".encode("utf-16-le"), "UTF-16LE"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_text_is_read_in_its_encoding_and_without_a_mark(tmp_path, data, encoding, size):
    assert "".join(read(written(tmp_path, data), encoding, size)) == "ä;\r\n"
    assert little(written(tmp_path, data), len(data), encoding) == "ä;\r\n"
    assert little(written(tmp_path, data), len(data) - 1, encoding) is None


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_other_bytes_are_an_error_with_their_line(tmp_path, size):
    path = written(tmp_path, b"SELECT 1;\n-- \xe4\n")
    for reading in (lambda: list(read(path, "UTF-8", size)), lambda: little(path, 1000)):
        with pytest.raises(SlipwayError) as caught:
            reading()
        assert (caught.value.obj, caught.value.actual, caught.value.wanted) == (f"{path}:2", "bytes e4", "UTF-8")


@pytest.mark.parametrize("encoding", ["nonsense", "base64", ""])
def test_what_is_no_encoding(tmp_path, encoding):
    with pytest.raises(SlipwayError, match="no encoding has this name"):
        list(read(written(tmp_path, b""), encoding))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SlipwayError) as caught:
        list(read(str(tmp_path / "none")))
    with pytest.raises(SlipwayError, match="cannot be read"):
        little(str(tmp_path / "none"), 1)
    assert caught.value.cause == "missing"


@given(st.text("a\r\n", max_size=20), st.integers(1, 5))
def test_lines_end_in_any_way(text, size):
    assert list(lines(pieces(text, size))) == text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


# Checksum -----------------------------------------------------------------------------------------------------


@given(
    st.lists(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",))), max_size=8),
    st.integers(1, 9),
)
def test_a_checksum_does_not_depend_on_line_ends(found, size):
    expected = zlib.crc32("".join(found).encode("utf-8"))
    for end in ("\n", "\r\n", "\r"):
        for last in ("", end):
            got = checksum(pieces(end.join(found) + last, size))
            assert got % (1 << 32) == expected and -(1 << 31) <= got < 1 << 31


def test_the_checksum_of_nothing():
    assert checksum([]) == 0


def test_a_checksum_as_flyway_writes_it():
    assert checksum(["SELECT 67;\n"]) == -1473580852


# Placeholders -------------------------------------------------------------------------------------------------


def replaced(text, size=1000, prefix="${", suffix="}"):
    values = {"word": "it is", "Empty": "", "again": "${word}", "flyway:user": "somebody else"}
    return "".join(Placeholders(values, OWN, prefix, suffix).replace(pieces(text, size), "a/V1__x.sql"))


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a ${word} b", "a it is b"),
        ("'${WORD}' -- ${word}\n/* ${word} */", "'it is' -- it is\n/* it is */"),
        ("${word}${word}", "it isit is"),
        ("[${empty}]", "[]"),
        ("${again}", "${word}"),
        ("{${word}}", "{it is}"),
        ("$ {word} $", "$ {word} $"),
        ("$${word}", "$${word}"),
        ("$$${word}", "$$it is"),
        ("$a${word}", "$ait is"),
        ("$", "$"),
        ("$$", "$$"),
        ("${flyway:user} ${flyway:DEFAULTschema} ${flyway:database} ${flyway:table}", "u public d t"),
        ("${flyway:filename} ${flyway:environment}", "V1__x.sql default"),
        ("${flyway:timestamp} ${flyway:workingDirectory}", "2026-01-31 23:59:59 /srv"),
    ],
)
def test_placeholders_are_replaced_as_by_flyway(text, expected, size):
    assert replaced(text, size) == expected


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_other_marks(size):
    assert replaced("@@word@@ @word ${word}", size, "@@", "@@") == "it is @word ${word}"
    assert replaced("<<!word>> <<word>> <word>", size, "<<!", ">>") == "it is <<word>> <word>"
    assert replaced("%word% 5", size, "%", "%") == "it is 5"


@pytest.mark.parametrize("size", [1, 7, 100000])
@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a\nb ${other} c", 2, "a placeholder has no value"),
        ("${word}\r\n\n ${word\n} ${x}", 3, "a placeholder has no value"),
        ("a\n${word", 2, "a placeholder begins and does not end"),
        ("${word}\n${", 2, "a placeholder begins and does not end"),
        ("\n\n${" + "x" * 5000, 3, "placeholder"),
    ],
)
def test_a_placeholder_without_a_value_or_an_end(text, line, what, size):
    with pytest.raises(SlipwayError, match=what) as caught:
        replaced(text, size)
    assert caught.value.obj == f"a/V1__x.sql:{line}" and len(caught.value.actual) <= 60


@given(st.text("${}wrd\n", max_size=30), st.integers(1, 6))
def test_pieces_make_no_difference_to_placeholders(text, size):
    def outcome(count):
        try:
            return replaced(text, count)
        except SlipwayError as error:
            return error.obj, error.what

    assert outcome(size) == outcome(1000)


def test_marks_of_nothing():
    with pytest.raises(SlipwayError, match="needs something before and after"):
        Placeholders({}, OWN, "", "}")


# What is said beside the SQL ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Conf()),
        ("executeInTransaction=false\n", Conf(transaction=False)),
        ("# a\r\n! b\r\n\r\n  executeInTransaction = TRUE  \r\nencoding: ISO-8859-1", Conf(True, "ISO-8859-1", None)),
        ("placeholderReplacement false\rencoding=UTF-16", Conf(None, "UTF-16", False)),
    ],
)
def test_a_conf_is_read(text, expected):
    assert conf.read_conf([text], "x.conf") == expected


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("\nexecuteintransaction=false", 2, "unknown key"),
        ("shouldExecute=true", 1, "paid edition"),
        ("encoding=UTF-8\nencoding=UTF-8", 2, "said twice"),
        ("executeInTransaction=no", 1, "neither true nor false"),
        ("executeInTransaction", 1, "neither true nor false"),
        ("encoding=", 1, "has no value"),
        ("encoding=${e}", 1, "not replaced here"),
    ],
)
def test_a_wrong_conf(text, line, what):
    with pytest.raises(SlipwayError, match=what) as caught:
        conf.read_conf([text], "x.conf")
    assert caught.value.obj == f"x.conf:{line}"


def test_a_conf_beside_a_script(tmp_path):
    script = written(tmp_path, b"SELECT 1;\n")
    assert conf.beside(script) == Conf()
    (tmp_path / "V1__x.sql.conf").write_text("executeInTransaction=false\n", encoding="utf-8")
    assert conf.beside(script) == Conf(transaction=False)
    assert (
        conf.beside(str(tmp_path / f"V1__{'x' * 247}.sql")) == Conf()
    )  # no file can have this name and .conf behind it


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1;\n", Notes()),
        ("-- slipway: phase=contract\nSELECT 1;\n", Notes("contract")),
        ("\n/* licence;\n*/ -- x\n--slipway:phase=expand transaction=off\nSELECT 1;\n", Notes("expand", False)),
        ("# Slipway : transaction=on\r\nSELECT 1;\r\n", Notes("", True)),
        (
            "-- slipway: allow=drop-column,drop-table reason=read by nobody since 1.3.0\n-- slipway: allow=x reason=y=z\n",
            Notes(
                allowed=(
                    Allowed("drop-column", "read by nobody since 1.3.0", 1),
                    Allowed("drop-table", "read by nobody since 1.3.0", 1),
                    Allowed("x", "y=z", 2),
                )
            ),
        ),
        ("SELECT 1;\n-- slipway: phase=nonsense\n", Notes()),
        ("/* -- slipway: phase=nonsense */", Notes()),
        ("-- slipways: one=two\n-- see slipway: x\n", Notes()),
        ("/*!40101 SET x=1 */;\n-- slipway: phase=nonsense\n", Notes()),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_annotations_are_read_above_the_first_statement(text, expected, size):
    assert conf.read_notes(pieces(text, size), "x.sql") == expected


@pytest.mark.parametrize(
    ("note", "what"),
    [
        ("phase=later", "is no annotation"),
        ("phase", "is no annotation"),
        ("phases=expand", "is no annotation"),
        ("phase=expand phase=contract", "is no annotation"),
        ("transaction=no", "is no annotation"),
        ("phase = expand", "is no annotation"),
        ("allow=drop-column", "need each other"),
        ("allow=drop-column reason=", "need each other"),
        ("reason=because", "need each other"),
        ("allow=a,,b reason=c", "is no annotation"),
        ("allow=Not/One reason=c", "is no annotation"),
        ("", "says nothing"),
    ],
)
def test_a_wrong_annotation(note, what):
    with pytest.raises(SlipwayError, match=what) as caught:
        conf.read_notes([f"\n-- slipway: {note}\nSELECT 1;"], "x.sql")
    assert caught.value.obj == "x.sql:2"


@pytest.mark.parametrize(
    ("by_conf", "by_note", "expected"),
    [(None, None, None), (False, None, False), (None, True, True), (True, True, True), (False, False, False)],
)
def test_both_may_say_whether_there_is_a_transaction(by_conf, by_note, expected):
    assert in_transaction(Conf(transaction=by_conf), Notes(transaction=by_note), "x.sql") is expected


def test_both_may_not_contradict_each_other():
    with pytest.raises(SlipwayError, match="contradict each other"):
        in_transaction(Conf(transaction=True), Notes(transaction=False), "x.sql")


@pytest.mark.parametrize("more", [0, SMALL])
def test_what_is_said_in_and_beside_a_script_holds_whatever_its_size(tmp_path, more):
    path = written(
        tmp_path, f"-- Slipway: phase=contract\nSELECT '<<name>>', '${{name}}', 'é';{' ' * more}\n".encode("cp1252")
    )
    with open(f"{path}.conf", "w", encoding="utf-8") as file:
        file.write("executeInTransaction=false\nencoding=windows-1252\n")
    marks = Placeholders({"name": "ä"}, prefix="<<", suffix=">>")
    (script,) = Scripts([str(tmp_path)], Reader("postgresql", marks)).all
    assert (script.phase, script.transactional) == ("contract", False)
    assert [one.text for one in script.statements()] == ["SELECT 'ä', '${name}', 'é'"]
