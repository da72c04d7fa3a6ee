# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How traffic moves from one version to the next: the schema of the strategies (private to the collection)."""

from __future__ import annotations

from .option import Option, Pattern

STRATEGY_ROLES = ("blue_green_cutover", "rolling_update", "recreate")

_AMOUNT = Pattern(r"[1-9][0-9]{0,3}|(100|[1-9][0-9]?)%", "a count like 2, or a share like 25%")
_AMOUNT_OR_NONE = Pattern(r"0%?|[1-9][0-9]{0,3}|(100|[1-9][0-9]?)%", "a count like 2, a share like 25%, or 0")
_ZONE = Pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "letters, digits and _ . -, 64 at most")

STRATEGY = Option(
    "slipway_strategy",
    "string",
    "How the platform gets from the old version to the new one. C(blue_green) moves all traffic at once. C(rolling) goes"
    " through the machines batch by batch. C(recreate) stops the old version before it starts the new one, and so"
    " interrupts.",
    default="blue_green",
    choices=("blue_green", "rolling", "recreate"),
    later=("canary",),
    identity=False,
    example="ansible-playbook deploy.yml -i production -e slipway_version=1.4.2 -e slipway_strategy=rolling",
)

ROLLING = Option(
    "slipway_rolling",
    "section",
    "The batches of C(slipway_strategy: rolling). The new version starts beside the old one on a batch's machines, is"
    " verified, and their traffic moves to it; the old version runs everywhere until the last batch is done.",
    default={},
    identity=False,
    roles=("rolling_update",),
    example="slipway_rolling: {batch: 25%, min_healthy_time: 30s, pause: 1m, order: zones}",
    options=(
        Option(
            "batch",
            "scalar",
            "How many of the machines that carry services each batch has: a count, or a share of them (rounded up, so that"
            " each batch has one). By default one, or with C(max_surge: 0) as many as C(max_unavailable) allows.",
            pattern=_AMOUNT,
        ),
        Option(
            "max_surge",
            "scalar",
            "The most machines that may start the new version beside the old one at the same time: a count, or a share"
            " (rounded up). A batch is never larger. With 0 no machine runs both: the traffic of a batch goes to the other"
            " machines, its old version stops, the new one starts in its place, is verified and gets the traffic back.",
            default="100%",
            pattern=_AMOUNT_OR_NONE,
        ),
        Option(
            "max_unavailable",
            "scalar",
            "With C(max_surge: 0), the most machines that may be out at the same time: a count, or a share (rounded down,"
            " but at least one). By default one.",
            pattern=_AMOUNT,
        ),
        Option(
            "ramp",
            "list",
            "The shares, in percent, of a batch's requests that its new servers get before they get all of them, in steps of"
            " C(min_healthy_time) each. By default they get all at once.",
            unique=True,
            element=Option("share", "integer", "One step.", low=1, high=99),
        ),
        Option(
            "min_healthy_time",
            "duration",
            "How long real traffic must have shown no fault of a batch before the next one begins, judged as"
            " C(slipway_watch) says; by default as long as C(slipway_watch.bake).",
            low=0,
        ),
        Option(
            "pause",
            "duration",
            "How much longer to watch each batch but the last before the next one begins.",
            default=0.0,
        ),
        Option(
            "order",
            "string",
            "C(hosts) takes the machines by name. C(zones) takes one C(slipway_zone) after the other, and no batch has"
            " machines of two.",
            default="hosts",
            choices=("hosts", "zones"),
        ),
    ),
)

ZONE = Option(
    "slipway_zone",
    "string",
    "The rack or zone that this machine is in, for C(slipway_rolling.order). Machines without one are a zone of their own,"
    " the first.",
    pattern=_ZONE,
    host=True,
    example="slipway_zone: rack7",
)

HOW_TRAFFIC_MOVES = (
    ROLLING,
    Option(
        "slipway_watch",
        "section",
        "How real traffic on the new side is judged after the switch. Beyond C(max_error_ratio) the release is"
        " reverted.",
        default={},
        identity=False,
        roles=STRATEGY_ROLES,
        example="slipway_watch: {bake: 30s, max_error_ratio: 0.01}",
        options=(
            Option("bake", "duration", "How long to watch; 0 does not.", default=10.0),
            Option("interval", "duration", "Pause between two looks at the counters.", default=0.5, low=0.05),
            Option(
                "max_error_ratio",
                "number",
                "The largest share of requests that may fail (status 5xx, or no answer).",
                default=0.02,
                low=0,
                high=1,
            ),
            Option("min_requests", "integer", "With fewer requests than this nobody is judged.", default=50, low=0),
        ),
    ),
    Option(
        "slipway_drain",
        "section",
        "How the old side loses its last requests.",
        default={},
        identity=False,
        roles=STRATEGY_ROLES,
        example="slipway_drain: {deadline: 1m}",
        options=(
            Option(
                "deadline",
                "duration",
                "How long open requests, WebSockets and streams may go on before the old side gets SIGTERM.",
                default=10.0,
            ),
        ),
    ),
    Option(
        "slipway_gate",
        "duration",
        "How long the balancers may take to see the new side healthy themselves. No traffic moves before that.",
        default=30.0,
        low=1,
        identity=False,
        roles=STRATEGY_ROLES,
        example="slipway_gate: 30s",
    ),
)
