# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guarded_file does on a machine, without Ansible (private to the collection)."""

from __future__ import annotations

import os
import stat
import tempfile
import typing as t

from ..access.change import Change, Wanted
from ..access.connection import own_connection
from ..access.guard import Guard
from ..errors import SlipwayError
from ..system import System
from .arguments import Arguments

GUARDED_FILE = Arguments(
    options={
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "content": {"type": "str"},
        "mode": {"type": "str", "default": "0644"},
        "guard": {"type": "str", "choices": ["sshd", "firewall"], "required": True},
        "admits": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "ports": {"type": "list", "elements": "str", "required": True},
                "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                "from": {"type": "list", "elements": "str", "default": []},
                "comment": {"type": "str", "default": ""},
            },
        },
        "apply": {"type": "list", "elements": "str", "required": True},
        "withdraw": {"type": "list", "elements": "str"},
        "undo_after": {"type": "float", "default": 60},
        "confirm": {"type": "bool", "default": False},
    },
    required_if=[("state", "present", ("content",))],
)
Params = t.Mapping[str, t.Any]


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included."""
    try:
        return run(params, System(), check)
    except SlipwayError as error:
        return {"failed": True, **error.result()}


def run(params: Params, system: System, check: bool) -> dict[str, t.Any]:
    """Put it in place, to be confirmed; or confirm it."""
    change = Change(system, wanted(params))
    if params["confirm"]:
        change.confirm()
        return {"changed": True, "pending": False, "actions": [f"keep {params['path']}"]}
    before = system.read_file(params["path"])
    result = plan(change.wanted, before, _mode(params["path"]))
    result["pending"] = change.waits and not check
    if result["changed"]:
        inspect(guard(params, system), change.wanted)
        if not check:
            change.apply()
            result["pending"] = True
    return result


def plan(wanted: Wanted, before: bytes | None, mode: int | None) -> dict[str, t.Any]:
    """What differs, and what would be done about it."""
    changed = before != wanted.content or (wanted.content is not None and mode != wanted.mode)
    verb = "remove" if wanted.content is None else "write" if before is None else "change"
    actions = [f"{verb} {wanted.path}, to be taken back unless a new connection confirms it"] if changed else []
    diff = {
        "before_header": wanted.path,
        "after_header": wanted.path,
        "before": (before or b"").decode(errors="replace"),
        "after": (wanted.content or b"").decode(errors="replace"),
    }
    return {"changed": changed, "actions": actions, "diff": diff}


def wanted(params: Params) -> Wanted:
    """The options, typed.

    :raises SlipwayError: C(invalid).
    """
    if not 10 <= params["undo_after"] <= 600:
        raise SlipwayError(
            "out of range", obj="undo_after", actual=params["undo_after"], wanted="10 to 600 seconds", cause="invalid"
        )
    content = params["content"].encode() if params["state"] == "present" else None
    withdraw = params["withdraw"] or params["apply"]
    return Wanted(params["path"], content, int(params["mode"], 8), params["apply"], withdraw, params["undo_after"])


def guard(params: Params, system: System) -> Guard:
    """The one that knows this kind of file."""
    if params["guard"] == "sshd":
        from ..access.sshd import SshdGuard

        return SshdGuard(system)
    from ..access.firewall import FirewallGuard

    return FirewallGuard(system, params["admits"])


def inspect(guard: Guard, wanted: Wanted) -> None:
    """Let the guard see what would be in place; in a file of its own, gone afterwards.

    :raises SlipwayError: whatever it refuses.
    """
    connection = own_connection()
    if wanted.content is None:
        guard.inspect(wanted.path, None, connection)
        return
    with tempfile.NamedTemporaryFile(prefix="slipway-candidate-") as stream:
        stream.write(wanted.content)
        stream.flush()
        guard.inspect(wanted.path, stream.name, connection)


def _mode(path: str) -> int | None:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None
