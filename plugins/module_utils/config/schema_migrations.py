# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the schema of a platform's database follows its versions: C(slipway_migrations) (private to the collection)."""

from __future__ import annotations

from .option import Option, Pattern

TOOLS = ("sql", "command", "alembic", "django", "flyway", "knex", "liquibase")
_ABSOLUTE = Pattern(r"/[^\0\n]*", "an absolute path")
_WORD = Pattern(r"[^\s\0]+", "a word without spaces")
_IDENTIFIER = Pattern(r"[^\0\n]{1,63}", "the name of a schema or a table")
_KEY = Pattern(r"[^\s\0=]+", "a name without spaces")
ROLES = ("database_migrations",)

_PROJECT = Option(
    "project",
    "section",
    "How a tool other than C(sql) is started, in the words of the module C(migration_runner).",
    options=(
        Option("program", "command", "What starts it, such as C(/srv/shop/venv/bin/python)."),
        Option("config", "string", "Its own file of settings, below C(path) or C(directory)."),
        Option(
            "environment",
            "map",
            "Variables for it. They are no place for secrets.",
            key=_KEY,
            element=Option("value", "scalar", "The value."),
        ),
        Option("url_variable", "string", "The variable in which it finds the connection string.", pattern=_KEY),
        Option("apply", "command", "For C(command), what applies all that is pending."),
        Option("pending", "command", "For C(command), what tells whether something is pending, a line for each."),
        Option(
            "pending_rc",
            "list",
            "Exit statuses of C(pending) that mean that something is pending.",
            single=True,
            element=Option("status", "integer", "One of them.", low=0, high=255),
        ),
        Option("preview", "command", "For C(command), what prints the SQL that would run."),
    ),
)

# What the stage rehearse needs beside all of the above.
_REHEARSE = Option(
    "rehearse",
    "section",
    "How the pending migrations are tried on a restored copy of the database before anything live is touched.",
    default={},
    options=(
        Option(
            "enabled",
            "boolean",
            "Whether they are, where C(slipway_database.backup) is set.",
            default=True,
        ),
        Option(
            "max_lock",
            "duration",
            "For how long one lock may keep reads or writes from a table that has rows. A release whose migrations hold one"
            " longer on the copy is refused. The default is as long as a migration waits for a lock.",
            default=1.0,
        ),
        Option(
            "max_duration",
            "duration",
            "How long all migrations together may take on the copy; what is not done by then is ended, and the release refused.",
            default="5m",
        ),
        Option(
            "old_version",
            "boolean",
            "Whether the services of the live version are tried against the migrated copy, where they run on the machine that"
            " restores.",
            default=True,
        ),
        Option(
            "database_secrets",
            "list",
            "Secrets with a connection string of the database, which lead those services to the copy. The default is all that"
            " look like one; what is no such secret is replaced by a dummy.",
            single=True,
            unique=True,
            element=Option("secret", "string", "Name of one, as C(slipway_secrets) has it.", pattern=_WORD),
        ),
        Option(
            "env",
            "map",
            "Variables that those services get instead of, or beside, their own while they are tried.",
            key=_KEY,
            element=Option("value", "scalar", "The value."),
        ),
    ),
)

MIGRATIONS = Option(
    "slipway_migrations",
    "section",
    "The migrations of the database's schema that a version brings. A release applies those of phase expand before it"
    " prepares anything, and waits for a proven backup before that.",
    identity=False,
    roles=ROLES,
    example="slipway_migrations: {tool: sql, path: migrations/}",
    options=(
        Option("tool", "string", "What they are written for.", required=True, choices=TOOLS),
        Option(
            "path",
            "string",
            "The directory on the controller where they are, below C(slipway_site_dir) unless it is absolute. Its files are"
            " sent to the machine that migrates, and are gone from there afterwards.",
        ),
        Option(
            "directory",
            "string",
            "Instead of C(path), a directory that is on that machine already, or in the image (C(flyway): always on the machine).",
            pattern=_ABSOLUTE,
        ),
        _PROJECT,
        Option(
            "run_in",
            "string",
            "Where the tool runs: on the machine itself, or in a container of its own out of the image of the version that"
            " is released.",
            default="host",
            choices=("host", "container"),
        ),
        Option(
            "service",
            "string",
            "For C(container), the service whose image, environment and secrets it gets. The default is the only one.",
            pattern=_WORD,
        ),
        Option(
            "host",
            "string",
            "The machine that migrates. The default is the one that takes the backups, then the first one of C(slipway_db),"
            " then the first one of C(slipway_app).",
            pattern=_WORD,
        ),
        Option(
            "admin_url",
            "string",
            "Connection string for the migrations alone, where the platform's own user may not change the schema. It goes past a"
            " pooler, too. The default is C(slipway_database.direct_url), or C(url).",
            secret=True,
        ),
        Option(
            "lint",
            "string",
            "What is done about statements that break the version which still runs, or keep others from a table for long.",
            default="refuse",
            choices=("refuse", "warn", "off"),
        ),
        Option("lock_wait", "duration", "How long to wait for another run of migrations to end.", default=60.0),
        Option(
            "lock_timeout",
            "duration",
            "How long one statement may wait for a lock, while everybody else waits behind it.",
            default=1.0,
        ),
        Option("retry", "duration", "For how long a migration that did not get its lock is tried again.", default=60.0),
        Option(
            "statement_timeout", "duration", "How long one statement may run; 0 for as long as it takes.", default=0.0
        ),
        Option(
            "timeout",
            "duration",
            "How long all of it may take. Nothing more is begun after that, and what runs is cancelled.",
            default="10m",
            low=1,
        ),
        Option(
            "replica_wait",
            "duration",
            "How long to wait for C(slipway_database.replicas) to replay what was applied. A release is refused after that.",
            default="5m",
        ),
        Option("schema", "string", "The schema to work in; by default the connection's own.", pattern=_IDENTIFIER),
        Option("table", "string", "The table of the history; by default what the tool calls it.", pattern=_IDENTIFIER),
        Option(
            "placeholders",
            "map",
            "For C(sql) and C(flyway), what C(${NAME}) stands for in the files.",
            key=_KEY,
            element=Option("value", "scalar", "The value."),
        ),
        Option(
            "out_of_order",
            "boolean",
            "Whether versions below the highest one that is applied may still be applied.",
            default=False,
        ),
        Option("encoding", "string", "Of the files.", default="UTF-8", pattern=_WORD),
        _REHEARSE,
    ),
)

# What the playbooks migrate and contract are told.
FOR_ONE_RUN = (
    Option(
        "slipway_migrate_to",
        "string",
        "The version up to which the playbook C(migrate) goes; by default all that is pending. With"
        " C(slipway_migrate_undo) the version that it goes back to.",
        pattern=_WORD,
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.migrate -i production -e slipway_migrate_to=1.4",
    ),
    Option(
        "slipway_migrate_undo",
        "boolean",
        "The playbook C(migrate) runs the undo scripts: those above C(slipway_migrate_to), or of the last version alone.",
        default=False,
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.migrate -i production -e slipway_migrate_undo=true",
    ),
    Option(
        "slipway_migrate_phase",
        "string",
        "What the playbook C(migrate) applies: what the next version needs, or the backfills, which fill rows in batches.",
        default="expand",
        choices=("expand", "backfill"),
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.migrate -i production -e slipway_migrate_phase=backfill",
    ),
    Option(
        "slipway_migrate_baseline",
        "string",
        "The playbook C(migrate) begins the history of a database that has tables already: it is at this version. Nothing of"
        " the schema is changed.",
        pattern=_WORD,
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.migrate -i production -e slipway_migrate_baseline=1.2",
    ),
    Option(
        "slipway_migrate_repair",
        "boolean",
        "The playbook C(migrate) puts the history right, once somebody has looked: it takes back the lines of what failed or"
        " was cut off, takes the files for true where they were edited, and notes those that are gone as deleted. Nothing of"
        " the schema is changed.",
        default=False,
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.migrate -i production -e slipway_migrate_repair=true",
    ),
    Option(
        "slipway_also",
        "list",
        "Inventories of other environments, whose migrations the playbook C(migrations) shows beside its own. Paths on the"
        " controller, below C(slipway_site_dir) unless they are absolute; several, or one text with commas.",
        single=True,
        element=Option("inventory", "string", "One of them."),
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.migrations -i production -e slipway_also=staging",
    ),
    Option(
        "slipway_let_go",
        "list",
        "Releases, by id or version, that the playbook C(contract) may make impossible to go back to. It stands in the"
        " journal, and C(rollback) refuses them with this reason.",
        single=True,
        element=Option("release", "string", "One of them.", pattern=_WORD),
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.contract -i production -e slipway_let_go=1.3.0",
    ),
)
