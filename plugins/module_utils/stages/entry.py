# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stage on a machine, without a module around it: an order as JSON on standard input, its result on standard output.

What a module of Ansible costs on a machine is mostly the compiling of its sources, again at every task. Kept there
compiled, the engines start ten times faster (private to the collection).
"""

from __future__ import annotations

import json
import sys
import typing as t

from .launch import UNUSABLE

# States of release_state and of the models after which nothing of a release is left to do on a machine.
LAST = ("withdrawn", "released", "recorded", "settled", "reverted", "removed")


def perform_of(module: str) -> t.Callable[[dict[str, t.Any], bool], dict[str, t.Any]]:
    """What a module does; only that one is imported."""
    if module == "release_state":
        from .release_state import perform
    elif module == "container_deploy":
        from .container_deploy import perform
    elif module == "process_deploy":
        from .process_deploy import perform
    elif module == "service_logs":
        from .service_logs import perform
    elif module == "service_run":
        from .service_run import perform
    elif module == "database_backup":
        from .database_backup import perform
    elif module == "platform_removal":
        from .platform_removal import perform
    elif module == "migration_rehearsal":
        from .migration_rehearsal import perform
    elif module == "migration_runner":
        from .migration_runner import perform
    else:
        from .traffic_switch import perform
    return perform


def main() -> bool:
    """Do one stage; whether it was the last of its release on this machine."""
    order = json.load(sys.stdin)
    try:
        perform = perform_of(order["module"])
    except ImportError:
        raise SystemExit(UNUSABLE) from None
    try:
        result = perform(order["params"], order["check"])
    except Exception as error:  # as a module would: the trace is for whoever mends it, the message for the verdict
        import traceback  # takes a tenth of what a stage does without

        result = {"failed": True, "msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    sys.stdout.write(json.dumps(result))  # ten times as fast as json.dump
    sys.stdout.flush()
    return order["params"].get("state") in LAST
