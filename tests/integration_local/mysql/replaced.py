# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that was changed after its backup, and all that it has."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.backup import mysql_facts
from ansible_collections.slipway.deploy.plugins.module_utils.database.mysql_login import rows

from .conftest import Server
from .target import Target

SCHEMA = """
CREATE TABLE parent (id int AUTO_INCREMENT PRIMARY KEY, word text);
CREATE TABLE child (id int AUTO_INCREMENT PRIMARY KEY, parent int,
  CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id));
CREATE TABLE seen (n bigint);
CREATE SEQUENCE s;
CREATE TABLE numbered (id int DEFAULT (NEXT VALUE FOR s) PRIMARY KEY);
CREATE TRIGGER counts AFTER INSERT ON parent FOR EACH ROW INSERT INTO seen VALUES (NEW.id);
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2;
CREATE PROCEDURE same() SELECT 1;
CREATE VIEW doubled AS SELECT twice(id) AS n FROM parent;
CREATE VIEW words AS SELECT word FROM parent;
CREATE EVENT yearly ON SCHEDULE EVERY 1 YEAR STARTS '2030-01-01 00:00:00' DO DELETE FROM seen;
INSERT INTO parent (word) SELECT CONCAT('x', seq) FROM seq_1_to_1000;
INSERT INTO child (parent) SELECT seq FROM seq_1_to_500;
INSERT INTO numbered () VALUES (), ();
"""


# What a bad migration may have done since.
LATER = """
INSERT INTO parent (word) SELECT 'y' FROM seq_1_to_500;
INSERT INTO numbered () VALUES (), (), ();
DELETE FROM child; DELETE FROM parent WHERE id <= 900;
DROP VIEW doubled; DROP FUNCTION twice; CREATE FUNCTION other() RETURNS int DETERMINISTIC RETURN 1;
CREATE OR REPLACE VIEW words AS SELECT 'none' AS word;
CREATE TABLE only_live (id int); CREATE VIEW of_only_live AS SELECT * FROM only_live;
CREATE TRIGGER more BEFORE INSERT ON child FOR EACH ROW SET @more = 1;
ALTER EVENT yearly COMMENT 'changed';
"""


def changed(server: Server, database: str, target: Target) -> Target:
    """A database with 1,000 rows, backed up; since then 500 more were made, the first ones lost, and objects changed."""
    server.script(database, SCHEMA)
    target.back_up("none")
    server.script(database, LATER)
    return target


class State(t.NamedTuple):
    """All of a database: definitions, rows, counters."""

    schema: dict[str, str]
    tables: dict[str, list[t.Any]]
    counters: dict[str, int]


def state(target: Target, database: str) -> State:
    with contextlib.closing(target.engine.login.to(database).connect()) as link:
        counters = mysql_facts.counters(link, database)
        rows(link, "START TRANSACTION READ ONLY")
        facts = mysql_facts.of_source(link, {})
        return State(facts["schema"], facts["tables"], counters)


def kept(server: Server, database: str) -> str:
    (name,) = [one for one in server.databases(database) if "_replaced_" in one]
    return name
