# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a user may write: the one source of names, types, defaults and texts (private to the collection).

C(validate.py) reads a site's variables by it, and C(tools/generate_docs.py) writes C(docs/configuration.md) and the
C(slipway_*) options of the roles' argument specifications from it.
"""

from __future__ import annotations

from .option import Option, Pattern
from .schema_backup import BACKUP, DATABASES
from .schema_listening import LISTENING
from .schema_maintenance import CLOSED
from .schema_migrations import MIGRATIONS
from .schema_one_run import ONE_RUN
from .schema_process import PROCESS
from .schema_service import HOST_NAME, NAME, ROUTE_PATH, SECRET_NAME, SERVICE
from .schema_strategies import HOW_TRAFFIC_MOVES, STRATEGY, STRATEGY_ROLES, ZONE

PREFIX = "slipway_"
APP_GROUP, PROXY_GROUP, DATABASE_GROUP = "slipway_app", "slipway_proxy", "slipway_db"
GROUPS = (APP_GROUP, PROXY_GROUP, DATABASE_GROUP)

VERSION = Pattern(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "what can be the tag of an image: letters, digits and _ . -, 128 at most"
)
ADDRESS = Pattern(r"[0-9A-Fa-f:.]+|[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253})", "an IP address or the name of a host")
IP = Pattern(r"[0-9A-Fa-f:.]+", "an IP address of that machine, 0.0.0.0 or 127.0.0.1")
STATE_ROOT = Pattern(r"/[^\0\n]*[^\0\n/]", "an absolute path")

_MODEL, _STRATEGY, _BACKUPS = ("container_deploy", "process_deploy"), STRATEGY_ROLES, ("database_backups",)
_MIGRATIONS = ("database_migrations",)
_ALL_ROLES = _MODEL + _STRATEGY + _BACKUPS + _MIGRATIONS

_IDENTITY_OF_PLATFORM = (
    Option(
        "slipway_platform",
        "string",
        "The set of services that are released together. It is part of the names of containers, units, backends and files.",
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
        "What the platform runs on. It cannot be changed while a version is live.",
        default="container",
        choices=("container", "process"),
        later=("compose", "swarm", "kubernetes", "ecs", "beanstalk", "lambda"),
    ),
    STRATEGY,
    PROCESS,
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
            " idle keep-alive connections. C(caddy) does so only for what is more than the other side. C(traefik) reads"
            " its files anew.",
            default="haproxy",
            choices=("haproxy", "nginx", "caddy", "traefik"),
            later=("kubernetes", "aws_alb", "aws_lambda_alias"),
        ),
        *LISTENING,
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
                "direct_url",
                "string",
                "Where the server itself is, where C(url) goes through a pooler that lends out connections for a transaction"
                " each. Backups, restores and migrations take this one.",
                secret=True,
            ),
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
    *HOW_TRAFFIC_MOVES,
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
            Option("min_free_disk", "size", "Free space for images or code, containers and the journal.", default="1g"),
            Option(
                "min_free_memory",
                "size",
                "Memory that must be left on every host when both sides run. What the new side needs is its services'"
                " C(container.mem_reservation) or C(unit.MemoryLow), or else what the live side's replicas of them hold now.",
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
    ZONE,
)

# Chapters of the reference, in its order.
CHAPTERS: tuple[tuple[str, tuple[Option, ...]], ...] = (
    ("The platform", _IDENTITY_OF_PLATFORM),
    ("Services and secrets", _SERVICES),
    ("Traffic", (_TRAFFIC, CLOSED)),
    ("The sequence of a release", _SEQUENCE),
    ("Database", _DATABASE),
    ("For one run", ONE_RUN),
    ("For one machine", _MACHINE),
)
OPTIONS: tuple[Option, ...] = tuple(known for _title, chapter in CHAPTERS for known in chapter)


def option(name: str) -> Option:
    """The option of that name.

    :raises KeyError: there is none.
    """
    return {known.name: known for known in OPTIONS}[name]
