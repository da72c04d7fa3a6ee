# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks for the time between two releases are asked for one run (private to the collection)."""

from __future__ import annotations

from .option import Option, Pattern
from .schema_backup import REASON
from .schema_maintenance import MAINTENANCE
from .schema_service import NAME

_FREEZE = (
    Option(
        "slipway_freeze_why",
        "string",
        "Why the playbook C(freeze) freezes the platform. Whoever is refused meanwhile is told.",
        pattern=REASON,
        identity=False,
        example="ansible-playbook slipway.deploy.freeze -i production -e \"slipway_freeze_why='Christmas sale'\""
        " -e slipway_freeze_until=2026-12-27T08:00:00Z",
    ),
    Option(
        "slipway_freeze_until",
        "string",
        "When it ends by itself: a time with its offset from UTC, or how long from now (C(12h)). By default it lasts until the"
        " playbook C(thaw) ends it.",
        identity=False,
    ),
    Option(
        "slipway_freeze_who",
        "string",
        "Who freezes it. The default is the user of this run and the controller's name.",
        identity=False,
    ),
    Option(
        "slipway_emergency",
        "string",
        "Release, roll back, restore or migrate although the platform is frozen, for this reason. It stands in the journal and in"
        " the report.",
        pattern=REASON,
        identity=False,
        example="ansible-playbook deploy.yml -i production -e slipway_version=1.4.3"
        " -e \"slipway_emergency='orders are lost'\"",
    ),
)

_DRAIN = (
    Option(
        "slipway_drain_why",
        "string",
        "Why the playbook C(drain) takes C(slipway_machine) out of traffic. C(status) and every release say it.",
        pattern=REASON,
        identity=False,
        example="ansible-playbook slipway.deploy.drain -i production -e slipway_machine=app2"
        " -e \"slipway_drain_why='its disk is failing'\"",
    ),
    Option(
        "slipway_drain_who",
        "string",
        "Who drains it. The default is the user of this run and the controller's name.",
        identity=False,
    ),
    Option(
        "slipway_machine_lost",
        "boolean",
        "Whether the machine that C(remove_machine) removes is gone for good and can stop nothing any more.",
        default=False,
        identity=False,
        example="ansible-playbook slipway.deploy.remove_machine -i production -e slipway_machine=app2"
        " -e slipway_machine_lost=true",
    ),
)

_LOOK = (
    Option(
        "slipway_service",
        "string",
        "The service that the playbooks C(logs) and C(run) are about; C(logs) shows all of them by default.",
        pattern=NAME,
        identity=False,
        example="ansible-playbook slipway.deploy.logs -i production -e slipway_service=backend -e slipway_since=10m",
    ),
    Option(
        "slipway_side",
        "string",
        "The side that they are about. The default is the live one.",
        choices=("blue", "green"),
        identity=False,
    ),
    Option(
        "slipway_release",
        "string",
        "The same by a version or the id of a release, where it still stands on one of the sides.",
        pattern=Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,191}", "a version, or the id of a release"),
        identity=False,
    ),
    Option(
        "slipway_since",
        "duration",
        "How far back C(logs) goes. By default as far as the engine keeps them, and C(slipway_lines) allows.",
        low=1,
        identity=False,
    ),
    Option(
        "slipway_lines",
        "integer",
        "How many lines of each replica C(logs) shows at most, the last ones.",
        default=100,
        low=1,
        high=100000,
        identity=False,
    ),
    Option(
        "slipway_grep",
        "string",
        "Only lines in which this regular expression of Python is found.",
        identity=False,
        example="ansible-playbook slipway.deploy.logs -i production -e slipway_grep='status=5..' -e slipway_follow=true",
    ),
    Option(
        "slipway_follow",
        "boolean",
        "Whether C(logs) goes on to show what is written, until Ctrl-C or C(slipway_follow_for).",
        default=False,
        identity=False,
    ),
    Option("slipway_follow_for", "duration", "For how long; 0 until Ctrl-C.", default=0.0, identity=False),
)

_RUN = (
    Option(
        "slipway_command",
        "command",
        "What the playbook C(run) runs once, in the code of C(slipway_service) as it is live: words, or one line that is split as a"
        " shell would. No shell is involved; say C(sh -c '…') for one.",
        identity=False,
        example="ansible-playbook slipway.deploy.run -i production -e slipway_service=backend"
        " -e \"slipway_command='python -m shop.report --month 11'\"",
    ),
    Option(
        "slipway_machine",
        "string",
        "The machine that C(run) runs on, the first that has the service by default; and the one that C(drain) takes out of"
        " traffic, C(undrain) gives back, and C(remove_machine) removes.",
        identity=False,
    ),
    Option(
        "slipway_run_timeout",
        "duration",
        "After how long it is ended.",
        default="1h",
        low=1,
        identity=False,
    ),
)

_REMOVE = (
    Option(
        "slipway_remove",
        "string",
        "The platform and its environment, said once more, so that the playbook C(remove) removes them.",
        identity=False,
        example="ansible-playbook slipway.deploy.remove -i staging -e slipway_remove=shop/staging",
    ),
)

_REBUILD = (
    Option(
        "slipway_fence",
        "integer",
        "A token that the playbook C(rebuild_state) goes above. Where every machine has lost its own, the default is the time in"
        " milliseconds; it is wanted only where the controller's clock was set back since the last time.",
        low=1,
        identity=False,
    ),
)

_PORT = r"[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]"

_ADOPT = (
    Option(
        "slipway_adopt",
        "map",
        "The servers of each service with traffic that run already, made by hand, which the playbook C(adopt) takes as what is"
        " live.",
        key=NAME,
        element=Option(
            "servers",
            "list",
            "Where the balancers reach them.",
            element=Option(
                "server",
                "string",
                "One of them.",
                pattern=Pattern(
                    rf"(\d+(\.\d+){{3}}|\[[0-9a-fA-F:.]+\]):({_PORT})", "an IP address and a port, like 10.0.0.1:8080"
                ),
            ),
        ),
        identity=False,
        example="ansible-playbook slipway.deploy.adopt -i production"
        ' -e \'{"slipway_adopt": {"backend": ["10.0.0.1:8080", "10.0.0.2:8080"]}}\'',
    ),
)

DAY_TWO = (MAINTENANCE, *_FREEZE, *_DRAIN, *_LOOK, *_RUN, *_REMOVE, *_REBUILD, *_ADOPT)
