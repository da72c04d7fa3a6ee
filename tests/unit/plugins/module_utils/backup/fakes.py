# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database out of bytes, and the keeper of its backups."""

from __future__ import annotations

import contextlib

from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.engine import Engine, Scratch, Snapshot, Source
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.retention import Policy
from ansible_collections.slipway.deploy.plugins.module_utils.database.copied import Copy
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


class Clock(System):
    """A wall clock that stands where it is put."""

    now = 1_700_000_000.0

    def wall(self):
        return self.now


class FakeEngine(Engine):
    """Its dump is its content; restoring is remembering it."""

    name = "fake"
    format = "bytes"
    floor = 3

    def __init__(self, content=b"all the rows"):
        self.content = content
        self.restores_to = None  # something else than what was dumped
        self.dump_fails_after = None  # bytes
        self.restores = self.compared = 0
        self.open = 0  # copies that are there
        self.databases = {}  # those restored beside
        self.differs = []  # in what they are something else

    database = "fake"
    server = "1.0"

    def inspect(self, *, readable=False):
        return Source(self.server, "1.0", len(self.content), {"host": "here", "database": "fake"})

    @contextlib.contextmanager
    def snapshot(self):
        yield FakeSnapshot(self)

    def restore_beside(self, dump, facts, name):
        self.databases[name] = b""
        self.databases[name] = b"".join(dump)
        return self.differs

    def exists(self, name):
        return name in self.databases

    def give_name(self, new, name):
        self.databases[name] = self.databases.pop(new)

    def named(self, ending, of=""):
        return (of or self.database) + ending

    def discard(self, name):
        self.databases.pop(name, None)

    def take_the_place(self, new, kept):
        self.databases[kept] = self.content
        self.content = self.databases.pop(new)
        return ["advanced a sequence"]

    def check(self, dump):
        for _chunk in dump:
            pass

    @contextlib.contextmanager
    def scratch(self, server, facts, size):
        self.open += 1
        try:
            yield FakeScratch(self)
        finally:
            self.open -= 1


class FakeSnapshot(Snapshot):
    position = "7"

    def __init__(self, engine):
        self.engine = engine

    def dump(self):
        content, after = self.engine.content, self.engine.dump_fails_after
        if after is not None:
            yield content[:after]
            raise SlipwayError("the dump failed", cause="command_failed")
        yield content

    def beside(self):
        return {"roles": iter([b"a role"])}

    def facts(self):
        return {"content": self.engine.content.decode("latin-1")}

    def cancel(self):
        pass


class FakeScratch(Scratch):
    def __init__(self, engine):
        self.engine = engine
        self.restored = b""

    def restore(self, dump):
        self.restored = self.engine.restores_to or b"".join(dump)
        self.engine.restores += 1

    def differences(self, facts):
        self.engine.compared += 1
        return [] if facts["content"].encode("latin-1") == self.restored else ["content: is not the same"]

    def where(self, role=""):
        return Copy("postgresql", "copy", role or "admin", "admin", "/nowhere")


PLAIN = Codec(method="none")


def keeper(tmp_path, engine=None, clock=None, codec=PLAIN):
    clock = clock or Clock()
    store = LocalStore(str(tmp_path / "store"), clock)
    return Keeper(engine or FakeEngine(), store, codec, clock, notes=str(tmp_path / "state" / "shop"))


def order(verify="restore", max_age=0.0, pinned=(), **policy):
    return Order(verify, max_age, Policy(**policy), pinned)


def ids(outcome):
    return [backup.manifest.id for backup in outcome.backups]
