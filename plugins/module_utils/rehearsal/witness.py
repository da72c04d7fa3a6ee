# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can say whether the old version lives with a migrated schema (private to the collection)."""

from __future__ import annotations

import abc
import typing as t

from ..database.copied import Copy

BROKEN, UNABLE = "broken", "unable"


class Finding(t.NamedTuple):
    """One thing that was seen of the old version.

    :param kind: C(broken) where the migrated schema breaks it; C(unable) where it could not be tried.
    :param service: empty where it is about all of them.
    :param check: what was asked, in words.
    :param connections: C(old) for those that were opened before the migrations, C(new) for others; empty for C(unable).
    :param answered: what came instead of what was expected, and the program's last words.
    """

    kind: str
    service: str
    check: str
    connections: str = ""
    answered: str = ""

    def words(self) -> str:
        """For people."""
        on = f" on {self.connections} connections" if self.connections else ""
        return f"{self.service or 'the old version'}: {self.check}{on}: {self.answered}"


class Witness(abc.ABC):
    """The live release's own services, run against the copy. It is a context, in which they live; whatever ends it, they are gone.

    Nothing of it raises for what the old version does or lacks: that is a finding.
    """

    def __enter__(self) -> Witness:
        return self

    @abc.abstractmethod
    def __exit__(self, *error: object) -> None:
        """Remove all of it."""

    @abc.abstractmethod
    def warm(self) -> list[Finding]:
        """Start the services on the copy as it was restored, and ask them until their connections are warm.

        :return: C(unable) for those that cannot be tried.
        """

    @abc.abstractmethod
    def judge(self) -> list[Finding]:
        """Ask the warmed services, then freshly started ones, once the migrations are applied.

        :return: what is broken; nothing when the old version lives with the new schema.
        """


class Nobody(Witness):
    """Where nothing is live, or nobody asks about it.

    :param why: it is not tried, in words.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    def __exit__(self, *_error: object) -> None:
        """There is nothing."""

    def warm(self) -> list[Finding]:
        return [Finding(UNABLE, "", "was not tried", answered=self._why)]

    def judge(self) -> list[Finding]:
        return []


MakeWitness = t.Callable[[Copy], Witness]
