# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of a backup, and what must hold after it.

A fault is a generator: what it does before its ``yield`` brings it about, what it does after puts things back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import pathlib
import re
import shutil
import threading
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.backup import catalog, model, retention
from ansible_collections.slipway.deploy.plugins.module_utils.backup.codec import Codec
from ansible_collections.slipway.deploy.plugins.module_utils.backup.engine import Engine
from ansible_collections.slipway.deploy.plugins.module_utils.backup.keeper import Keeper, Order, Outcome
from ansible_collections.slipway.deploy.plugins.module_utils.backup.local import LocalStore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.store import Store
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

PLAIN = Codec(method="none")
# What a run that failed may leave in the listing.
NOTHING, UNPROVEN, BAD = "nothing", "a whole one that nobody has looked at", "one that is marked bad"


@dataclasses.dataclass
class Site:
    """A database with one good backup, and all that a fault may change of how the next one is taken."""

    directory: pathlib.Path
    make: t.Callable[[Site], Engine]
    url: str
    scratch: pathlib.Path
    bin_dir: str = ""
    codec: Codec = PLAIN
    verify: str = "restore"
    policy: retention.Policy = dataclasses.field(default_factory=retention.Policy)
    system: System = dataclasses.field(default_factory=System)
    stored: Store | None = None
    act: t.Callable[[], object] | None = None
    secrets: tuple[str, ...] = ()
    good: str = ""

    @property
    def path(self) -> pathlib.Path:
        return self.directory / "store"

    @property
    def store(self) -> Store:
        return self.stored or LocalStore(str(self.path), self.system)

    def keeper(self) -> Keeper:
        notes = str(self.directory / "notes")
        return Keeper(self.make(self), self.store, self.codec, self.system, notes=notes)

    def back_up(self, verify: str = "", max_age: float = 0) -> Outcome:
        return self.keeper().present(Order(verify or self.verify, max_age, self.policy))

    def verified(self, wanted: str, by: str) -> Outcome:
        return self.keeper().verified(wanted, by, 0)

    def another(self, verify: str = "none") -> model.Backup:
        """One more backup, for a fault to damage."""
        made = self.back_up(verify).backup
        assert made is not None
        return made

    def file(self, backup: model.Backup, what: str = "dump") -> pathlib.Path:
        return self.path / f"{backup.manifest.id}.{what}"

    def listed(self) -> dict[str, model.Backup]:
        return {one.manifest.id: one for one in catalog.read(self.store).backups}


Fault = t.Callable[[t.Any], t.Iterator[None]]


class Row(t.NamedTuple):
    """One fault, and what must come of it.

    :param cause: of the error, an expression; empty where the run must go well in spite of it.
    :param words: expression that the message must match, or one of what was done.
    :param leaves: in the listing.
    :param proof: by which the last good backup is proven afterwards.
    """

    fault: Fault
    cause: str
    words: str
    leaves: str = NOTHING
    proof: str = "read"


class Table(dict[str, Row]):
    """Faults by name."""

    def row(
        self, name: str, cause: str, words: str, leaves: str = NOTHING, proof: str = "read"
    ) -> t.Callable[[Fault], Fault]:
        def add(fault: Fault) -> Fault:
            assert name not in self
            self[name] = Row(fault, cause, words, leaves, proof)
            return fault

        return add


def prove(site: Site, row: Row) -> None:
    """Run into a fault; then everything must be as good as before it."""
    outside, threads = children(), set(threading.enumerate())
    usual = dict(vars(site))
    with contextlib.contextmanager(row.fault)(site):
        before = set(site.listed())
        error, actions = _run(site)
        secrets = site.secrets
    vars(site).update(usual)
    settle(threads)
    if not row.cause:
        assert error is None, error
        assert re.search(row.words, "\n".join(actions)), actions
    else:
        assert error is not None, actions
        found = f"{error.cause}: {error.message}"
        assert re.fullmatch(row.cause, error.cause) and re.search(row.words, error.message), found
        assert not [word for word in secrets if word in str(error.result())]
        expect_listing(site, before, row.leaves)
    assert children() == outside
    expect_good(site, row.proof)
    assert children() == outside


def expect_listing(site: Site, before: set[str], leaves: str) -> None:
    """Nothing partial is there, and of new backups only what may be."""
    known = catalog.read(site.store)
    new = [one for one in known.backups if one.manifest.id not in before]
    state = NOTHING if not new else BAD if new[0].failed else UNPROVEN if new[0].verified_by == "none" else "good"
    if leaves == BAD and not new:  # the fault was in one that was there
        new = [one for one in known.backups if one.failed]
        state = BAD if new else NOTHING
    assert (state, len(new)) == (leaves, 0 if leaves == NOTHING else 1)
    assert known.cut_off == []
    if site.stored is None:  # a store in a network cannot always be told to let go of half an object; the next run does
        assert site.store.leftovers(remove=False) == []
    assert left_behind(site) == []


def expect_good(site: Site, proof: str) -> None:
    """The last good backup is there and good, and the next run goes well and leaves nothing."""
    last = site.listed()[site.good]
    assert not last.failed and last.verified_by == "restore"
    assert site.verified(site.good, proof).changed
    made = site.back_up("read").backup
    assert made is not None and list(site.listed())[-1] == made.manifest.id
    known = catalog.read(site.store)
    assert known.cut_off == []
    left = site.store.leftovers(remove=False)
    assert left == [], left
    assert left_behind(site) == []


def _run(site: Site) -> tuple[SlipwayError | None, list[str]]:
    try:
        outcome = (site.act or site.back_up)()
    except SlipwayError as error:
        error.__traceback__ = error.__context__ = None  # it holds what still waits for a reader
        return error, []
    return None, outcome.actions if isinstance(outcome, Outcome) else [str(outcome)]


def left_behind(site: Site) -> list[str]:
    """Scratch directories, sockets, and files of passwords."""
    return [str(path) for place in (site.scratch, site.directory / "tmp") for path in place.iterdir()]


def settle(threads: set[threading.Thread]) -> None:
    """Let everything end that a failed run has let go of."""
    gc.collect()
    for thread in set(threading.enumerate()) - threads:
        if "(_run)" in thread.name:  # who writes to a program; others belong to servers of the tests
            thread.join()
    gc.collect()


def children() -> set[int]:
    """Processes that this one has started and that are there still (proc(5), /proc/PID/stat)."""
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{name}/stat").read_text(errors="replace").rpartition(")")[2].split()
                if int(fields[1]) == os.getpid():
                    found.add(int(name))
    return found


def programs(directory: pathlib.Path, originals: pathlib.Path, **scripts: str) -> str:
    """A directory with the programs of another one, some of them replaced by scripts."""
    directory.mkdir()
    for program in originals.iterdir():
        (directory / program.name).symlink_to(program)
    for name, script in scripts.items():
        replace_program(directory, name, script)
    return str(directory)


def replace_program(directory: pathlib.Path, name: str, script: str) -> None:
    path = directory / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


def flipped(path: pathlib.Path, place: int, bit: int = 3) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def as_nobody(act: t.Callable[[], object]) -> t.Callable[[], object]:
    """The same, by a user who owns nothing; what it raises is raised here."""

    def run() -> object:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            said = "\0"
            try:
                act()
            except SlipwayError as error:
                said = f"{error.cause}\0{error.message}"
            except BaseException as error:  # whatever it is, the parent must not wait for it
                said = f"{type(error).__name__}\0{error}"
            os.write(writer, said.encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as stream:
            cause, _zero, message = stream.read().partition("\0")
        os.waitpid(child, 0)
        if cause:
            raise SlipwayError(message, cause=cause)
        return "done"

    return run


def copied(directory: pathlib.Path, template: pathlib.Path) -> pathlib.Path:
    """A store of its own for one row, with what another one has."""
    shutil.copytree(template, directory / "store")
    return directory
