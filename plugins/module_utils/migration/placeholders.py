# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders of migration files, replaced as Flyway replaces them (private to the collection).

Source: Flyway 10 (C(PlaceholderReplacingReader), C(ParsingContext)): everywhere in the text, in strings, comments and the data of
COPY as well; the name in any case; a value is not looked through again. C($${name}) stays as it is: after a beginning that
turns out to be none, Flyway reads on behind the character that did not fit.
"""

from __future__ import annotations

import re
import typing as t

from ..errors import SlipwayError

PREFIX, SUFFIX = "${", "}"
SHOWN = 60  # characters of what stands where a name should


class Own(t.NamedTuple):
    """What Flyway itself gives names of the form C(flyway:user)."""

    defaultSchema: str  # noqa: N815
    user: str
    database: str
    table: str
    timestamp: str  # 2026-01-31 23:59:59
    workingDirectory: str  # noqa: N815
    environment: str = "default"


class Placeholders:
    """The values, and what a placeholder looks like.

    :param values: by name.
    :param own: goes before RV(values).
    """

    def __init__(
        self, values: t.Mapping[str, str], own: Own | None = None, prefix: str = PREFIX, suffix: str = SUFFIX
    ) -> None:
        if not prefix or not suffix:
            raise SlipwayError(
                "a placeholder needs something before and after its name",
                obj="placeholders",
                actual=[prefix, suffix],
                remedy=f"Leave both out for {PREFIX} and {SUFFIX}.",
                cause="bad_input",
            )
        named = {f"flyway:{name}": value for name, value in own._asdict().items()} if own else {}
        self._values = {name.lower(): value for name, value in {**values, **named}.items()}
        self._prefix, self._suffix = prefix, suffix
        self._pattern = _pattern(prefix, suffix)

    def may_be_in(self, text: str) -> bool:
        """False only where there is certainly none."""
        return self._prefix[0] in text

    def replace(self, pieces: t.Iterable[str], script: str, more: t.Mapping[str, str] | None = None) -> t.Iterator[str]:
        """The text in pieces, with values in the place of placeholders.

        :param script: the file; its name without the folder is C(flyway:filename).
        :param more: values of this file alone, by names in lower case.
        :raises SlipwayError: C(bad_input) for a placeholder that has no value or no end, with its line.
        """
        values = {**self._values, "flyway:filename": script.rpartition("/")[2], **(more or {})}
        longest = max(map(len, values)) + len(self._prefix) + len(self._suffix)
        rest, line = "", 1
        for piece, last in _and_last(pieces):
            rest, done = rest + piece, 0
            held = len(rest)
            for match in self._pattern.finditer(rest):
                name = match["name"]
                if name is None and not last and self._may_go_on(match, len(rest), longest):
                    held = match.start()
                    break
                if name is None and match["open"] is None:
                    continue
                line += rest.count("\n", done, match.start())
                if name is None or name.lower() not in values:
                    raise self._unknown(rest[match.start() :], name, last, f"{script}:{line}")
                yield rest[done : match.start()]
                yield values[name.lower()]
                line += name.count("\n")
                done = match.end()
            yield rest[done:held]
            line += rest.count("\n", done, held)
            rest = rest[held:]

    @staticmethod
    def _may_go_on(match: t.Match[str], end: int, longest: int) -> bool:
        """Whether more text may make a placeholder of it; one that is longer than all names has no value anyway."""
        return match.end() == end or (match["open"] is not None and end - match.start() <= longest)

    def _unknown(self, text: str, name: str | None, last: bool, where: str) -> SlipwayError:
        ends = name is not None or not last
        shown = text if name is None else self._prefix + name + self._suffix
        instead = "where the text means itself, write placeholderReplacement=false into a file of the same name with .conf after it"
        return SlipwayError(
            "a placeholder has no value" if ends else "a placeholder begins and does not end",
            obj=where,
            actual=shown.partition("\n")[0][:SHOWN],
            remedy=f"{'Give it a value' if ends else f'End it with {self._suffix}'}; or, {instead}.",
            cause="bad_input",
        )


def _pattern(prefix: str, suffix: str) -> t.Pattern[str]:
    """Finds placeholders (C(name)), those without an end so far (C(open)), and beginnings that turn out to be none."""
    found = f"(?:(?P<name>.*?){re.escape(suffix)}|(?P<open>))"
    for character in reversed(prefix[1:]):
        found = f"(?:{re.escape(character)}{found}|(?!{re.escape(character)}).|\\Z)"
    return re.compile(re.escape(prefix[0]) + found, re.DOTALL)


def _and_last(pieces: t.Iterable[str]) -> t.Iterator[tuple[str, bool]]:
    """Each piece, and whether it is the last; an empty one at the end is."""
    for piece in pieces:
        yield piece, False
    yield "", True
