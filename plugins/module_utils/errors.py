# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that every engine raises (private to the collection)."""

from __future__ import annotations

import typing as t


class SlipwayError(Exception):
    """Something failed, said so that a person at night can act on it.

    :param what: what failed, a clause without a full stop ("cannot write the journal").
    :param obj: the object it failed on: a path, a container, C(backend/blue_app1_1).
    :param actual: the value that was found.
    :param wanted: the value that was needed.
    :param remedy: what to do about it, a sentence in the imperative.
    :param cause: a short machine-readable name (C(refused), C(lock_held), C(journal_damaged), …).
    :param evidence: structured facts that prove the cause (status, headers, log lines), secrets already masked.
    """

    def __init__(
        self,
        what: str,
        *,
        obj: str = "",
        actual: object = None,
        wanted: object = None,
        remedy: str = "",
        cause: str = "error",
        evidence: dict[str, t.Any] | None = None,
    ) -> None:
        self.what = what
        self.obj = obj
        self.actual = actual
        self.wanted = wanted
        self.remedy = remedy
        self.cause = cause
        self.evidence = evidence or {}
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """One sentence or two: what, on which object, found, wanted, remedy."""
        text = self.what
        if self.obj:
            text = f"{self.obj}: {text}"
        if self.actual is not None:
            text += f"; found {self.actual!r}"
        if self.wanted is not None:
            text += f", wanted {self.wanted!r}"
        text += "."
        return f"{text} {self.remedy}" if self.remedy else text

    def result(self) -> dict[str, t.Any]:
        """What a module hands to C(fail_json): C(msg) and the parts under C(error)."""
        return {
            "msg": self.message,
            "error": {
                "what": self.what,
                "object": self.obj,
                "actual": self.actual,
                "wanted": self.wanted,
                "remedy": self.remedy,
                "cause": self.cause,
                "evidence": self.evidence,
            },
        }

    def told(self) -> list[dict[str, str]]:
        """The same as the only one of a list of problems; its message ends with the remedy."""
        return [{"cause": self.cause, "message": self.message, "remedy": self.remedy}]
