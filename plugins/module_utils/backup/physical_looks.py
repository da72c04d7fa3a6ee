# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at in a copy of a whole cluster, and in the live one that it is compared with (private to the collection)."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ..errors import SlipwayError
from ..system import System
from . import physical_facts
from .engine import Facts
from .pgbackrest import LONGEST, SAID, as_owner
from .postgresql import PostgreSQL

# What is no fault of a copy that cannot be read.
WANTING = re.compile(
    r"No space left|wrote only|out of (?:shared )?memory|shared memory segment|canceling|terminating|too many"
)


class Looks:
    """The looks at a live cluster and at copies of it.

    :param engine: the live database that is compared.
    """

    source = "backup"  # what a copy is made from, in words
    renew = "Take a full one, and see the disks of cluster and repository."  # instead of a bad one

    def __init__(self, engine: PostgreSQL, system: System) -> None:
        self.engine, self.system = engine, system

    def programs(self, server: str) -> str:
        """The directory of the server's programs for a version."""
        return os.path.dirname(self.engine.program("postgres", server))

    def copied(self, url: str, programs: str) -> tuple[Facts, list[str]]:
        """The facts of a copy, every table read to its end, and what is wrong with its indexes.

        :param url: of the copy, as its superuser.
        :raises SlipwayError: C(bad_backup) where it cannot be read.
        """
        copy = PostgreSQL(url, self.system, bin_dir=programs, scratch_dir="", closed_file="")
        copy.progress = self.engine.progress
        said: object = ""
        try:
            found = self.facts(copy)
            with contextlib.closing(copy.login.connect()) as link:
                return found, physical_facts.indexes_out_of_order(link)
        except SlipwayError as error:
            if error.cause != "question_failed" or WANTING.search(str(error.actual)):
                raise
            said = error.actual
        except Exception as error:  # the driver's own: a table that cannot be read to its end
            said = error
        raise SlipwayError(
            "cannot be read to its end",
            obj=f"the restored {self.engine.database}",
            actual=str(said).strip(),
            remedy=f"Do not rely on the {self.source}. {self.renew}",
            cause="bad_backup",
        )

    def pages(self, data: str, programs: str) -> list[str]:
        """Pages whose checksums are wrong, where a cluster has any; it does not run."""
        check = [*as_owner("TERM"), os.path.join(programs, "pg_checksums"), "--check", f"--pgdata={data}"]
        done = self.system.run(check, timeout=LONGEST, env={"LC_ALL": "C"})
        said = (done.stderr or done.stdout).strip()[-SAID:]
        if done.rc == 0 or "checksums are not enabled" in said:
            return []
        if "checksum verification failed" in said:
            return [f"pages: {said}"]
        raise SlipwayError(
            "could not look at the pages of the restored copy",
            obj="pg_checksums",
            actual=f"exit status {done.rc}: {said}",
            remedy="Install the server's programs on this machine; see what it says.",
            cause="command_failed",
        )

    def written(self) -> dict[str, int]:
        """How much was ever written to each table of the live database, as far as that is counted yet."""
        with self.cursor() as cursor:
            return physical_facts.written_to(cursor)

    @staticmethod
    def facts(engine: PostgreSQL) -> Facts:
        """What a database has, in one moment."""
        with engine.snapshot() as snapshot:
            return snapshot.completed(snapshot.facts())

    @contextlib.contextmanager
    def cursor(self) -> t.Iterator[t.Any]:
        """Of a connection to the live database."""
        with contextlib.closing(self.engine.login.connect()) as link:
            link.set_session(autocommit=True)
            with link.cursor() as cursor:
                yield cursor


def preload(engine: PostgreSQL) -> str:
    """What the live cluster preloads; nothing where it does not run, as it may not at night."""
    with contextlib.suppress(SlipwayError), contextlib.closing(engine.login.connect()) as link, link.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('shared_preload_libraries') WHERE pg_has_role('pg_read_all_settings', 'USAGE')"
        )
        return str((cursor.fetchone() or [""])[0])
    return ""
