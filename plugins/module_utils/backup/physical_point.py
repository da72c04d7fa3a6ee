# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore points of a PostgreSQL cluster whose WAL is archived by pgBackRest (private to the collection).

A point is a record in the WAL (PostgreSQL manual, C(pg_create_restore_point)), worth something once the file that it is in has
been archived. So that file is closed, and waited for until it can be had from the archive.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import typing as t

from ..errors import SlipwayError
from ..system import System
from .model import Point
from .pgbackrest import PgBackRest
from .postgresql_scratch import OWNER

if t.TYPE_CHECKING:
    from ..database.postgresql_login import Login

PAUSE = 0.2  # seconds between two looks
LONGEST = 63  # characters of a point's name (PostgreSQL, C(MAXFNAMELEN))

# An ordinary role may not read all of these settings.
_SETTINGS = """
SELECT current_setting('archive_mode'), pg_is_in_recovery(),
  (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
  CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('archive_command') ELSE '' END,
  (SELECT system_identifier::text FROM pg_control_system()),
  (SELECT rolname FROM pg_roles WHERE oid = 10)
"""

_ARCHIVER = """
SELECT coalesce(last_archived_wal, ''), coalesce(last_failed_wal, ''), failed_count,
  coalesce(last_failed_time > last_archived_time OR last_archived_time IS NULL, false) FROM pg_stat_archiver
"""


class Cluster(t.NamedTuple):
    """A live cluster as it is.

    :param segment_size: bytes of a file of its WAL.
    :param archive_command: empty where it may not be read.
    :param system: its identifier.
    :param superuser: the role that every cluster has from its beginning.
    """

    archive_mode: str
    standby: bool
    segment_size: int
    archive_command: str
    system: str
    superuser: str


def look(login: Login) -> Cluster:
    """What a cluster says of itself."""
    with _cursor(login) as cursor:
        cursor.execute(_SETTINGS)
        mode, standby, size, command, system, superuser = cursor.fetchone()
    return Cluster(str(mode), bool(standby), int(size), str(command), str(system), str(superuser))


def expect_archiving(cluster: Cluster, system: str, stanza: str) -> None:
    """That points of this cluster can be made, and are those of the stanza.

    :param system: identifier of the cluster that the stanza is of.
    :raises SlipwayError: C(other_cluster), C(standby), C(archive_off).
    """
    if cluster.system != system:
        raise SlipwayError(
            "is of another cluster than the one that the connection string leads to",
            obj=f"stanza {stanza}",
            actual=f"system identifier {system}",
            wanted=cluster.system,
            remedy="Name the stanza of this cluster; after an upgrade of the cluster, pgbackrest stanza-upgrade.",
            cause="other_cluster",
        )
    if cluster.standby:
        raise SlipwayError(
            "is a standby, on which no restore point can be made",
            obj="the cluster",
            remedy="Let the connection string lead to the primary.",
            cause="standby",
        )
    if cluster.archive_mode == "off":
        raise SlipwayError(
            "is off, so that no WAL is kept beside the backups",
            obj="archive_mode",
            actual=cluster.archive_mode,
            wanted="on",
            remedy=f"Set archive_mode = on and archive_command = 'pgbackrest --stanza={stanza} archive-push %p' in"
            " postgresql.conf, and restart the server.",
            cause="archive_off",
        )


def name_of(words: str) -> str:
    """The name of a point, of which a person can read what it was made for."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", f"slipway_{words}")[:LONGEST]


def make(login: Login, name: str, backup: str, system: System) -> Point:
    """Make a point now, and have the file of the WAL that it is in archived.

    :raises SlipwayError: C(not_allowed).
    """
    with _cursor(login) as cursor:
        try:
            cursor.execute("SELECT lsn, pg_walfile_name(lsn) FROM pg_create_restore_point(%s) AS lsn", (name,))
            lsn, segment = cursor.fetchone()
            cursor.execute("SELECT pg_switch_wal()")
        except Exception as error:  # the driver's own, which is only imported where it is needed
            denied = getattr(error, "pgcode", "") == "42501"  # PostgreSQL manual, "PostgreSQL Error Codes"
            grant = (
                "Let a superuser say, in this database: GRANT EXECUTE ON FUNCTION pg_create_restore_point(text),"
                f" pg_switch_wal() TO {login.public.get('user', 'the role')};"
            )
            raise SlipwayError(
                "cannot make a restore point",
                obj=f"{login.where['database']} on {login.where['host']}",
                actual=str(error).strip(),
                remedy=grant if denied else "Do what it says, and run it again.",
                cause="not_allowed" if denied else "command_failed",
            ) from None
    return Point(name, str(lsn), str(segment), system.wall(), backup)


def await_archived(
    login: Login, point: Point, backrest: PgBackRest, archives: t.Sequence[str], system: System
) -> float:
    """Wait until what a point needs is in the repository; how many seconds that took.

    :param archives: ids of the stanza's archives.
    :raises SlipwayError: C(archive_broken) when it did not arrive in time, with what the archiver says.
    """
    started = system.monotonic()
    deadline = started + backrest.order.archive_timeout
    with _cursor(login) as cursor:
        while True:
            cursor.execute(_ARCHIVER)
            archived, failed, failures, failing = cursor.fetchone()
            if archived[:24] >= point.segment and backrest.has_segment(point.segment, archives):
                return system.monotonic() - started
            if system.monotonic() >= deadline:
                break
            system.sleep(PAUSE)
    said = (
        f"archive_command has failed {failures} times, last for {failed}"
        if failing
        else f"the last one is {archived or 'none'}"
    )
    if archived[:24] >= point.segment:
        said = "archive_command says that it was, but the repository does not have it"
    command = look(login).archive_command
    raise SlipwayError(
        "did not arrive in the archive, so nothing could be brought back to the restore point",
        obj=f"WAL {point.segment}",
        actual=f"{said}{f'; archive_command is {command!r}' if command else ''}",
        wanted=f"within {backrest.order.archive_timeout:g} s",
        remedy=f"See the server's log, and {backrest.shown('check')}",
        cause="archive_broken",
    )


def owned(*directories: str) -> None:
    """Give directories to the owner of the cluster, where this is root."""
    if os.geteuid() == 0:
        owner = pwd.getpwnam(OWNER)
        for directory in directories:
            os.chown(directory, owner.pw_uid, owner.pw_gid)


@contextlib.contextmanager
def _cursor(login: Login) -> t.Iterator[t.Any]:
    with contextlib.closing(login.connect()) as link:
        link.set_session(readonly=False, autocommit=True, isolation_level="READ COMMITTED")
        with link.cursor() as cursor:
            yield cursor
