# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a configuration, all of it at once (private to the collection)."""

from __future__ import annotations

import datetime
import json
import typing as t

from ..errors import SlipwayError
from ..masking import mask

_LONGEST = 80


class Problem(t.NamedTuple):
    """One thing to put right.

    :param path: what the user would search for, such as C(slipway_services.backend.replicas).
    :param what: what is wrong, a clause.
    :param found: the value as written, with its kind; empty when there is none to show.
    :param wanted: what would be right.
    :param remedy: what to do, a sentence.
    """

    path: str
    what: str
    found: str = ""
    wanted: str = ""
    remedy: str = ""

    @property
    def text(self) -> str:
        """One or two sentences for a person."""
        details = [f"found {self.found}" if self.found else "", f"wanted {self.wanted}" if self.wanted else ""]
        said = ", ".join(detail for detail in details if detail)
        clause = f"{self.path}: {self.what}" + (f"; {said}" if said else "")
        clause += "" if clause.endswith("?") else "."
        return f"{clause} {self.remedy}" if self.remedy else clause


class ConfigError(SlipwayError):
    """The configuration cannot be used.

    :param problems: everything that is wrong with it; no text in there holds a secret.
    """

    def __init__(self, problems: t.Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(
            "the configuration cannot be used",
            cause="invalid",
            evidence={"problems": [p._asdict() for p in self.problems]},
        )

    @property
    def message(self) -> str:
        """A numbered list of all problems."""
        count = len(self.problems)
        title = f"The configuration has {count} {'problem' if count == 1 else 'problems'}; nothing was done:"
        return "\n".join([title, *(f"{number:3}. {problem.text}" for number, problem in enumerate(self.problems, 1))])


class Findings:
    """Collects problems, warnings and notes while a configuration is read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def problem(self, path: str, what: str, *, found: str = "", wanted: str = "", remedy: str = "") -> None:
        """Something that must be put right."""
        self.problems.append(Problem(path, what, found, wanted, remedy))

    def about(self, path: str) -> bool:
        """Whether something is wrong with exactly this."""
        return any(problem.path == path for problem in self.problems)

    def check(self, secrets: t.Iterable[str]) -> None:
        """End with all problems, if there is any.

        :param secrets: values that must not be shown, wherever a user put them by mistake.
        :raises ConfigError: there are problems.
        """
        if self.problems:
            raise ConfigError([_masked(problem, list(secrets)) for problem in self.problems])


def _masked(problem: Problem, secrets: list[str]) -> Problem:
    found = mask(problem.found, secrets)
    return problem._replace(found=found if len(found) <= _LONGEST else found[: _LONGEST - 1] + "…")


def shown(value: t.Any, *, secret: bool = False) -> str:
    """A value and its kind for a message; a secret is only said to be one."""
    if value is None:
        return "nothing"
    if secret:
        return f"{kind_of(value)} (not shown)"
    if isinstance(value, (dict, list)):
        return kind_of(value)
    if isinstance(value, bool):
        return str(value).lower()
    # As JSON, the form in which masking finds a secret that somebody wrote here by mistake.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value} ({kind_of(value)})"


def kind_of(value: t.Any) -> str:
    """The kind of a value in the words of someone who writes YAML."""
    kinds: tuple[tuple[type[t.Any] | tuple[type[t.Any], ...], str], ...] = (
        (bool, "true or false"),
        (str, "a text"),
        ((int, float), "a number"),
        (dict, "a dictionary"),
        (list, "a list"),
        (datetime.date, "a date"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), f"a value of type {type(value).__name__}")
