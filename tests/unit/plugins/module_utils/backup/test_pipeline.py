# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs joined by pipes: whatever fails, it is said, and nothing is taken for whole."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.pipeline import CHUNK, Program, chained, flow
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

F_GETPIPE_SZ = 1032  # fcntl has its name since Python 3.10
CAT = Program(("cat",))
BIG = [bytes([number]) * 100_000 for number in range(50)]


def shell(script):
    return Program(("sh", "-c", script))


def test_bytes_pass_through_a_chain():
    assert b"".join(flow([CAT, CAT, CAT], BIG)) == b"".join(BIG)


def test_without_programs_bytes_pass_as_they_are():
    assert b"".join(flow([], BIG)) == b"".join(BIG)


def test_the_first_program_may_be_the_source():
    assert b"".join(flow([shell("printf abc"), Program(("tr", "a", "x"))])) == b"xbc"


@pytest.mark.parametrize(
    "programs",
    [
        [shell("cat; echo reason >&2; exit 3")],
        [shell("cat; echo reason >&2; exit 3"), CAT],
        [CAT, shell("cat; echo reason >&2; exit 3"), CAT],
        [CAT, shell("echo reason >&2; exit 3")],
        [shell("echo reason >&2; exit 3"), CAT],
    ],
    ids=["alone", "first", "middle", "last and stops reading", "first and stops reading"],
)
def test_one_program_that_fails_fails_the_chain(programs):
    with pytest.raises(SlipwayError, match="sh ended with exit status 3: reason") as caught:
        list(flow(programs, BIG))
    assert caught.value.cause == "command_failed"
    assert "cat" not in caught.value.message


def test_a_program_that_is_killed_fails_the_chain():
    with pytest.raises(SlipwayError, match="sh was ended by signal 9"):
        list(flow([shell("kill -9 $$")], []))


def test_a_program_that_is_missing_is_named():
    with pytest.raises(SlipwayError, match="no-such-program") as caught:
        list(flow([CAT, Program(("no-such-program",))], BIG))
    assert caught.value.cause == "command_missing"


def test_what_the_source_raises_is_raised_and_its_end_is_not_taken_for_the_whole():
    def source():
        yield from BIG
        raise SlipwayError("the source failed", cause="source")

    with pytest.raises(SlipwayError) as caught:
        list(flow([CAT, CAT], source()))
    assert caught.value.cause == "source"


def test_who_stops_reading_leaves_no_process_behind():
    chunks = flow([shell("echo $$; exec sleep 1000")])
    process = int(next(chunks))
    chunks.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_program_of_its_own_environment():
    assert b"".join(flow([Program(("sh", "-c", "printf %s $WORD"), {"WORD": "here"})])) == b"here"


def test_much_is_never_held_in_memory_at_once():
    """More than pipes hold, read while it is written."""
    many = (bytes(1 << 20) for _number in range(64))
    digest = hashlib.sha256()
    for chunk in flow([CAT], many):
        assert len(chunk) <= 1 << 20
        digest.update(chunk)
    assert digest.hexdigest() == hashlib.sha256(bytes(64 << 20)).hexdigest()


def test_a_pipe_holds_a_chunk_else_the_programs_mostly_wait_for_each_other():
    with open("/proc/sys/fs/pipe-max-size") as stream:
        most = int(stream.read())
    with chained([shell("cat")], subprocess.PIPE) as chain:
        sizes = [
            fcntl.fcntl(pipe.fileno(), F_GETPIPE_SZ) for pipe in (chain.processes[0].stdin, chain.processes[0].stdout)
        ]
    assert sizes == [min(CHUNK, most)] * 2
