# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of migration files, and the versions in them (private to the collection).

Source of the rules: Flyway 10 (documentation, "Migrations" and "Callbacks"; C(ResourceNameParser), C(MigrationVersion),
C(FileSystemScanner)). What it silently skips unless told to validate names is an error here; a test compares the rest.
"""

from __future__ import annotations

import functools
import os
import re
import typing as t

from ..errors import SlipwayError
from .model import BASELINE, REPEATABLE, UNDO, VERSIONED

SUFFIX = ".sql"
CONF = ".conf"
SEPARATOR = "__"
KINDS = {"V": VERSIONED, "U": UNDO, "R": REPEATABLE, "B": BASELINE}
LONGEST = {"version": 50, "description": 200, "script": 1000}  # columns of the history's table

# Flyway runs these too, and they are no SQL.
_PROGRAMS = (".cmd", ".bat", ".ps1", ".py", ".sh", ".bash")
_EVENTS = "Clean|Migrate|EachMigrate|EachMigrateStatement|Undo|EachUndo|EachUndoStatement|Validate|Baseline|Repair|Info"
_CALLBACK = (
    f"(?:before|after)(?:{_EVENTS}|Repeatables|Versioned|MigrateApplied|(?:Migrate|Info)OperationFinish|Connect|CreateSchema)"
    f"|after(?:{_EVENTS})Error|createSchema"
)
_MEANT = re.compile(r"([VURBvurb]?)([0-9][0-9._]*)?(.*)", re.DOTALL)
_PARTS = re.compile(r"[0-9]+(?:[._][0-9]+)*", re.ASCII)


@functools.total_ordering
class Version:
    """Compared by its numbers: 1.10 is after 1.9, and 1.0, 01 and 1 are one version.

    :param text: C(1.2), or C(1_2) as in a file's name.
    :raises SlipwayError: C(bad_input).
    """

    __slots__ = ("parts", "text")

    def __init__(self, text: str) -> None:
        if not _PARTS.fullmatch(text):
            raise SlipwayError(
                "is not a version",
                obj=text,
                wanted="numbers with dots between them, such as 1.2",
                remedy="Write the version that is in the file's name.",
                cause="bad_input",
            )
        self.text = text.replace("_", ".")
        parts = [int(part) for part in self.text.split(".")]
        while len(parts) > 1 and parts[-1] == 0:
            parts.pop()
        self.parts = tuple(parts)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Version({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.parts == other.parts

    def __lt__(self, other: Version) -> bool:
        return self.parts < other.parts

    def __gt__(self, other: Version) -> bool:
        return self.parts > other.parts

    def __hash__(self) -> int:
        return hash(self.parts)


class FileName(t.NamedTuple):
    """What a file's name says.

    :param kind: one of RV(KINDS).
    :param version: None for a repeatable one.
    :param description: as the history has it: with spaces, and no longer than its column.
    :param script: the file, relative to its location, with slashes.
    :param conf: whether a C(.conf) stands beside it.
    """

    kind: str
    version: t.Optional[Version]
    description: str
    script: str
    conf: bool = False

    @property
    def base(self) -> str:
        """Without its folder."""
        return self.script.rpartition("/")[2]


def parse(script: str) -> FileName | None:
    """Read a name; None for a file that is no migration and does not look like one.

    :param script: relative to its location, with slashes.
    :raises SlipwayError: C(bad_input) with what is wrong and how the name should look; also for what Flyway would run and this
        collection does not.
    """
    base = script.rpartition("/")[2]
    stem, _dot, ending = base.rpartition(".")
    suffix = f".{ending.lower()}"
    if suffix in _PROGRAMS:
        _refuse_program(script, stem)
    if suffix != SUFFIX:
        return None
    head, _separator, description = stem.partition(SEPARATOR)
    kind = KINDS.get(head[:1])
    if kind is None and _is_callback(head):
        raise _wrong(
            script, "is a callback of Flyway, and callbacks are not run", "Make it a migration, or take it away."
        )
    if kind is None:
        raise _wrong(script, f"begins with none of {', '.join(KINDS)}", _should(head, description))
    number = head[1:]
    if kind == REPEATABLE and number:
        raise _wrong(script, "has a version, and a repeatable migration has none", _should(head, description))
    if kind != REPEATABLE and not number:
        raise _wrong(script, "has no version", _should(head, description))
    if kind != REPEATABLE and not _PARTS.fullmatch(number):
        raise _wrong(script, f"has {number!r} where a version should be", _should(head, description))
    _fits(script, "version", number)
    _fits(script, "script", script)
    version = Version(number) if number else None
    return FileName(kind, version, recorded(description.replace("_", " ")), script)


def recorded(description: str) -> str:
    """As the history has it: its column is 200 characters wide."""
    longest = LONGEST["description"]
    return description if len(description) <= longest else description[: longest - 3] + "..."


def scan(location: str) -> list[FileName]:
    """All migrations below a directory, in the order in which Flyway applies them.

    Directories whose names begin with a dot are left out (such as those that Kubernetes makes for a ConfigMap).

    :raises SlipwayError: C(bad_input) as RV(parse), or for two files that are the same migration; C(missing), C(denied).
    """
    scripts = sorted(_files(location))
    there = {script[: -len(CONF)] for script in scripts if script.endswith(CONF)}
    found = [name for name in map(parse, scripts) if name is not None]
    names = [name._replace(conf=True) if name.script in there else name for name in found]
    expect_partners(location, scripts)
    names.sort(key=order)
    expect_distinct(location, names)
    return names


def order(name: FileName) -> tuple[t.Any, ...]:
    """Sorts as Flyway does: by version, an undo after what it undoes, the repeatable ones last and by description."""
    if name.version is None:
        return (1, (), "", name.description)
    return (0, name.version.parts, name.kind == UNDO, name.kind)


def expect_distinct(location: str, names: t.Iterable[FileName]) -> None:
    """:raises SlipwayError: C(bad_input) for two files of one kind with one version, or one description where there is none."""
    seen: dict[tuple[str, object], FileName] = {}
    for name in names:
        key = (name.kind, name.description if name.version is None else name.version)
        other = seen.setdefault(key, name)
        if other is not name:
            what = f"description {name.description!r}" if name.version is None else f"version {name.version}"
            raise SlipwayError(
                f"two {name.kind} migrations have the {what}",
                obj=location,
                actual=[other.script, name.script],
                remedy="Give one of them another one; the one that is applied nowhere yet.",
                cause="bad_input",
            )


def expect_partners(location: str, scripts: t.Sequence[str]) -> None:
    """:raises SlipwayError: C(bad_input) for a C(.sql.conf) without its C(.sql), which would have no effect."""
    there = set(scripts)
    for script in scripts:
        if script.lower().endswith(SUFFIX + CONF) and script[: -len(CONF)] not in there:
            raise SlipwayError(
                "configures a migration that is not there",
                obj=os.path.join(location, script),
                wanted=script[: -len(CONF)],
                remedy="Give it the name of its migration with .conf after it, or take it away.",
                cause="bad_input",
            )


def _files(location: str) -> t.Iterator[str]:
    def failed(error: OSError) -> None:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        raise SlipwayError(
            f"cannot read the migrations: {error.strerror}",
            obj=str(error.filename),
            remedy="Name the directory of the migrations, and let this user read it.",
            cause="missing" if missing else "denied",
        ) from None

    seen: set[str] = set()
    for folder, inner, files in os.walk(location, onerror=failed, followlinks=True):
        seen.add(os.path.realpath(folder))
        paths = [os.path.join(folder, name) for name in inner if not name.startswith(".")]
        inner[:] = [os.path.basename(path) for path in paths if os.path.realpath(path) not in seen]  # no circles
        place = os.path.relpath(folder, location).replace(os.sep, "/")
        for name in files:
            yield name if place == "." else f"{place}/{name}"


def _refuse_program(script: str, stem: str) -> None:
    head = stem.partition(SEPARATOR)[0]
    versioned = head[:1] in KINDS and _PARTS.fullmatch(head[1:]) is not None
    if versioned or (head == "R" and SEPARATOR in stem) or _is_callback(head):
        raise _wrong(script, "is a program that Flyway would run, and only SQL is run here", "Write it as SQL.")


def _is_callback(head: str) -> bool:
    return re.fullmatch(_CALLBACK, head) is not None  # few have one, so few compile it


def _should(head: str, description: str) -> str:
    """A name that the author may have meant."""
    match = _MEANT.match(head)
    letter, number, rest = match.groups("") if match else ("", "", "")
    if rest and not number:
        letter, rest = "", head  # a word, whatever its first letter
    kind = letter.upper() or "V"
    number = re.sub(r"[._]+", ".", number).strip(".") or "1.2"
    words = "_".join(part for part in (rest.strip("_-."), description.strip("_")) if part) or "description"
    return f"Name it in this way: {kind}{'' if kind == 'R' else number}{SEPARATOR}{words}{SUFFIX}"


def _fits(script: str, column: str, text: str) -> None:
    if len(text) > LONGEST[column]:
        raise _wrong(
            script,
            f"has a {column} of {len(text)} characters",
            f"The history has room for {LONGEST[column]}: shorten it.",
        )


def _wrong(script: str, what: str, remedy: str) -> SlipwayError:
    return SlipwayError(what, obj=script, remedy=remedy, cause="bad_input")
