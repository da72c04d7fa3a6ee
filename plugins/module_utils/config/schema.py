# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a user may write: the one source of names, types, defaults and texts (private to the collection).

C(validate.py) reads a site's variables by it, and C(tools/generate_docs.py) writes C(docs/configuration.md) and the
C(slipway_*) options of the roles' argument specifications from it.
"""

from __future__ import annotations

from .option import Option, Pattern
from .schema_backup import BACKUP, DATABASES, REASON, RESTORE_INTO_DIRECTORY
from .schema_maintenance import CLOSED, MAINTENANCE
from .schema_migrations import FOR_ONE_RUN, MIGRATIONS
from .schema_service import HOST_NAME, NAME, PORT_HIGH, PORT_LOW, ROUTE_PATH, SECRET_NAME, SERVICE

PREFIX = "slipway_"
APP_GROUP, PROXY_GROUP, DATABASE_GROUP = "slipway_app", "slipway_proxy", "slipway_db"
GROUPS = (APP_GROUP, PROXY_GROUP, DATABASE_GROUP)

VERSION = Pattern(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "what can be the tag of an image: letters, digits and _ . -, 128 at most"
)
RELEASE = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,191}", "a version, or the id of a release")
ADDRESS = Pattern(r"[0-9A-Fa-f:.]+|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253})", "an IP address or the name of a host")
BIND = Pattern(r"\*|[0-9A-Fa-f:.]+", "* or an IP address")
IP = Pattern(r"[0-9A-Fa-f:.]+", "an IP address of that machine, 0.0.0.0 or 127.0.0.1")
STATE_ROOT = Pattern(r"/[^\0\n]*[^\0\n/]", "an absolute path")

_MODEL, _STRATEGY, _BACKUPS = ("container_deploy",), ("blue_green_cutover",), ("database_backups",)
_MIGRATIONS = ("database_migrations",)
_ALL_ROLES = _MODEL + _STRATEGY + _BACKUPS + _MIGRATIONS

_IDENTITY_OF_PLATFORM = (
    Option(
        "slipway_platform",
        "string",
        "The set of services that are released together. It is part of the names of containers, backends and files.",
        required=True,
        pattern=NAME,
        roles=_ALL_ROLES,
        example="slipway_platform: shop",
    ),
    Option(
        "slipway_environment",
        "string",
        "Which one of the platform's environments this is. Required: a second name for the same machines would be a"
        " second lock.",
        required=True,
        pattern=NAME,
        roles=_ALL_ROLES,
        example="slipway_environment: production",
    ),
    Option(
        "slipway_version",
        "string",
        "The version to release. Always text: C(1.10) without quotes is a number in YAML and loses its last digit, so"
        " numbers are refused. On the command line C(-e slipway_version=1.10) is text. Rollback, status and unlock need"
        " none.",
        required=True,
        pattern=VERSION,
        roles=_MODEL,
        example="ansible-playbook deploy.yml -i production -e slipway_version=1.4.2",
    ),
    Option(
        "slipway_model",
        "string",
        "What the platform runs on.",
        default="container",
        choices=("container",),
        later=("process", "compose", "swarm", "kubernetes", "ecs", "beanstalk", "lambda"),
    ),
    Option(
        "slipway_strategy",
        "string",
        "How the traffic moves from the old version to the new one.",
        default="blue_green",
        choices=("blue_green",),
        later=("recreate", "rolling", "canary"),
        identity=False,
    ),
)

_SERVICES = (
    Option(
        "slipway_services",
        "map",
        "The services of the platform, by name.",
        required=True,
        key=NAME,
        element=SERVICE,
        roles=_MODEL,
    ),
    Option(
        "slipway_secrets",
        "map",
        "Values that appear nowhere: not in output at any verbosity, process lists, journals or reports. A service gets"
        " those that it names in C(secrets) or C(env_secrets). Only their hash is part of what identifies a release, so"
        " a new value is a release of its own.",
        default={},
        key=SECRET_NAME,
        element=Option("value", "string", "The value.", secret=True),
        secret=True,
        identity=False,
        roles=_MODEL,
        example='slipway_secrets: {DATABASE_URL: "{{ vault_database_url }}"}',
    ),
)

_TRAFFIC = Option(
    "slipway_traffic",
    "section",
    "What the balancers of the group C(slipway_proxy) do. Without that group and without this option the balancer is"
    " somebody else's: the new version is verified and started, and nothing is shifted.",
    roles=(*_STRATEGY, "vm_provision"),
    example="slipway_traffic:\n  provider: haproxy\n  listen: 80\n  routes:\n"
    "    - {path: /api, service: backend}\n    - {path: /, service: frontend}",
    options=(
        Option(
            "provider",
            "string",
            "What moves the traffic. C(haproxy) switches at run time and loses nothing. C(nginx) reloads, which closes"
            " idle keep-alive connections. C(caddy) does so only for what is more than the other side.",
            default="haproxy",
            choices=("haproxy", "nginx", "caddy"),
            later=("traefik", "kubernetes", "aws_alb", "aws_lambda_alias"),
        ),
        Option("listen", "integer", "The port that clients connect to.", default=80, low=PORT_LOW, high=PORT_HIGH),
        Option("bind", "string", "The address that clients connect to; C(*) is every one.", default="*", pattern=BIND),
        Option(
            "routes",
            "list",
            "Which requests go to which service; the longest path that fits wins, a route with a host before one"
            " without. With one service only, everything goes to it by default.",
            element=Option(
                "route",
                "section",
                "One route.",
                options=(
                    Option("path", "string", "The path and everything below it.", default="/", pattern=ROUTE_PATH),
                    Option("host", "string", "Only requests for this host.", pattern=HOST_NAME),
                    Option("service", "string", "The name of a service with traffic.", required=True, pattern=NAME),
                ),
            ),
        ),
    ),
)

_DATABASE = (
    Option(
        "slipway_database",
        "section",
        "The database that belongs to the platform.",
        identity=False,
        roles=_BACKUPS + _MIGRATIONS,
        example='slipway_database:\n  engine: postgresql\n  url: "{{ vault_database_url }}"\n'
        "  backup:\n    store: {path: /var/backups/slipway}\n    retention: {last: 3, daily: 14, monthly: 12}",
        options=(
            Option("engine", "string", "What it is.", required=True, choices=DATABASES),
            Option("url", "string", "Where it is, with user and password.", required=True, secret=True),
            Option(
                "replicas",
                "list",
                "Connection strings of its replicas that the platform reads from. What has migrated waits until each has"
                " replayed that, before a new version is prepared. The machine that migrates asks them.",
                single=True,
                unique=True,
                element=Option("url", "string", "Where one is, with user and password.", secret=True),
            ),
            BACKUP,
        ),
    ),
    MIGRATIONS,
)

_SEQUENCE = (
    Option(
        "slipway_watch",
        "section",
        "How real traffic on the new side is judged after the switch. Beyond C(max_error_ratio) the release is"
        " reverted.",
        default={},
        identity=False,
        roles=_STRATEGY,
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
        roles=_STRATEGY,
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
        roles=_STRATEGY,
        example="slipway_gate: 30s",
    ),
    Option(
        "slipway_keep",
        "integer",
        "How many releases each machine keeps for an instant rollback, the live one included.",
        default=3,
        low=1,
        high=100,
        identity=False,
        roles=_MODEL,
        example="slipway_keep: 5",
    ),
    Option(
        "slipway_preflight",
        "section",
        "What every machine must fulfil before anything is done.",
        default={},
        identity=False,
        example="slipway_preflight: {min_free_disk: 5g, min_free_memory: 256m, max_clock_skew: 5s}",
        options=(
            Option("min_free_disk", "size", "Free space for images, containers and the journal.", default="1g"),
            Option(
                "min_free_memory",
                "size",
                "Memory that must be left on every host when both sides run. What the new side needs is its services'"
                " C(container.mem_reservation), or without one what the live side's replicas of them hold now.",
                default="64m",
            ),
            Option(
                "max_clock_skew",
                "duration",
                "How far a machine's clock may be away from the controller's.",
                default=30.0,
                low=1,
            ),
        ),
    ),
    Option(
        "slipway_lock_wait",
        "duration",
        "How long to wait for a release that somebody else is running, with a countdown that names the holder. By"
        " default a second release is refused at once.",
        default=0.0,
        identity=False,
        example="slipway_lock_wait: 5m",
    ),
    Option(
        "slipway_site_dir",
        "string",
        "The directory on the controller that relative paths start from. The default is the working directory.",
        identity=False,
        example='slipway_site_dir: "{{ inventory_dir | dirname }}"',
    ),
    Option(
        "slipway_state_root",
        "string",
        "Where every machine keeps journal, lock, releases and secrets.",
        default="/var/lib/slipway",
        pattern=STATE_ROOT,
        identity=False,
        roles=_MODEL + _BACKUPS + _MIGRATIONS,
        example="slipway_state_root: /srv/slipway",
    ),
)

_ONE_RUN = (
    Option(
        "slipway_rollback_to",
        "string",
        "What the playbook C(rollback) goes back to: a version, or the id of a release. The default is the release"
        " before the live one.",
        pattern=RELEASE,
        identity=False,
        example="ansible-playbook slipway.deploy.rollback -i production -e slipway_rollback_to=1.3.0",
    ),
    Option(
        "slipway_allow_bad",
        "boolean",
        "Release a version although it was marked bad before.",
        default=False,
        identity=False,
        example="ansible-playbook deploy.yml -i production -e slipway_version=1.2.0 -e slipway_allow_bad=true",
    ),
    Option(
        "slipway_waive_backup",
        "string",
        "Release without a proven backup, for this reason. It stands in the journal and in the report.",
        pattern=REASON,
        identity=False,
        example="ansible-playbook deploy.yml -i production -e slipway_version=1.4.2"
        " -e \"slipway_waive_backup='the database is empty still'\"",
    ),
    Option(
        "slipway_backup",
        "string",
        "The backup that the playbook C(restore) takes: its id, or C(latest).",
        default="latest",
        identity=False,
        roles=_BACKUPS,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_backup=20261124T031500Z-0a1b2c",
    ),
    Option(
        "slipway_restore_into",
        "string",
        "The database that the playbook C(restore) makes. Without it the live one is replaced, which wants"
        " C(slipway_restore_over).",
        identity=False,
        roles=_BACKUPS,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_restore_into=shop_look",
    ),
    Option(
        "slipway_restore_over",
        "string",
        "The name of the live database, said once more, so that the playbook C(restore) replaces it.",
        identity=False,
        roles=_BACKUPS,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_restore_over=shop",
    ),
    *RESTORE_INTO_DIRECTORY,
    *FOR_ONE_RUN,
    MAINTENANCE,
    Option(
        "slipway_break_glass",
        "boolean",
        "Go on in a disaster although the majority of the machines cannot grant the lock. Recorded in the journal.",
        default=False,
        identity=False,
        example="ansible-playbook deploy.yml -i production -e slipway_version=1.4.2 -e slipway_break_glass=true",
    ),
)

_MACHINE = (
    Option(
        "slipway_address",
        "string",
        "The address at which balancers reach this machine. The default is C(slipway_publish) when that is one address"
        " of the machine, then C(ansible_host), then the name in the inventory; and C(127.0.0.1) when the only balancer"
        " is this very machine.",
        pattern=ADDRESS,
        host=True,
        example="slipway_address: 10.0.0.11",
    ),
    Option(
        "slipway_publish",
        "string",
        "The address of this machine that the ports of the services are published on. The default is C(0.0.0.0), and"
        " C(127.0.0.1) when the only balancer is this very machine.",
        pattern=IP,
        host=True,
        example="slipway_publish: 10.0.0.11",
    ),
)

# Chapters of the reference, in its order.
CHAPTERS: tuple[tuple[str, tuple[Option, ...]], ...] = (
    ("The platform", _IDENTITY_OF_PLATFORM),
    ("Services and secrets", _SERVICES),
    ("Traffic", (_TRAFFIC, CLOSED)),
    ("The sequence of a release", _SEQUENCE),
    ("Database", _DATABASE),
    ("For one run", _ONE_RUN),
    ("For one machine", _MACHINE),
)
OPTIONS: tuple[Option, ...] = tuple(known for _title, chapter in CHAPTERS for known in chapter)


def option(name: str) -> Option:
    """The option of that name.

    :raises KeyError: there is none.
    """
    return {known.name: known for known in OPTIONS}[name]
