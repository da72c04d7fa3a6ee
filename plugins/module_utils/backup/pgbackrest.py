# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives pgBackRest, whose stanza, archive and retention are its own (private to the collection).

It is started as the owner of the cluster, without a shell, and every exit status counts; what it says in an error is passed on
with its own number (pgBackRest, src/build/error/error.yaml).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import typing as t

from ..errors import SlipwayError
from ..lifeline import with_us
from ..system import Completed, System
from .pgbackrest_info import LABEL, MISSING, READY, Stanza, is_segment, stanza_of, verdict_of
from .pipeline import Program, flow
from .postgresql_scratch import OWNER
from .progress import SILENT, Progress

LONGEST = (
    20 * 86400.0
)  # seconds; a backup may take as long as it takes, and no wait can be longer than 24 days (poll(2))
QUICK = 300.0  # seconds for what only reads a little
SAID = 2000  # characters of what it said that an error quotes
DAMAGED = (26, 28, 29)  # checksum, invalid file, format: of what is stored
GONE = (55, 75, 103)  # a file that is missing, a backup that is not there

FAR = re.compile(rb", (\d+)(?:\.\d+)?%\)")  # at the end of what it says of a file: how much of all that is

# What an exit status means: cause, and what to do.
MEANINGS: t.Final[dict[int, tuple[str, str]]] = {
    31: (
        "bad_option",
        "See its words; where it does not know an option, install pgBackRest 2.45 or newer on this machine.",
    ),
    50: ("busy", "Another pgBackRest works on this stanza. Wait until it has ended."),
    56: (
        "unreachable",
        "pgBackRest cannot connect to the cluster: see pg1-path, pg1-port and pg1-socket-path in its configuration.",
    ),
    58: (
        "other_cluster",
        "The stanza is of another cluster: see pg1-path in its configuration, and stanza-upgrade in its manual.",
    ),
    62: ("stopped", "Somebody has stopped pgBackRest for this stanza. Let it run again with pgbackrest start."),
    68: (
        "archive_broken",
        "Set archive_command to 'pgbackrest --stanza=STANZA archive-push %p', and reload the server.",
    ),
    82: ("archive_broken", "See the server's log for what archive_command says, and put that right."),
    87: ("archive_off", "Set archive_mode = on in postgresql.conf, and restart the server."),
    **{
        code: ("damaged", "Its disk or store damages data. Do not rely on it; take a full backup elsewhere.")
        for code in DAMAGED
    },
    **{code: ("missing", "See what was deleted in the repository, and take a full backup.") for code in GONE},
}


class Order(t.NamedTuple):
    """How pgBackRest is to be called.

    :param config: its configuration file; empty for its own default.
    :param repo: number of the repository; 0 for its own choice.
    :param kind: C(full), C(diff) or C(incr); empty for its own default.
    :param archive_timeout: seconds in which a WAL segment must arrive.
    """

    stanza: str
    config: str = ""
    repo: int = 0
    kind: str = ""
    archive_timeout: float = 60.0


class PgBackRest:
    """The program, for one stanza."""

    def __init__(self, order: Order, system: System, progress: Progress = SILENT) -> None:
        self.order = order
        self._system, self._progress = system, progress

    # --- what it knows

    def stanza(self) -> tuple[Stanza, str]:
        """What the repository has, and the very words.

        :raises SlipwayError: C(stanza_missing), C(command_missing), …
        """
        text = self._run("info", "--output=json", repo=False).stdout
        found = stanza_of(text, self.order.stanza, self.order.repo)
        if found.code in MISSING or not found.system:
            raise SlipwayError(
                "has not been created in the repository",
                obj=f"stanza {self.order.stanza}",
                actual=found.status,
                remedy=f"Create it once, on the machine of the repository: {self.shown('stanza-create')}",
                cause="stanza_missing",
            )
        if found.code not in READY:
            raise SlipwayError(
                "cannot be used",
                obj=f"stanza {self.order.stanza}",
                actual=found.status,
                remedy=f"See {self.shown('info')}",
                cause="stanza_broken",
            )
        return found, text

    def listing(self, path: str) -> list[str]:
        """The files below a path of the repository."""
        text = self._run("repo-ls", "--recurse", "--output=json", path, stanza=False).stdout
        return [name for name, about in json.loads(text or "{}").items() if about["type"] == "file"]

    def has_segment(self, segment: str, archives: t.Sequence[str]) -> bool:
        """Whether a file of the WAL is in the repository, whole.

        :param archives: ids under which it may be.
        """
        places = [f"archive/{self.order.stanza}/{one}/{segment[:16]}" for one in archives]
        return any(is_segment(name, segment) for place in places for name in self.listing(place))

    # --- what it does

    def check(self) -> None:
        """That WAL arrives in the archive.

        :raises SlipwayError: C(archive_off), C(archive_broken), C(other_cluster), C(unreachable), …
        """
        self._run("check", f"--archive-timeout={self.order.archive_timeout:g}", repo=False)

    def backup(self, *, expires: bool = True) -> None:
        """Take one.

        :param expires: what is beyond its own retention then goes.
        """
        kind = [f"--type={self.order.kind}"] if self.order.kind else []
        self._long("backed up", "backup", *kind, *([] if expires else ["--no-expire-auto"]))

    def doomed(self) -> list[str]:
        """The backups that its own retention would let go of now, by their labels."""
        said = self._run("expire", "--dry-run", says="info").stdout
        lines = [line for line in said.splitlines() if "expire" in line and "backup" in line]
        return list(dict.fromkeys(found[0] for line in lines for found in LABEL.finditer(line)))

    def expire(self) -> None:
        """Let go of them, and of the WAL before what stays."""
        self._run("expire")

    def verify(self, labels: t.Sequence[str]) -> str:
        """What is wrong with some backups, in words; empty where nothing is."""
        return verdict_of(self._run("verify", "--output=text", "--verbose").stdout, labels)

    def restore(self, label: str, data: str, target: t.Sequence[str], tablespaces: str) -> None:
        """Restore a backup into a directory that is empty, never into that of the cluster.

        :param target: options that say up to where WAL is replayed.
        """
        options = [f"--pg1-path={data}", "--reset-pg1-host", f"--set={label}", "--archive-mode=off", *target]
        self._long("restored", "restore", *options, f"--tablespace-map-all={tablespaces}")

    # --- how it is called

    def archive_get(self, data: str) -> str:
        """The C(restore_command) of a copy: never by the queue of the cluster's own archiving, which it would be in the way of."""
        words = self.words("archive-get", f"--pg1-path={data}", "--reset-pg1-host", "--no-archive-async")
        return " ".join([*(shlex.quote(word).replace("%", "%%") for word in words), "%f", '"%p"'])

    def words(
        self, command: str, *options: str, stanza: bool = True, repo: bool = True, says: str = "off"
    ) -> list[str]:
        """The command line, without who runs it.

        :param says: up to which level of its log is written to standard output.
        """
        order = self.order
        words = ["pgbackrest", *([f"--config={order.config}"] if order.config else ())]
        words += [f"--stanza={order.stanza}"] if stanza else []
        words += [f"--repo={order.repo}"] if order.repo and repo else []
        return [*words, f"--log-level-console={says}", "--log-level-stderr=warn", command, *options]

    def shown(self, command: str, *options: str) -> str:
        """A command that a person can copy."""
        config = [f"--config={self.order.config}"] if self.order.config else []
        return shlex.join(
            ["sudo", "-u", OWNER, "pgbackrest", *config, f"--stanza={self.order.stanza}", *options, command]
        )

    def _long(self, what: str, command: str, *options: str) -> None:
        """What copies a whole cluster; it names each file and how far it is with it."""
        self._expect_there()
        argv = [*as_owner("TERM"), *self.words(command, *options, says="detail")]
        rest = b""
        try:
            for chunk in flow([Program(tuple(argv), called="pgbackrest")]):
                *lines, rest = (rest + chunk).split(b"\n")
                self._tell(what, lines)
        except SlipwayError as error:
            if "status" not in error.evidence:
                raise
            raise self._error(command, Completed(error.evidence["status"], "", str(error.actual))) from None

    def _tell(self, what: str, lines: t.Sequence[bytes]) -> None:
        found = [match for match in map(FAR.search, lines) if match]
        if found:
            self._progress.say(f"{what} by pgBackRest: {int(found[-1][1])} %")

    def _run(self, command: str, *options: str, stanza: bool = True, repo: bool = True, says: str = "off") -> Completed:
        done = self._start(command, *options, stanza=stanza, repo=repo, says=says)
        if done.rc:
            raise self._error(command, done)
        return done

    def _start(
        self, command: str, *options: str, stanza: bool = True, repo: bool = True, says: str = "off"
    ) -> Completed:
        self._expect_there()
        argv = [*as_owner("TERM"), *self.words(command, *options, stanza=stanza, repo=repo, says=says)]
        return self._system.run(argv, timeout=LONGEST if command in ("verify", "expire") else QUICK)

    def _expect_there(self) -> None:
        if shutil.which("pgbackrest") is None:
            raise SlipwayError(
                "no such program",
                obj="pgbackrest",
                remedy="Install pgbackrest on this machine, and name it and the stanza in slipway_database.backup.physical.",
                cause="command_missing",
            )
        if self.order.config and not os.path.exists(self.order.config):
            raise SlipwayError(
                "is not there",
                obj=self.order.config,
                remedy="Name pgBackRest's configuration file in slipway_database.backup.physical.config.",
                cause="bad_input",
            )

    def _error(self, command: str, done: Completed) -> SlipwayError:
        cause, remedy = MEANINGS.get(done.rc, ("command_failed", "Do what it says, and run it again."))
        said = (done.stderr or done.stdout).strip()[-SAID:] or "it said nothing"
        return SlipwayError(
            f"{command} failed with exit status {done.rc}",
            obj=f"pgbackrest, stanza {self.order.stanza}",
            actual=said,
            remedy=remedy,
            cause=cause,
        )


def as_owner(ends_by: str) -> tuple[str, ...]:
    """Whatever follows runs as the owner of the cluster where this is root, and ends with this process.

    :param ends_by: the signal that it gets then, such as C(TERM).
    """
    user = (f"--reuid={OWNER}", f"--regid={OWNER}", "--init-groups") if os.geteuid() == 0 else ()
    return ("env", "--chdir=/", *with_us(ends_by, *user))  # the owner may not read where this process is
