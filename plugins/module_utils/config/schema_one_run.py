# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said to one run, mostly on the command line (private to the collection)."""

from __future__ import annotations

from .option import Option, Pattern
from .schema_backup import REASON, RESTORE_INTO_DIRECTORY, ROLES
from .schema_day_two import DAY_TWO
from .schema_migrations import FOR_ONE_RUN

RELEASE = Pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,191}", "a version, or the id of a release")

ONE_RUN = (
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
        "slipway_waive_replicas",
        "string",
        "Go past replicas of C(slipway_database.replicas) that cannot be asked, or do not replay what was applied, for this"
        " reason. It stands in the journal and in the report. The next release without it waits for them again.",
        pattern=REASON,
        identity=False,
        example="ansible-playbook deploy.yml -i production -e slipway_version=1.4.2"
        " -e \"slipway_waive_replicas='db2 is being rebuilt, and nothing reads from it'\"",
    ),
    Option(
        "slipway_backup",
        "string",
        "The backup that the playbook C(restore) takes: its id, or C(latest).",
        default="latest",
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_backup=20261124T031500Z-0a1b2c",
    ),
    Option(
        "slipway_restore_into",
        "string",
        "The database that the playbook C(restore) makes. Without it the live one is replaced, which wants"
        " C(slipway_restore_over).",
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_restore_into=shop_look",
    ),
    Option(
        "slipway_restore_over",
        "string",
        "The name of the live database, said once more, so that the playbook C(restore) replaces it.",
        identity=False,
        roles=ROLES,
        example="ansible-playbook slipway.deploy.restore -i production -e slipway_restore_over=shop",
    ),
    *RESTORE_INTO_DIRECTORY,
    *FOR_ONE_RUN,
    *DAY_TWO,
    Option(
        "slipway_balancer_forget",
        "list",
        "Balancers that were lost while a release moved the traffic, and are gone for good: the release is brought to its"
        " end without them. Until then both of its sides keep running, because a lost balancer may send requests to either."
        " Recorded in the journal. One that comes back all the same is brought along by the next release.",
        single=True,
        unique=True,
        element=Option("machine", "string", "The name of one in the inventory."),
        identity=False,
        example="ansible-playbook deploy.yml -i production -e slipway_version=1.4.2 -e slipway_balancer_forget=lb2",
    ),
    Option(
        "slipway_break_glass",
        "boolean",
        "Go on in a disaster although the majority of the machines cannot grant the lock. Recorded in the journal.",
        default=False,
        identity=False,
        example="ansible-playbook deploy.yml -i production -e slipway_version=1.4.2 -e slipway_break_glass=true",
    ),
)
