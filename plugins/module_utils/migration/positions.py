# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Positions in what a database sends to its replicas, of each kind of database (private to the collection).

A replica is asked itself. What a primary tells of replicas leaves out those behind other replicas, and those that are away.
"""

from __future__ import annotations

import abc
import contextlib
import typing as t

from ..errors import SlipwayError
from .connection import Connection
from .database import FENCE
from .refused import RefusedError

NO_REPLICA = "not_a_replica"
NO_TABLE = "1146"  # MariaDB, "Error Codes"


class Goal(t.NamedTuple):
    """What a replica must reach.

    :param position: in the words of RV(Positions.seen) alone.
    :param shown: the same for people.
    :param server: what a replica has in common with its primary; empty where nobody tells.
    :param tokens: those of releases that the primary has in a table; a replica that has reached the position has them, too.
    """

    position: t.Any
    shown: str
    server: str = ""
    tokens: t.Mapping[str, int] = {}


class Seen(t.NamedTuple):
    """How far a replica is.

    :param shown: its position.
    :param behind: how much it lacks, in words; empty where it lacks nothing.
    :param why: why it does not go on; empty where nobody tells.
    :param remedy: what to do about that.
    """

    shown: str
    behind: str = ""
    why: str = ""
    remedy: str = ""


class Positions(abc.ABC):
    """How servers of one kind are asked."""

    @abc.abstractmethod
    def goal(self, primary: Connection, *, settled: bool) -> Goal:
        """Where the primary is now, all included that was committed before.

        :param settled: whether a line may be written into its log for that.
        :raises SlipwayError: C(binlog_off) for one that tells no position; C(denied), …
        """

    @abc.abstractmethod
    def seen(self, replica: Connection, goal: Goal) -> Seen:
        """:raises SlipwayError: C(NO_REPLICA) for what will never get there; C(unreachable), C(login), …"""


class PostgreSQLPositions(Positions):
    """By the position in the WAL (PostgreSQL manual, "System Administration Functions", "Recovery Control Functions")."""

    def goal(self, primary: Connection, *, settled: bool) -> Goal:
        if settled:  # also what was committed without waiting for the log is in it then
            primary.run("SET synchronous_commit = local")
            primary.run("SELECT pg_logical_emit_message(true, 'slipway', '')")
        ((written,),) = primary.run("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::text")
        return Goal(int(written), lsn(int(written)), _identifier(primary))

    def seen(self, replica: Connection, goal: Goal) -> Seen:
        ((follows, replayed, received, paused, sent),) = replica.run(
            "SELECT pg_is_in_recovery(), (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::text,"
            " (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::text,"
            " CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END,"
            " EXISTS (SELECT FROM pg_stat_wal_receiver WHERE pid IS NOT NULL)"
        )
        if not follows:
            raise no_replica("it takes writes itself", "a server in recovery")
        server = _identifier(replica)
        if server and goal.server and server != goal.server:
            raise no_replica(f"system identifier {server}", goal.server)
        here = int(replayed or 0)
        if here >= goal.position:
            return Seen(lsn(here))
        behind = f"{size(goal.position - here)} of WAL"
        if paused:
            return Seen(lsn(here), behind, "its replay is paused", "Resume it there: SELECT pg_wal_replay_resume().")
        if int(received or 0) >= goal.position:
            why = "it has received that, and does not replay it"
            return Seen(lsn(here), behind, why, "A query there may hold it up: see pg_stat_activity, and its log.")
        if not sent:
            return Seen(lsn(here), behind, "nothing is sent to it", "See primary_conninfo and the log there.")
        return Seen(lsn(here), behind)


class MySQLPositions(Positions):
    """By global transaction ids, of MariaDB and of MySQL, which have two kinds of them (MariaDB, "Global Transaction ID";
    MySQL manual, "Replication with Global Transaction Identifiers").

    Those of MySQL say whose they are. Those of MariaDB are numbers, which another cluster's may have passed, so its replicas are
    known by what releases have left in the database.
    """

    def goal(self, primary: Connection, *, settled: bool) -> Goal:
        tokens: t.Mapping[str, int] = {}
        if _is_mariadb(primary):
            tokens = _tokens(primary) or {}  # before the position, so that they are within it
            said = str(primary.run("SELECT @@GLOBAL.gtid_binlog_pos")[0][0] or "")
            missing = "log_bin, without which nothing is replicated"
        else:
            said = _joined(primary.run("SELECT @@GLOBAL.gtid_executed")[0][0])
            missing = "gtid_mode=ON, without which a replica's place cannot be told"
        if not said:
            raise SlipwayError(
                "tells no position that its replicas must reach",
                obj="the database",
                wanted=missing,
                remedy="Set it; or take its replicas out of slipway_database.replicas, and nobody waits for them.",
                cause="binlog_off",
            )
        return Goal(said, said, tokens=tokens)

    def seen(self, replica: Connection, goal: Goal) -> Seen:
        status = _status(replica)
        mariadb = _is_mariadb(replica)
        here = _joined(replica.run(f"SELECT @@GLOBAL.{'gtid_slave_pos' if mariadb else 'gtid_executed'}")[0][0])
        if status == [] or (status is None and not here):
            raise no_replica("it follows nobody", "a server that replicates")
        lacking = lacks(goal.position, here) if mariadb else self._lacks(replica, goal.position)
        if not lacking:
            _expect_tokens(replica, goal.tokens)
            return Seen(here or "nothing")
        why = _halted(status or [])
        remedy = "START REPLICA there (START SLAVE), or mend what it says." if why else ""
        return Seen(here or "nothing", f"{lacking} transaction{'s'[: lacking != 1]}", why, remedy)

    def _lacks(self, replica: Connection, position: str) -> int:
        left = _joined(replica.run("SELECT GTID_SUBTRACT(%s, @@GLOBAL.gtid_executed)", position)[0][0])
        return transactions(left)


def no_replica(actual: str, wanted: str) -> SlipwayError:
    """One that will never get there."""
    return SlipwayError(
        "is no replica of this database",
        actual=actual,
        wanted=wanted,
        remedy="Correct slipway_database.replicas, or take it out of there.",
        cause=NO_REPLICA,
    )


def lsn(position: int) -> str:
    """As PostgreSQL writes it (its manual, C(pg_lsn))."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def size(octets: float) -> str:
    """For people."""
    for unit in ("B", "KiB", "MiB"):
        if octets < 1024:
            return f"{octets:.0f} B" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= 1024
    return f"{octets:.1f} GiB"


def lacks(position: str, here: str) -> int:
    """Transactions of MariaDB, each C(domain-server-number), numbered within their domain."""
    reached = dict(map(_of_domain, filter(None, here.split(","))))
    wanted = map(_of_domain, position.split(","))
    return sum(max(0, number - reached.get(domain, 0)) for domain, number in wanted)


def transactions(gtids: str) -> int:
    """How many there are in a set of MySQL's, C(server:1-5:7,server:tag:1) (MySQL manual, "GTID Sets")."""
    found = 0
    for interval in (part for one in gtids.split(",") for part in one.split(":")[1:]):
        first, _dash, last = interval.strip().partition("-")
        if first.isdigit():  # since 8.3 a tag may stand between
            found += int(last or first) - int(first) + 1
    return found


def _of_domain(gtid: str) -> tuple[str, int]:
    domain, _server, number = gtid.strip().split("-")
    return domain, int(number)


def _identifier(database: Connection) -> str:
    """Of the cluster; empty where this user may not see it."""
    with contextlib.suppress(RefusedError):
        return str(database.run("SELECT system_identifier FROM pg_control_system()")[0][0])
    return ""


def _tokens(database: Connection) -> dict[str, int] | None:
    """Of releases that have migrated; None where this user may not see them."""
    try:
        return {str(name): int(token) for name, token in database.run("SELECT name, token FROM slipway_fence")}
    except RefusedError as error:
        return {} if error.code == NO_TABLE else None


def _expect_tokens(replica: Connection, wanted: t.Mapping[str, int]) -> None:
    """:raises SlipwayError: C(NO_REPLICA) for one that has passed the position and lacks what was written before it."""
    found = _tokens(replica) if wanted else None
    if found is None:
        return
    for name, token in wanted.items():
        if found.get(name, 0) < token:
            there = f"{found[name]} of {name}" if name in found else f"nothing of {name}"
            raise no_replica(f"{there} in {FENCE}, although it is as far", f"{token}, as the database has it")


def _is_mariadb(database: Connection) -> bool:
    return "mariadb" in str(database.run("SELECT VERSION()")[0][0]).lower()


def _status(replica: Connection) -> list[dict[str, t.Any]] | None:
    """Of what it follows, a line each; None where this user may not see it."""
    for question in ("SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS"):
        with contextlib.suppress(RefusedError):  # each kind of server knows another one
            return _named_rows(replica, question)
    return None


def _named_rows(database: Connection, question: str) -> list[dict[str, t.Any]]:
    """What is answered, by the names of its columns."""
    with database.told(), contextlib.closing(database.link.cursor()) as cursor:
        cursor.execute(question)
        names = [str(column[0]) for column in cursor.description or ()]
        return [dict(zip(names, row)) for row in cursor.fetchall()]


def _halted(status: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """What has stopped, and the server's own words about it."""
    for line in status:
        told = {name.replace("Replica_", "Slave_"): value for name, value in line.items()}
        for part, what in (("SQL", "replays nothing"), ("IO", "gets nothing")):
            if told.get(f"Slave_{part}_Running") != "Yes":
                said = str(told.get(f"Last_{part}_Error") or "").strip()
                return f"it {what} (Slave_{part}_Running: {told.get(f'Slave_{part}_Running')}{f', {said}' if said else ''})"
    return ""


def _joined(text: object) -> str:
    """A set of MySQL's is told in several lines."""
    return "".join(str(text or "").split())
