# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks the version that still runs, or holds up whoever uses a table (private to the collection).

A new rule is a record in one of the three files. Locks and rewrites: PostgreSQL manual, "ALTER TABLE" and 13.3 "Explicit Locking";
MySQL manual, 17.12.1 "Online DDL Operations"; MariaDB, "InnoDB Online DDL".
"""

from __future__ import annotations

from .rule import Rule
from .rules_columns import COLUMNS
from .rules_constraints import CONSTRAINTS, COPIES, INDEXES
from .rules_tables import OBJECTS, TABLES

RULES = (*OBJECTS, *TABLES, *COLUMNS, *CONSTRAINTS, *INDEXES, *COPIES)
NAMES = frozenset(rule.name for rule in RULES)


def rules_of(dialect: str) -> tuple[Rule, ...]:
    """Those for a kind of database."""
    return tuple(rule for rule in RULES if dialect in rule.dialects)
