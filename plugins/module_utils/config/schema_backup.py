# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a platform's database is backed up: the schema of C(slipway_database.backup) (private to the collection)."""

from __future__ import annotations

from .option import Option, Pattern

# Of each of which there is an engine that backs it up.
DATABASES = ("postgresql", "mysql", "mariadb", "sqlite")
# Each kind of store, and what it cannot do without.
OF_STORE = {"local": ("path",), "s3": ("bucket",), "gcs": ("bucket",), "azure": ("bucket",)}
REASON = Pattern(r"[^\x00-\x1f]*\S[^\x00-\x1f]{3,}", "a reason in one line")
_ABSOLUTE = Pattern(r"/[^\0\n]*", "an absolute path")
_WORD = Pattern(r"[^\s\0]+", "a word without spaces")
# systemd.time(7), "Calendar Events": checked by systemd itself when the timers are made.
_CALENDAR = Pattern(r"[A-Za-z0-9*/:,.~ -]+", "a calendar event of systemd, such as daily or *-*-* 03:00")

_STORE = Option(
    "store",
    "section",
    "Where the backups are kept. The platform and its environment have a place of their own in it. Needed unless"
    " C(physical) is all there is.",
    options=(
        Option(
            "kind",
            "string",
            "C(local) is a directory of the machine, C(s3) Amazon S3 or a compatible store, C(gcs) Google Cloud Storage,"
            " C(azure) Azure Blob Storage.",
            default="local",
            choices=tuple(OF_STORE),
        ),
        Option("path", "string", "The directory; C(local) needs it.", pattern=_ABSOLUTE),
        Option(
            "bucket", "string", "The bucket, or the container of C(azure); all but C(local) need it.", pattern=_WORD
        ),
        Option("prefix", "string", "What the names of all objects begin with there.", pattern=_WORD),
        Option(
            "endpoint",
            "string",
            "URL of a store that is compatible with C(s3), or of an account of C(azure).",
            pattern=Pattern(r"https?://[^\s@]+", "https://HOST"),
        ),
        Option("region", "string", "Of C(s3); by default that of the profile.", pattern=_WORD),
        Option("profile", "string", "Of C(s3), in the configuration files of the machine's root.", pattern=_WORD),
    ),
)

_RETENTION = Option(
    "retention",
    "section",
    "Which backups stay: each that any of these keeps, and all when nothing is set. The last verified one stays always,"
    " and so do those that the releases kept for a rollback were made on.",
    options=(
        Option("last", "integer", "The newest so many.", low=1),
        Option("days", "number", "Those younger than so many days.", low=0),
        Option("daily", "integer", "The newest of each of the last so many days that have one (UTC).", low=0),
        Option("weekly", "integer", "The same by weeks.", low=0),
        Option("monthly", "integer", "The same by months.", low=0),
        Option("yearly", "integer", "The same by years.", low=0),
    ),
)

_COMPRESSION = Option(
    "compression",
    "section",
    "How backups are compressed.",
    options=(
        Option("method", "string", "The program.", default="zstd", choices=("zstd", "gzip", "none")),
        Option("level", "integer", "Its level, on its own scale; its own default.", low=1, high=19),
        Option("threads", "integer", "Threads of zstd; by default as many as there are processors.", low=1),
    ),
)

_ENCRYPTION = Option(
    "encryption",
    "section",
    "Encryption by age.",
    options=(
        Option(
            "recipients",
            "list",
            "Public keys, each of whose owners can decrypt.",
            required=True,
            element=Option("recipient", "string", "One public key.", pattern=Pattern("age1[a-z0-9]+", "age1…")),
        ),
        Option(
            "identity",
            "string",
            "File with a private key on the machine; without it nothing can be proven by restoring it there.",
            required=True,
            pattern=_ABSOLUTE,
        ),
    ),
)

_PHYSICAL = Option(
    "physical",
    "section",
    "Backups of the whole PostgreSQL cluster by pgBackRest, whose stanza, archive and retention are its own. The timers take"
    " these; a release leans on one that was restored, and makes a restore point to which it can be undone.",
    options=(
        Option("stanza", "string", "The stanza; it is there already.", required=True, pattern=_WORD),
        Option("config", "string", "pgBackRest's configuration file; its own default.", pattern=_ABSOLUTE),
        Option("repo", "integer", "Number of the repository; its own choice.", low=1),
        Option(
            "type",
            "string",
            "What the timer takes; pgBackRest's own default is C(incr), and C(full) where there is no full one.",
            choices=("full", "diff", "incr"),
        ),
        Option("archive_timeout", "duration", "How long a file of the WAL may take into the archive.", default="60s"),
    ),
)

_COMMANDS = {
    "create": "Makes a snapshot that is called C({name}), of one moment of all volumes that the cluster is on.",
    "clone": "Makes the snapshot C({name}) available for reading and writing at C({path}), an empty directory. What is written"
    " there must change neither the snapshot nor the live cluster.",
    "unclone": "Lets go of that clone; nothing is left at C({path}) then.",
    "remove": "Removes the snapshot C({name}).",
    "list": "Prints a line for each snapshot that there is, its name first, which a path may precede. A second word is what C({id})"
    " stands for in the other commands; without it that is the name.",
}

_SNAPSHOT = Option(
    "snapshot",
    "section",
    "Snapshots of the PostgreSQL cluster, made by the storage that it is on. The timers make these and prove them by starting a"
    " throw-away server on a clone; a release leans on one that was proven, and makes another as its restore point. Each command"
    " is run without a shell, as root of C(host), which is the database's machine. C(&&) stands between several. What is known of"
    " them is kept in C(store).",
    options=(
        *(Option(name, "command", text, required=True) for name, text in _COMMANDS.items()),
        Option(
            "data",
            "string",
            "Where the data directory is below C({path}); C({path}) itself by default.",
            pattern=Pattern(r"(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\0\n]+", "a path such as 15/main, without .."),
        ),
        Option("timeout", "duration", "How long each command may take.", default="5m"),
    ),
)

BACKUP = Option(
    "backup",
    "section",
    "How it is backed up. With this, every release waits for a backup that was restored and compared, or leans on a"
    " scheduled one where its own would take too long; without either it is refused.",
    options=(
        Option(
            "host",
            "string",
            "The machine that takes the backups. The default is the first one of C(slipway_db), and without any the first"
            " one of C(slipway_app).",
        ),
        Option(
            "verify_host",
            "string",
            "The machine that restores dumps to prove them; C(host), unless another one is named. It needs the store and the"
            " server's programs, but neither the database nor its connection string. A C(local) store must be one directory"
            " that both machines see.",
        ),
        _STORE,
        _PHYSICAL,
        _SNAPSHOT,
        Option(
            "method",
            "string",
            "What a release goes by. C(auto) takes a dump while that and its restore fit into C(in_release_max), by what earlier"
            " ones took, and else leans on a physical backup where there is C(physical), on a snapshot where there is C(snapshot),"
            " and with MySQL and MariaDB on the newest dump that was restored and a copy of the binary logs since"
            " (C(incremental)), as far as they are kept.",
            default="auto",
            choices=("auto", "logical", "physical", "snapshot", "incremental"),
        ),
        _RETENTION,
        Option(
            "format",
            "string",
            "Of new dumps of PostgreSQL. C(directory) is written and restored by several connections at once, and needs room"
            " in C(scratch_dir) for the dump too.",
            default="custom",
            choices=("custom", "directory"),
        ),
        Option(
            "jobs",
            "integer",
            "Connections for C(directory); by default as many as there are processors, at most 8.",
            low=1,
        ),
        _COMPRESSION,
        _ENCRYPTION,
        Option(
            "in_release_max",
            "duration",
            "How long a release waits for a backup of its own and for the proof of it, by what earlier ones took. C(0)"
            " never takes one in a release.",
            default=300.0,
        ),
        Option(
            "max_age",
            "duration",
            "How old the scheduled backup may be that a release leans on when its own would take longer than that.",
            default="24h",
        ),
        Option(
            "schedule",
            "string",
            "When the timer on that machine takes a backup and proves it.",
            default="*-*-* 03:00",
            pattern=_CALENDAR,
        ),
        Option(
            "drill",
            "string",
            "When another timer restores the newest one again, to say how long that takes.",
            default="monthly",
            pattern=_CALENDAR,
        ),
        Option("jitter", "duration", "Each timer waits for a random part of this.", default="15m"),
        Option(
            "textfile_dir",
            "string",
            "Directory of the textfile collector of Prometheus' node exporter; without it no figures are written there.",
            pattern=_ABSOLUTE,
        ),
        Option(
            "scratch_dir",
            "string",
            "Where a restored copy is kept while it is compared; it needs room for the whole database.",
            default="/var/tmp",  # noqa: S108  # each run has a directory of its own there
            pattern=_ABSOLUTE,
        ),
        Option("bin_dir", "string", "Directory of the database's programs.", pattern=_ABSOLUTE),
        Option(
            "run_in",
            "section",
            "Where the database's programs are when the machine has none, by the machine's Docker Engine: an image, or a"
            " container that runs. The throw-away server that a backup is restored into gets a container of its own either way.",
            options=(
                Option(
                    "image",
                    "string",
                    "An image that has them, of the server's version or newer: usually the very one that the database runs"
                    " from. Each program gets a container of its own. It is pulled where the machine does not have it.",
                    pattern=_WORD,
                ),
                Option(
                    "container",
                    "string",
                    "A container that runs and has them, usually the database's own, in which they are run. What C(url) names must"
                    " be right in there, too.",
                    pattern=_WORD,
                ),
            ),
        ),
    ),
)

ROLES = ("database_backups",)

# What the playbook restore is told about a physical backup or a snapshot.
RESTORE_INTO_DIRECTORY = (
    Option(
        "slipway_restore_dir",
        "string",
        "The directory into which the playbook C(restore) restores a physical backup or a snapshot, as a cluster of its own.",
        pattern=_ABSOLUTE,
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_restore_dir=/srv/look",
    ),
    Option(
        "slipway_restore_time",
        "string",
        "The moment to bring that cluster back to, with its offset from UTC. By default it is that just before the release"
        " that C(slipway_backup) names, and else as late as can be. With MySQL and MariaDB the moment to bring the restored"
        " dump on to, by binary logs; by default that just before such a release, and else that of the dump.",
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_restore_dir=/srv/look"
        " -e \"slipway_restore_time='2026-11-24 03:15:00+00:00'\"",
    ),
    Option(
        "slipway_restore_point",
        "string",
        "The restore point to bring it back to instead; of a snapshot its id.",
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_restore_dir=/srv/look"
        " -e slipway_restore_point=slipway_1.4.2-20261124T031500Z-3fa9",
    ),
)
