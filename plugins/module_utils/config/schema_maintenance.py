# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What customers get while a platform is closed for maintenance: the schema of C(slipway_closed) (private to the collection)."""

from __future__ import annotations

from .option import Option, Pattern

_PATH = Pattern(r"/[^\s?#\0]*", "a path that begins with /, without ? and #")

CLOSED = Option(
    "slipway_closed",
    "section",
    "What those get who ask while the platform is closed for maintenance: status 503 with C(Retry-After) and a page.",
    identity=False,
    example="slipway_closed: {retry_after: 5m, page: '<h1>Back at five</h1>'}",
    options=(
        Option(
            "retry_after",
            "duration",
            "When they may ask again, as C(Retry-After) tells them; whole seconds.",
            default="1m",
            low=1,
            high=604800,
        ),
        Option("page", "string", "The page in HTML, 8192 bytes at most; a plain one by default."),
        Option(
            "paths",
            "list",
            "Paths that the balancers themselves answer with status 200 meanwhile, so that balancers before them go on"
            " sending. By default the paths of the services' health checks.",
            element=Option("path", "string", "One of them.", pattern=_PATH),
        ),
        Option(
            "hold",
            "duration",
            "How long each request waits for the platform to be opened before it is answered with 503, 2m at most. With"
            " C(haproxy) only.",
            default=0.0,
            low=0,
            high=120,
        ),
        Option(
            "workers",
            "string",
            "What services without traffic do meanwhile. C(pause) stops those of the live version, and starts them when the"
            " platform is opened; C(run) leaves them alone.",
            default="pause",
            choices=("pause", "run"),
        ),
    ),
)

MAINTENANCE = Option(
    "slipway_maintenance",
    "string",
    "What the playbook C(maintenance) does: C(on) closes the platform, C(off) opens it, C(status) only looks.",
    default="status",
    choices=("on", "off", "status"),
    identity=False,
    example="ansible-playbook slipway.deploy.maintenance -i production -e slipway_maintenance=on",
)
