# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing that is wrong with a machine, said so that whoever reads it can mend it (private to the collection)."""

from __future__ import annotations

import typing as t

ERROR, WARNING = "error", "warning"


class Finding(t.NamedTuple):
    """What was found.

    :param severity: C(error) where releases would be refused or fail, C(warning) where they would go out all the same.
    :param topic: what was looked at, in a word or two.
    :param what: what is wrong, a clause without a full stop.
    :param actual: what was found.
    :param wanted: what is needed.
    :param why: what depends on it.
    :param remedy: how to mend it, a sentence in the imperative.
    """

    severity: str
    topic: str
    what: str
    actual: str = ""
    wanted: str = ""
    why: str = ""
    remedy: str = ""
