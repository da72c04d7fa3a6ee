# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform's customers get while it is closed for maintenance (private to the collection)."""

from __future__ import annotations

import json
import re
import typing as t

from ..errors import SlipwayError
from .model import Closure, Traffic

PAGE_BYTES = 8192  # with its headers it must fit into HAProxy's buffer (tune.bufsize, 16384 less its reserve)
LONGEST_RETRY = 7 * 86400
LONGEST_HOLD = 120.0  # browsers give up after a while, and each request that is held is a connection
OPEN_PATH_ANSWER = "closed for maintenance\n"
DEFAULT_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Closed for maintenance</title></head>
<body style="font-family: sans-serif; max-width: 36em; margin: 15vh auto; padding: 0 1em">
<h1>Closed for maintenance</h1>
<p>We are working on this site. Please come back in a little while.</p>
</body>
</html>
"""

_PATH = re.compile(r"/[\x21-\x22\x24-\x3e\x40-\x7e]*")  # what a request may have as its path: no ? and no #
_NOT_IN_A_PAGE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def build_closure(wanted: t.Mapping[str, t.Any], in_force: Traffic, now: float) -> Closure:
    """How the platform is closed from now on; since when stays when it is closed already.

    :param wanted: C(retry_after), C(page), C(paths) and C(hold) by the documentation of the module; None is the default.
    :raises SlipwayError: C(invalid), naming the key.
    """
    paths = wanted.get("paths")
    if paths is None:
        paths = sorted({service.health.path.partition("?")[0] for service in in_force.services})
    since = in_force.closure.since if in_force.closure else now
    return read_closure(
        {
            "since": since,
            "retry_after": 60 if wanted.get("retry_after") is None else wanted["retry_after"],
            "page": wanted.get("page") or DEFAULT_PAGE,
            "paths": paths,
            "hold": wanted.get("hold") or 0.0,
        }
    )


def read_closure(options: t.Mapping[str, t.Any]) -> Closure:
    """A closure out of plain values, all of them given.

    :raises SlipwayError: C(invalid), naming the key.
    """
    retry_after, page, hold = options["retry_after"], options["page"], options["hold"]
    if isinstance(retry_after, bool) or not isinstance(retry_after, int) or not 0 < retry_after <= LONGEST_RETRY:
        raise _invalid("retry_after", retry_after, f"whole seconds, 1 to {LONGEST_RETRY}")
    if isinstance(hold, bool) or not isinstance(hold, (int, float)) or not 0 <= hold <= LONGEST_HOLD:
        raise _invalid("hold", hold, f"seconds, 0 to {LONGEST_HOLD:g}")
    if not isinstance(page, str) or _NOT_IN_A_PAGE.search(page):
        raise _invalid(
            "page", "characters that are no text" if isinstance(page, str) else page, "the text of a page in HTML"
        )
    if len(page.encode()) > PAGE_BYTES:
        remedy = "Leave pictures and fonts to another host, or have them in the page as few bytes."
        raise _invalid("page", f"{len(page.encode())} bytes", f"{PAGE_BYTES} bytes at most", remedy)
    for index, path in enumerate(options["paths"]):
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            raise _invalid(f"paths[{index}]", path, "a path that begins with /, without ? and #")
    return Closure(float(options["since"]), retry_after, page, tuple(dict.fromkeys(options["paths"])), float(hold))


def in_json(closure: Closure) -> str:
    """The same for programs, which ask for JSON."""
    return json.dumps({"error": "closed for maintenance", "retry_after": closure.retry_after}) + "\n"


def told(in_force: Traffic | None, now: float) -> dict[str, t.Any] | None:
    """For results and for people: that it is closed, since when and how; None when it is not, or nobody knows."""
    closure = in_force.closure if in_force else None
    if closure is None:
        return None
    return {
        "since": closure.since,
        "seconds": round(max(0.0, now - closure.since), 1),
        "retry_after": closure.retry_after,
        "hold": closure.hold,
        "paths": list(closure.paths),
    }


def cannot_hold(closure: Closure) -> SlipwayError:
    """C(cannot_hold): of a provider that has to answer at once."""
    return SlipwayError(
        "this proxy cannot hold requests",
        obj="closed.hold",
        actual=closure.hold,
        wanted=0,
        remedy="Leave hold out: they are answered with 503 at once. HAProxy can hold them.",
        cause="cannot_hold",
    )


def _invalid(key: str, actual: object, wanted: object, remedy: str = "") -> SlipwayError:
    return SlipwayError(
        "invalid value", obj=f"closed.{key}", actual=actual, wanted=wanted, remedy=remedy, cause="invalid"
    )
