# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tar of a dump in directory format: nothing but a dump is ever unpacked, and no file stands in memory."""

from __future__ import annotations

import io
import os
import pathlib
import tarfile
import tempfile
import tracemalloc
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import factory
from ansible_collections.slipway.deploy.plugins.module_utils.backup import postgresql_directory as directory
from ansible_collections.slipway.deploy.plugins.module_utils.backup.pipeline import CHUNK
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from hypothesis import given
from hypothesis import strategies as st


def tar(*members: tuple[str, dict[str, t.Any], bytes], total: int = -1, kind: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar that begins as ours."""
    size = sum(len(content) for _name, _more, content in members) if total < 0 else total
    parts = [tarfile.TarInfo.create_pax_global_header({"comment": f"{size} bytes"})]
    for name, more, content in members:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        for key, value in more.items():
            setattr(info, key, value)
        parts += [info.tobuf(kind), content, bytes(-len(content) % 512)]
    return b"".join([*parts, bytes(1024)])


TOC = ("toc.dat", {}, b"PGDMP")
LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc"}
REFUSED = {
    "a path upwards": tar(("../5.dat", {}, b"x"), TOC),
    "an absolute path": tar(("/5.dat", {}, b"x"), TOC),
    "a directory": tar(("5.dat", {"type": tarfile.DIRTYPE}, b""), TOC),
    "a file in a directory": tar(("a/5.dat", {}, b"x"), TOC),
    "a path with a prefix": tar(("a" * 90 + "/" + "b" * 90, {}, b"x"), TOC, kind=tarfile.USTAR_FORMAT),
    "another file": tar(("5.dat.gz", {}, b"x"), TOC),
    "a file of the shell": tar((".profile", {}, b"x"), TOC),
    "a name with a line's end": tar(("5.dat\n", {}, b"x"), TOC),
    "a symbolic link": tar(("5.dat", LINK, b""), TOC),
    "what is written through a link": tar(("toc.dat", LINK, b""), TOC),
    "a hard link": tar(("5.dat", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, b""), TOC),
    "a device": tar(("5.dat", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, b""), TOC),
    "a fifo": tar(("5.dat", {"type": tarfile.FIFOTYPE}, b""), TOC),
    "a longer name": tar(("x" * 120, {}, b"x"), TOC),
    "a name by a header of its own": tar(
        ("5.dat", {"pax_headers": {"path": "../5.dat"}}, b"x"), TOC, kind=tarfile.PAX_FORMAT
    ),
    "a file twice": tar(TOC, TOC),
    "more than it says": tar(("5.dat", {}, b"x" * 600), TOC, total=10),
    "less than it says": tar(TOC, total=10),
    "a size below zero": tar(("5.dat", {"size": -8}, b""), TOC, total=5),
    "a size beyond all": tar(("5.dat", {"size": 1 << 60}, b""), TOC, total=5),
    "no contents": tar(("5.dat", {}, b"x")),
    "something behind": tar(TOC) + b"x",
    "something between": tar(TOC).replace(b"PGDMP\0", b"PGDMPx"),
    "no size": tar(TOC)[1024:],
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_dump_is_refused_and_nothing_is_written_elsewhere(tmp_path: pathlib.Path, what: str) -> None:
    said = "is not what a dump in directory format is stored as"
    with (
        pytest.raises(SlipwayError, match=said) as caught,
        directory.unpacked([REFUSED[what]], str(tmp_path)),
    ):
        pass
    assert caught.value.cause == "damaged"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [-8, 11, 1 << 60])
def test_no_byte_is_written_beyond_what_room_was_asked_for(tmp_path: pathlib.Path, size: int) -> None:
    def stored() -> t.Iterator[bytes]:
        yield tar(("5.dat", {"size": size}, b""), total=10)[:1536]
        pytest.fail("its content is asked for")

    with (
        pytest.raises(SlipwayError, match="has more of 5"),
        directory.unpacked(stored(), str(tmp_path)),
    ):
        pass


GOOD = tar(
    ("3456.dat", {}, b"1\tx\n" * 300), ("blob_16400.dat", {}, b""), ("blobs.toc", {}, b"16400 blob_16400.dat\n"), TOC
)


@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, len(GOOD)) | st.just(len(GOOD)),
    step=st.integers(1, 2000),
)
def test_whatever_the_bytes_are_only_files_of_a_dump_are_written(
    changes: list[tuple[int, int]], cut: int, step: int
) -> None:
    changed = bytearray(GOOD)
    for place, value in changes:
        changed[place] = value
    data = bytes(changed[:cut])
    with tempfile.TemporaryDirectory() as parent:
        try:
            with directory.unpacked([data[at : at + step] for at in range(0, len(data), step)], parent) as where:
                assert set(os.listdir(parent)) == {os.path.basename(where)}
                assert all(directory._NAME.fullmatch(name) for name in os.listdir(where))
                assert all(stat.is_file(follow_symlinks=False) for stat in os.scandir(where))
                assert len(data) == len(GOOD)
        except SlipwayError as error:
            assert data != GOOD
            assert error.cause in ("damaged", "no_space")  # the size may be changed to any other
        assert os.listdir(parent) == []


# --- as a tar


def test_files_are_alike_and_in_order_and_gone_once_they_are_read(tmp_path: pathlib.Path) -> None:
    contents = {"toc.dat": b"PGDMP", "20.dat": b"a" * 513, "3.dat": b"", "blobs.toc": b"b" * 512}
    made = []
    for number, names in enumerate((list(contents), list(reversed(contents)))):
        where = tmp_path / str(number)
        where.mkdir()
        for name in names:
            (where / name).write_bytes(contents[name])
        chunks = []
        for chunk in directory.packed(str(where)):
            chunks.append(chunk)
            if chunk.startswith(b"toc.dat"):  # the last one
                assert os.listdir(where) == ["toc.dat"]
        made.append(b"".join(chunks))
        assert os.listdir(where) == []
    assert made[0] == made[1]
    with tarfile.open(fileobj=io.BytesIO(made[0])) as read:
        assert read.getnames() == ["20.dat", "3.dat", "blobs.toc", "toc.dat"]
    with directory.unpacked([made[0]], str(tmp_path)) as unpacked:
        assert {path.name: path.read_bytes() for path in pathlib.Path(unpacked).iterdir()} == contents
        assert {path.stat().st_mode & 0o777 for path in pathlib.Path(unpacked).iterdir()} == {0o600}


def test_a_size_beyond_8_gib_stands_in_the_one_header() -> None:
    header = directory.header("1.dat", 9 << 30)
    assert len(header) == 512
    assert directory._parsed(header).size == 9 << 30
    with tarfile.open(fileobj=io.BytesIO(header + bytes(1024)), mode="r|") as read:
        member = read.next()
        assert member is not None and (member.name, member.size) == ("1.dat", 9 << 30)


def test_a_large_file_never_stands_in_memory(tmp_path: pathlib.Path) -> None:
    where = tmp_path / "dump"
    where.mkdir()
    (where / "toc.dat").write_bytes(b"PGDMP")
    with (where / "1.dat").open("wb") as stream:
        stream.truncate(64 * CHUNK)
    tracemalloc.start()
    try:
        with directory.unpacked(directory.packed(str(where)), str(tmp_path)) as unpacked:
            assert (pathlib.Path(unpacked) / "1.dat").stat().st_size == 64 * CHUNK
        assert tracemalloc.get_traced_memory()[1] < 8 * CHUNK
    finally:
        tracemalloc.stop()


# --- options


def options(**given: t.Any) -> dict[str, t.Any]:
    defaults = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
    return {**defaults, "name": "shop", "root": "/nowhere", **given}


@pytest.mark.parametrize(
    "given, said",
    [
        ({"format": "directory", "engine": "sqlite"}, "format: directory is for PostgreSQL only; found 'sqlite'"),
        ({"format": "directory", "jobs": 0}, "jobs: too few; found 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(SlipwayError, match=said):
        factory.engine(options(**given), "/x.db", System())
