# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may write about one service (private to the collection)."""

from __future__ import annotations

from .docker_keywords import KEYWORDS
from .option import Option, Pattern
from .schema_process import CODE, RUN

NAME = Pattern(r"[a-z][a-z0-9-]{0,30}", "a small letter, then at most 30 small letters, digits and hyphens")
ENVIRONMENT_NAME = Pattern(r"[A-Za-z_][A-Za-z0-9_.-]*", "a letter or an underscore, then letters, digits and _ . -")
SECRET_NAME = Pattern(r"[A-Za-z_][A-Za-z0-9_]*", "a letter or an underscore, then letters, digits and underscores")
GROUP_NAME = Pattern(r"\S+", "the name of a group of the inventory")
HEADER_NAME = Pattern(r"[A-Za-z0-9!#$&*+.^_|~-]+", "the name of an HTTP header")
HEADER_VALUE = Pattern(r"[\x20-\x7e]*", "printable ASCII")
HOST_NAME = Pattern(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", "the name of a host, like shop.example.com")
URL_PATH = Pattern(r"/[\x21\x22\x24-\x7e]*", "a path that begins with /, in ASCII")
ROUTE_PATH = Pattern(r"/[A-Za-z0-9._~!$&()*+,;=:@%/-]*", "a path that begins with /, without query")
FILE_PATH = Pattern(r"/[^\0\n:]*[^\0\n:/]", "an absolute path inside the container")
METHOD = Pattern(r"[A-Z]+", "an HTTP method in capital letters")
# distribution/reference: [host[:port]/]path[:tag][@digest]; the path in small letters.
IMAGE = Pattern(
    r"([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    "an image like registry.example.com/shop/backend:1.4.2 (name in small letters)",
)

PORT_LOW, PORT_HIGH = 1, 65535
CONTAINER = ("container",)  # the model of what only containers have
# The last slot of 20 ports that still fits below 65536.
PUBLISH_LOW, PUBLISH_HIGH = 1024, 65516

STATUS = Option("status", "integer", "An HTTP status.", low=100, high=599)
HEADERS = Option(
    "headers",
    "map",
    "Headers to send with the request.",
    key=HEADER_NAME,
    element=Option("value", "scalar", "The header's value.", pattern=HEADER_VALUE),
)

HEALTH = Option(
    "health",
    "section",
    "How to tell that a replica is healthy: C(successes) good answers in a row over at least C(minimum), before"
    " C(deadline). A service with traffic always has a check: C(GET /) with status 200 when nothing is written here.",
    example="health: {path: /health, successes: 3, minimum: 2s, deadline: 90s}",
    options=(
        Option(
            "kind",
            "string",
            "What is asked: C(http) a request, C(tcp) only whether the port accepts a connection, C(command) a program"
            " inside the container, or of a process on its machine, which must exit with 0.",
            default="http",
            choices=("http", "tcp", "command"),
        ),
        Option("path", "string", "The path that is asked for (C(http), default C(/)).", pattern=URL_PATH),
        Option(
            "status",
            "list",
            "The statuses that mean healthy (C(http), default C(200)); one, or a list.",
            element=STATUS,
            single=True,
            unique=True,
        ),
        HEADERS._replace(text="Headers to send with the request (C(http))."),
        Option(
            "host",
            "string",
            "The name to send as C(Host) (C(http)), for programs that refuse others.",
            pattern=HOST_NAME,
        ),
        Option(
            "command",
            "command",
            "The program to run (C(command)); a list, or one line. In that of a process C(${PORT}) is its port.",
        ),
        Option("successes", "integer", "How many good answers in a row.", default=3, low=1, high=1000, identity=False),
        Option(
            "minimum",
            "duration",
            "Over how long a time, at least, the answers must be good: a program that falls over right after its start"
            " is caught by it.",
            default=2.0,
            identity=False,
        ),
        Option("interval", "duration", "Pause between two checks.", default=0.5, low=0.05, identity=False),
        Option("timeout", "duration", "How long one check may take.", default=2.0, low=0.05, identity=False),
        Option(
            "deadline",
            "duration",
            "Not healthy by then means refused. A certain cause (exited, image missing, another port) refuses at once.",
            default=60.0,
            low=0.1,
            identity=False,
        ),
    ),
)

SMOKE = Option(
    "smoke",
    "list",
    "Requests that the new side must answer before it gets traffic, on every replica. They catch a version whose health"
    " check is fine and whose every other answer is an error.",
    default=[],
    identity=False,
    example="smoke: [{path: /api/products, status: 200, contains: '\"items\"'}]",
    element=Option(
        "request",
        "section",
        "One request.",
        options=(
            Option("path", "string", "The path, with a query if need be.", required=True, pattern=URL_PATH),
            Option("method", "string", "The HTTP method.", default="GET", pattern=METHOD),
            Option(
                "status",
                "list",
                "The statuses that pass; one, or a list.",
                default=[200],
                element=STATUS,
                single=True,
                unique=True,
            ),
            Option("contains", "string", "A text that the answer's body must contain."),
            HEADERS,
            Option("body", "string", "The body to send."),
        ),
    ),
)

ASSETS = Option(
    "assets",
    "section",
    "Files whose names change with every version (hashed scripts and styles). The old side's are kept, so that a page"
    " loaded before the switch still finds its own.",
    example="assets: {path: /usr/share/nginx/html/assets, keep: 2h}",
    models=CONTAINER,
    options=(
        Option("path", "string", "The directory inside the container.", required=True, pattern=FILE_PATH),
        Option("keep", "duration", "How long files that only an old version has stay.", default="1h", identity=False),
    ),
)

SERVICE = Option(
    "service",
    "section",
    "One service.",
    options=(
        Option(
            "image",
            "string",
            "The image, usually with C(slipway_version) as its tag.",
            required=True,
            pattern=IMAGE,
            example='image: "registry.example.com/shop/backend:{{ slipway_version }}"',
            models=CONTAINER,
        ),
        *CODE,
        Option(
            "port",
            "integer",
            "The port the program listens on, inside its container where it has one; a process finds one of its own for each"
            " replica in C(PORT). Without a port it is a worker.",
            low=PORT_LOW,
            high=PORT_HIGH,
        ),
        Option("replicas", "integer", "How many of it on each machine.", default=1, low=1, high=9),
        Option(
            "command",
            "command",
            "What to run; a list of words, or one line that is split like a shell would (no shell runs it). A container has"
            " its image's own by default. In that of a process C(${NAME}) is a variable of its environment, and a relative"
            " path with a slash is one of the release.",
            example="command: [python, -m, shop.worker]",
        ),
        Option(
            "traffic",
            "boolean",
            "Whether balancers send requests to it; true when it has a port. A service without traffic (a worker) is"
            " created with the new side, and started only when the old one has stopped taking work.",
        ),
        Option(
            "singleton",
            "boolean",
            "Whether there may be one instance only, in the whole fleet, never two (a worker). It is on the first machine of its"
            " C(hosts); the new one starts when the old one has ended, and for how long there was none is measured.",
            example="singleton: true",
        ),
        Option(
            "env",
            "map",
            "Environment of the program. Numbers become text, and so do C(true) and C(false). Put quotes around"
            ' whatever YAML would change (C("1.10"), C("yes")). Never put a secret here.',
            default={},
            key=ENVIRONMENT_NAME,
            element=Option("value", "scalar", "The value."),
            example="env: {LOG_LEVEL: info}",
        ),
        Option(
            "secrets",
            "list",
            "Names out of C(slipway_secrets). The program finds each as a file, in a container C(/run/secrets/NAME), and its"
            " path in the environment variable C(NAME_FILE).",
            default=[],
            element=Option("name", "string", "The secret's name.", pattern=SECRET_NAME),
            unique=True,
        ),
        Option(
            "env_secrets",
            "list",
            "Names out of C(slipway_secrets) for programs that read only their environment. Everybody who may talk to"
            " Docker on that machine can then read them; those of a process root and its own user.",
            default=[],
            element=Option("name", "string", "The secret's name.", pattern=SECRET_NAME),
            unique=True,
        ),
        HEALTH,
        SMOKE,
        ASSETS,
        Option(
            "stop_grace",
            "duration",
            "How long the program may take to end after SIGTERM before it is killed.",
            default="10s",
            high=3600,
            identity=False,
        ),
        Option(
            "pull",
            "string",
            "When to pull the image: C(missing) when the machine has none of that name, C(always), or C(never).",
            default="missing",
            choices=("missing", "always", "never"),
            identity=False,
            models=CONTAINER,
        ),
        Option(
            "publish_from",
            "integer",
            "The first of the 20 ports of the machine that the two sides use (ten each). By default it follows from the"
            " names of platform, environment and service, between 20000 and 29999.",
            low=PUBLISH_LOW,
            high=PUBLISH_HIGH,
        ),
        Option(
            "hosts",
            "string",
            "The group of machines that carry this service: C(slipway_app), or a group inside it.",
            default="slipway_app",
            pattern=GROUP_NAME,
        ),
        Option(
            "container",
            "section",
            "Any keyword of the Docker SDK's C(containers.create), as it is called there. Refused are those that a"
            " release decides itself (names, labels, ports, restart policy, …).",
            default={},
            options=tuple(Option(name, "any", "See the Docker SDK for Python.") for name in KEYWORDS),
            example="container: {mem_limit: 256m, read_only: true, tmpfs: {/tmp: size=64m}}",
            models=CONTAINER,
        ),
        *RUN,
    ),
)
