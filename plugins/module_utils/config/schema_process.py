# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may write where services are processes of the machine (private to the collection)."""

from __future__ import annotations

import typing as t

from ..process.kinds import BUILD_ON, MANAGERS, SOURCES
from .option import Option, Pattern

MODEL = "process"

SERVICE_NAME = Pattern(r"[a-z][a-z0-9-]{0,30}", "the name of a service")
SECRET_NAME = Pattern(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a secret")
USER = Pattern(r"[a-z_][a-z0-9_-]*\$?", "the name of a user of the machines")
CODE_ROOT = Pattern(r"(/[A-Za-z0-9._-]+)+", "an absolute path of letters, digits, '.', '-' and '_'")
PLACE = Pattern(r"(?!-)[^\0\n]+", "a path")
INSIDE = Pattern(r"(?!/)(?!(.*/)?\.\.(/|$))[^\0\n]+", "a path inside the release")
CHECKSUM = Pattern(r"sha256:[0-9a-f]{64}", "sha256: and 64 hexadecimal digits in small letters")
COMMIT = Pattern(r"[0-9a-f]{40}([0-9a-f]{24})?", "a whole commit id, 40 hexadecimal digits")
REFERENCE = Pattern(r"[^-\s\0][^\s\0]*", "the name of a branch or a tag")
REPOSITORY = Pattern(r"[^-\s\0][^\s\0]*", "an address that git understands")
LEFT_OUT = Pattern(r"[^\0\n]*[^\0\n/][^\0\n]*", "a name like node_modules or *.pyc, or a path from the top")
INTEGRITY = Pattern(r"sha512-[A-Za-z0-9+/]{86}==", "sha512- and a hash in base64, as npm has it")
PACKAGE = Pattern(r"[A-Za-z0-9@][^\s\0]*", "a name and one version: shop==1.2 of Python, shop@1.2.0 of npm")
URL = Pattern(r"https?://[^\s]+", "a URL that begins with https:// or http://")
DIRECTIVE = Pattern(r"[A-Za-z_][A-Za-z0-9_]*", "a directive of the process manager, like MemoryMax of systemd")
ENVIRONMENT_NAME = Pattern(r"[A-Za-z_][A-Za-z0-9_]*", "a letter or an underscore, then letters, digits and underscores")

# What a source of each kind consists of; all else of a source belongs to another kind.
SOURCE_KEYS: dict[str, tuple[str, ...]] = {
    "archive": ("checksum", "from", "path", "strip", "url"),
    "directory": ("exclude", "from", "path"),
    "git": ("branch", "commit", "key", "known_hosts", "repository", "submodules", "tag"),
    "npm": ("from", "integrity", "package", "path", "registry"),
    "wheel": ("from", "hashes", "index", "installer", "package", "path", "python", "requirements"),
}

INSTALLED = ("npm", "wheel")  # by commands, as the service's user

_SOURCE = Option(
    "source",
    "section",
    "Where the code comes from. What the controller has is packed once and sent where it is not yet; all else each machine"
    " fetches for itself. A release in which they have different code is refused before any traffic moves.",
    example='source: {kind: git, repository: "git@git.example.com:shop/backend.git", tag: "v{{ slipway_version }}",'
    " key: DEPLOY_KEY}",
    options=(
        Option(
            "kind",
            "string",
            "C(directory), C(archive), a C(wheel) of Python or a package of C(npm); C(git) is a repository.",
            required=True,
            choices=SOURCES,
        ),
        Option(
            "path",
            "string",
            "The directory or file on the controller, below C(slipway_site_dir) unless it is absolute (all but C(git)).",
            pattern=PLACE,
        ),
        Option(
            "from",
            "string",
            "Whose C(path) it is: C(controller), which is the default, or C(machine), which has it already.",
            choices=("controller", "machine"),
        ),
        Option(
            "exclude",
            "list",
            "What to leave out beside C(.git): names at any depth, or paths from the top (C(directory)).",
            element=Option("name", "string", "A name or path.", pattern=LEFT_OUT),
            single=True,
            unique=True,
        ),
        Option(
            "package",
            "string",
            "In the place of a path, a name and one version out of an index or registry (C(wheel), C(npm)).",
            pattern=PACKAGE,
        ),
        Option("index", "string", "The index that pip or uv asks, without any password (C(wheel)).", pattern=URL),
        Option(
            "hashes",
            "list",
            "What the wheel may be; then all that it needs wants hashes, too (C(wheel)).",
            element=Option("hash", "string", "A hash.", pattern=CHECKSUM),
            single=True,
            unique=True,
        ),
        Option("requirements", "string", "More lines as pip has them, for what it needs (C(wheel))."),
        Option("installer", "string", "What installs it (C(wheel), default C(pip)).", choices=("pip", "uv")),
        Option("python", "string", "The interpreter on the machine (C(wheel), default C(python3)).", pattern=PLACE),
        Option("registry", "string", "The registry that npm asks, without any password (C(npm)).", pattern=URL),
        Option("integrity", "string", "What the package must be (C(npm)).", pattern=INTEGRITY),
        Option("url", "string", "Where the archive is downloaded, in the place of a path (C(archive)).", pattern=URL),
        Option("checksum", "string", "What the archive must be; needed with C(url) (C(archive)).", pattern=CHECKSUM),
        Option("strip", "integer", "How many leading directories to leave away (C(archive), default 0).", low=0),
        Option("repository", "string", "The address, without any password (C(git)).", pattern=REPOSITORY),
        Option("branch", "string", "The branch, where it is when a machine is prepared (C(git)).", pattern=REFERENCE),
        Option(
            "tag", "string", "The tag; one that has moved since it was released is refused (C(git)).", pattern=REFERENCE
        ),
        Option(
            "commit", "string", "The commit, alone or with the branch or tag that leads to it (C(git)).", pattern=COMMIT
        ),
        Option(
            "key",
            "string",
            "A name out of C(slipway_secrets): the private key for the repository (C(git)).",
            pattern=SECRET_NAME,
            identity=False,
        ),
        Option(
            "known_hosts",
            "string",
            "Lines as ssh has them, in the place of what root of the machine knows (C(git)).",
            identity=False,
        ),
        Option("submodules", "boolean", "Whether to fetch its submodules (C(git), default true)."),
    ),
)

_BUILD = Option(
    "build",
    "list",
    "Steps that make the code runnable, in the directory of the release, where it stays, before anything is started.",
    example="build:\n  - {name: environment, command: [python3, -m, venv, .venv]}\n"
    "  - {name: packages, command: [.venv/bin/pip, install, --requirement, requirements.txt], timeout: 5m}",
    element=Option(
        "step",
        "section",
        "One step.",
        options=(
            Option("command", "command", "The program and its arguments; a list, or one line.", required=True),
            Option("name", "string", "What messages call it; by default the command.", identity=False),
            Option(
                "env",
                "map",
                "Environment of this step.",
                key=ENVIRONMENT_NAME,
                element=Option("value", "scalar", "The value."),
            ),
            Option("timeout", "duration", "How long it may take.", default="10m", low=1, identity=False),
        ),
    ),
)

_BUILD_ON = Option(
    "build_on",
    "string",
    "Whether C(each) machine fetches and builds the code for itself, or C(one) for all: the first of the inventory, from which"
    " the others get it by way of the controller. They must be alike.",
    default=BUILD_ON[0],
    choices=BUILD_ON,
    identity=False,
)

_SHARED = Option(
    "shared",
    "section",
    "What all releases share: paths in the release that are links to the same place.",
    example="shared: {directories: [uploads], files: [config/local.ini]}",
    options=tuple(
        Option(
            name, "list", text, element=Option("path", "string", "A path.", pattern=INSIDE), single=True, unique=True
        )
        for name, text in (
            ("directories", "Directories; they are made where they are missing."),
            ("files", "Files, which must be there already, below C(shared/) of the platform."),
        )
    ),
)


def _mine(options: t.Sequence[Option]) -> tuple[Option, ...]:
    return tuple(option._replace(models=(MODEL,)) for option in options)


# Of a service, beside what every model's have.
CODE = _mine(
    (
        _SOURCE,
        Option(
            "code",
            "string",
            "In the place of C(source): a service of the same machines whose code this one runs, as a worker does.",
            pattern=SERVICE_NAME,
            example="code: backend",
        ),
        _BUILD,
        _BUILD_ON,
        Option(
            "user",
            "string",
            "The user that it runs as, and its build steps. Without one systemd makes one up for as long as it runs;"
            " C(build) and C(shared) need one.",
            pattern=USER,
        ),
        _SHARED,
    )
)
RUN = _mine(
    (
        Option(
            "socket",
            "boolean",
            "Whether systemd listens for it, and hands the socket over by C(LISTEN_FDS): nobody is refused while it starts, or is"
            " started again.",
            example="socket: true",
        ),
        Option(
            "strategy",
            "string",
            "With C(reload) both sides have one port, one after the other: the new version takes it over in the stage I(decision),"
            " and what that costs depends on the manager (see the guide to the hand-over). Without it follows"
            " C(slipway_strategy).",
            choices=("reload",),
        ),
        Option(
            "notify",
            "boolean",
            "Whether it tells its manager when it is ready (of systemd C(Type=notify)).",
            default=False,
        ),
        Option(
            "start_limit",
            "duration",
            "How long it may take until then.",
            default="1m",
            low=0.1,
            high=3600,
            identity=False,
        ),
        Option(
            "unit",
            "map",
            "Directives of its manager: of systemd those of the section C([Service]), of the others a few (see the guide to"
            " processes).",
            key=DIRECTIVE,
            element=Option("value", "any", "The value; a list is the directive several times."),
            example="unit: {MemoryMax: 512M, CPUQuota: 50%}",
        ),
    )
)

PROCESS = Option(
    "slipway_process",
    "section",
    "How the machines run the services. Neither can be changed while a version is live.",
    default={},
    models=(MODEL,),
    roles=("process_deploy",),
    example="slipway_process: {manager: systemd, code_root: /srv/slipway}",
    options=(
        Option(
            "manager",
            "string",
            "What starts the processes, and starts them again when they end.",
            default="systemd",
            choices=MANAGERS,
            later=tuple(name for name in ("supervisor", "pm2") if name not in MANAGERS),
        ),
        Option(
            "code_root",
            "string",
            "Where every machine keeps the code of all platforms. Every user must be able to pass through it.",
            default="/srv/slipway",
            pattern=CODE_ROOT,
        ),
    ),
)
