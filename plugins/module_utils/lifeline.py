# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that end with this process, however that ends (private to the collection)."""

from __future__ import annotations

import os

# The kernel sends the signal when the parent ends (prctl(2), PR_SET_PDEATHSIG); of one that had ended before that was asked for
# there is none, but another process is the parent then.
ORPHAN = '[ "$PPID" = "$1" ] || exit 143; shift'


def with_us(signal: str, *options: str, script: str = 'exec "$@"') -> list[str]:
    """What a program of ours is to be started by, directly.

    :param signal: that it gets when this process ends, such as C(TERM).
    :param options: of setpriv(1), such as the user as whom it runs.
    :param script: of a POSIX shell, which starts C("$@").
    """
    return ["setpriv", "--pdeathsig", signal, *options, "sh", "-c", f"{ORPHAN}; {script}", "sh", str(os.getpid())]
