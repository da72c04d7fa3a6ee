# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored file of which one bit is another one, or of which the end is gone, is never taken for what was written.

In CI some blocks of each file drawn by SEED; in a soak every block.
"""

from __future__ import annotations

import os
import random

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog, model
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from tests import sampling

from .faults import Site, flipped
from .faults_postgresql import PostgreSQLSite
from .faults_programs import identity

BLOCK = 4096
WAYS = ["none", "gzip", "zstd", "zstd and age"]


@pytest.fixture(params=WAYS)
def stored(request: pytest.FixtureRequest, postgresql: PostgreSQLSite) -> PostgreSQLSite:
    """A database whose backups are stored in one of all ways."""
    method, _and, age = request.param.partition(" and ")
    file, recipient = identity(postgresql) if age else ("", "")
    postgresql.codec = Codec(method=method, recipients=(recipient,) if age else (), identity=file)
    return postgresql


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> random.Random:
    return sampling.drawn(request.node.name)


def some(many: range, count: int, draw: random.Random) -> list[int]:
    return list(many) if sampling.SOAK else sorted(draw.sample(many, min(sampling.few(count), len(many))))


def expect_found(site: Site, made: model.Backup, by: str, what: object) -> None:
    try:
        site.verified(made.manifest.id, by)
    except SlipwayError as error:
        assert error.cause == "damaged", (what, error.message)
    else:
        raise AssertionError(f"{what} was not noticed")
    for proof in site.path.glob(f"{made.manifest.id}.proof-*"):
        proof.unlink()


@pytest.mark.parametrize("what", ["dump", "globals.sql"])
def test_a_bit_in_every_block_is_found_by_read(stored: PostgreSQLSite, what: str, draw: random.Random) -> None:
    made = stored.another()
    path = stored.file(made, what)
    whole = path.read_bytes()
    blocks = range(-(-len(whole) // BLOCK))
    assert len(blocks) >= (25 if what == "dump" else 1)
    for block in some(blocks, 8, draw):
        place, bit = draw.randrange(block * BLOCK, min(len(whole), (block + 1) * BLOCK)), draw.randrange(8)
        flipped(path, place, bit)
        expect_found(stored, made, "read", f"bit {bit} of byte {place}")
        path.write_bytes(whole)
    assert stored.verified(made.manifest.id, "read").changed


def test_a_bit_is_found_by_restore(stored: PostgreSQLSite, draw: random.Random) -> None:
    made = stored.another()
    path = stored.file(made)
    whole = path.read_bytes()
    for block in some(range(-(-len(whole) // BLOCK)), 1, draw):
        flipped(path, draw.randrange(block * BLOCK, min(len(whole), (block + 1) * BLOCK)))
        expect_found(stored, made, "restore", f"block {block}")
        path.write_bytes(whole)


def test_an_end_that_is_gone_is_found(stored: PostgreSQLSite, draw: random.Random) -> None:
    made = stored.another()
    path = stored.file(made)
    whole = path.read_bytes()
    sizes = range(0, len(whole), 1013)
    for size in [*some(sizes, 4, draw), len(whole) - 1]:
        os.truncate(path, size)
        expect_found(stored, made, "read", f"{size} of {len(whole)} bytes")
        path.write_bytes(whole)


@pytest.mark.parametrize("what", ["manifest.json", "proof-1.json"])
def test_no_bit_of_a_manifest_or_a_proof_can_change_what_is_read(
    postgresql: PostgreSQLSite, what: str, draw: random.Random
) -> None:
    """Either it is told, or, as in the case of a digit of an escape, it means the same."""
    made = postgresql.another("read")
    key = catalog.key_of(made.manifest.id, what)
    whole = b"".join(postgresql.store.get(key))
    read = model.manifest_of if what == "manifest.json" else model.proof_of
    meaning, same = read(whole, key), 0
    for place in range(len(whole)):
        for bit in range(8) if sampling.SOAK or what != "manifest.json" else [draw.randrange(8)]:
            content = bytearray(whole)
            content[place] ^= 1 << bit
            try:
                found = read(bytes(content), key)
            except SlipwayError as error:
                assert error.cause in ("manifest_damaged", "manifest_newer"), (place, bit)
            else:
                assert found == meaning, (place, bit)
                same += 1
    assert same < len(whole) // 20
