# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lint says of statements: which rule, of which class, and the safe way for that very statement."""

from __future__ import annotations

import pathlib
import re

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.check import lint
from ansible_collections.slipway.deploy.plugins.module_utils.migration.lint.rules import NAMES, RULES
from ansible_collections.slipway.deploy.plugins.module_utils.migration.tool import Sources, Text

CLASSES = {rule.name: rule.kind for rule in RULES}

# A script, what is found in it in order, and a piece of the recipe for each. Nothing where it is safe.
POSTGRESQL = [
    # Tables
    ("DROP TABLE item", "drop-table", "does without item"),
    ("DROP TABLE IF EXISTS a, shop.b CASCADE", "drop-table drop-table", "without a;|without shop.b;"),
    ('DROP TABLE "Item"', "drop-table", 'without "Item"'),
    ("ALTER TABLE item RENAME TO product", "rename-table", "CREATE VIEW item AS SELECT * FROM product;"),
    ("ALTER TABLE item RENAME TO product; CREATE VIEW item AS SELECT * FROM product", "", ""),
    ("ALTER TABLE item SET SCHEMA shop", "move-table", "CREATE VIEW item AS SELECT * FROM shop.item;"),
    (
        "CREATE TABLE n (id int); INSERT INTO n SELECT id FROM item; DROP TABLE item; ALTER TABLE n RENAME TO item",
        "rebuild-table",
        "ALTER TABLE item ADD COLUMN",
    ),
    ("CREATE TABLE n (id int); DROP TABLE n", "", ""),
    ("DROP TABLE item; CREATE TABLE item (id int)", "drop-table", "without item"),
    ("TRUNCATE item, ONLY tag RESTART IDENTITY", "truncate truncate", "contract|contract"),
    ("DELETE FROM item", "delete-all", "WHERE"),
    ("DELETE FROM item WHERE id < 5", "", ""),
    ("DELETE FROM item USING tag WHERE tag.item = item.id", "", ""),
    ("WITH old AS (DELETE FROM item RETURNING *) INSERT INTO archive SELECT * FROM old", "delete-all", "WHERE"),
    ("WITH old AS (DELETE FROM item) SELECT 1 WHERE true", "delete-all", "WHERE"),
    ("WITH a AS (SELECT 1) UPDATE item SET price = 0", "update-all", "UPDATE item SET"),
    ("UPDATE item SET price = 0", "update-all", "LIMIT 5000"),
    ("UPDATE item SET price = (SELECT 1 FROM tag WHERE true)", "update-all", "FROM item WHERE"),
    ("UPDATE item SET price = 0 WHERE price IS NULL", "", ""),
    ("LOCK TABLE item", "lock-table", "item"),
    ("LOCK item, tag IN SHARE ROW EXCLUSIVE MODE", "lock-table lock-table", "item|tag"),
    ("LOCK TABLE item IN ROW EXCLUSIVE MODE NOWAIT", "", ""),
    ("VACUUM FULL item", "rewrite-table", "pg_repack"),
    ("VACUUM (VERBOSE, FULL) item", "rewrite-table", "locks item for a moment"),
    ("VACUUM ANALYZE item", "", ""),
    ("CLUSTER item USING item_pkey", "rewrite-table", "item"),
    ("ALTER TABLE item SET UNLOGGED", "rewrite-table", "item"),
    ("ALTER TABLE item SET TABLESPACE fast", "rewrite-table", "item"),
    ("ALTER TABLE item SET (fillfactor = 70)", "", ""),
    ("ALTER TABLE item ENABLE ROW LEVEL SECURITY", "enable-row-security", "policies"),
    ("ALTER TABLE item ENABLE TRIGGER ALL", "", ""),
    ("ALTER TABLE item DETACH PARTITION item_1", "detach-partition", "item DETACH PARTITION item_1 CONCURRENTLY"),
    # Columns
    ("ALTER TABLE item DROP COLUMN price", "drop-column", "ALTER TABLE item ALTER COLUMN price SET DEFAULT"),
    ("ALTER TABLE IF EXISTS ONLY shop.item DROP price CASCADE", "drop-column", "ALTER TABLE shop.item"),
    ("ALTER TABLE item ADD a int, DROP COLUMN IF EXISTS b, ADD c int", "drop-column", "COLUMN b"),
    ("ALTER TABLE item DROP a, ADD a text", "drop-column", "COLUMN a"),
    ("ALTER TABLE item RENAME COLUMN price TO cost", "rename-column", "ALTER TABLE item ADD COLUMN cost"),
    ("ALTER TABLE item RENAME price TO cost", "rename-column", "drop price in the contract phase"),
    ("ALTER TABLE item ALTER COLUMN price TYPE numeric(10, 2)", "change-type", "ADD COLUMN price_new numeric(10, 2);"),
    ("ALTER TABLE item ALTER price SET DATA TYPE text USING price::text", "change-type", "price_new text;"),
    ("ALTER TABLE item ADD COLUMN price int", "", ""),
    ("ALTER TABLE item ADD COLUMN price int NOT NULL DEFAULT 0", "", ""),
    ("ALTER TABLE item ADD COLUMN price numeric(10, 2) DEFAULT 0::numeric(10, 2)", "", ""),
    ("ALTER TABLE item ADD COLUMN made timestamptz NOT NULL DEFAULT now()", "", ""),
    ("ALTER TABLE item ADD COLUMN tags character varying(9)[] DEFAULT '{}'::character varying(9)[] NOT NULL", "", ""),
    ("ALTER TABLE item ADD COLUMN price int NOT NULL", "add-column-not-null", "COLUMN price int NOT NULL DEFAULT"),
    ("ALTER TABLE item ADD price int DEFAULT NULL NOT NULL", "add-column-not-null", "item ADD COLUMN price int"),
    (
        "ALTER TABLE item ADD COLUMN IF NOT EXISTS u uuid DEFAULT gen_random_uuid()",
        "add-column-rewrites",
        "COLUMN u uuid;",
    ),
    ("ALTER TABLE item ADD n bigserial", "add-column-rewrites", "nextval('item_n_seq')"),
    ("ALTER TABLE item ADD n int GENERATED BY DEFAULT AS IDENTITY", "add-column-rewrites", "ADD COLUMN n int;"),
    ("ALTER TABLE item ADD t int GENERATED ALWAYS AS (a * 2) STORED", "add-column-rewrites", "let a trigger fill it"),
    ("ALTER TABLE item ALTER COLUMN price SET DEFAULT random()", "", ""),
    ("ALTER TABLE item ALTER COLUMN price DROP DEFAULT", "drop-default", "leaves price out"),
    ("ALTER TABLE item ALTER COLUMN price DROP NOT NULL", "", ""),
    (
        "ALTER TABLE item ADD p int DEFAULT 0 NOT NULL; ALTER TABLE item ALTER p DROP DEFAULT",
        "drop-default",
        "leaves p out",
    ),
    ("ALTER TABLE item ADD p int DEFAULT 0; ALTER TABLE item ALTER p DROP DEFAULT", "", ""),
    (
        "ALTER TABLE item ADD p int DEFAULT 0; ALTER TABLE item ALTER p DROP DEFAULT, ALTER p SET NOT NULL",
        "set-not-null not-null-scan",
        "always fills p|item_p_filled",
    ),
    ("ALTER TABLE item ADD p int; ALTER TABLE item RENAME p TO q; ALTER TABLE item DROP q", "", ""),
    (
        "ALTER TABLE item ALTER price SET NOT NULL",
        "set-not-null not-null-scan",
        "always fills price|ADD CONSTRAINT item_price_filled CHECK (price IS NOT NULL) NOT VALID",
    ),
    ("ALTER TABLE item ADD CHECK (price IS NOT NULL) NOT VALID", "set-not-null", "always fills price"),
    # Constraints
    ("ALTER TABLE item DROP CONSTRAINT IF EXISTS item_name_key", "drop-constraint", "does without it"),
    ("ALTER TABLE item DROP CONSTRAINT k, ADD CONSTRAINT k CHECK (a IN ('x', 'y')) NOT VALID", "", ""),
    ("ALTER TABLE item RENAME CONSTRAINT k TO l", "rename-constraint", "Keep the name k"),
    (
        "ALTER TABLE item ADD CONSTRAINT f FOREIGN KEY (tag) REFERENCES tag (id) ON DELETE CASCADE",
        "add-foreign-key",
        "ADD CONSTRAINT f FOREIGN KEY (tag) REFERENCES tag (id) ON DELETE CASCADE NOT VALID;",
    ),
    ("ALTER TABLE item ADD FOREIGN KEY (tag) REFERENCES tag", "add-foreign-key", "VALIDATE CONSTRAINT item_tag_fkey;"),
    ("ALTER TABLE item ADD CONSTRAINT f FOREIGN KEY (tag) REFERENCES tag (id) NOT VALID", "", ""),
    ("ALTER TABLE item ADD tag int REFERENCES tag (id)", "add-foreign-key", "FOREIGN KEY (tag) REFERENCES"),
    (
        "ALTER TABLE item ADD CONSTRAINT c CHECK (price > 0)",
        "add-check",
        "ADD CONSTRAINT c CHECK (price > 0) NOT VALID;",
    ),
    ("ALTER TABLE item ADD p int CHECK (p > 0)", "add-check", "item_p_check"),
    (
        "ALTER TABLE item ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE item VALIDATE CONSTRAINT c",
        "validate-in-transaction",
        "ALTER TABLE item VALIDATE CONSTRAINT c;",
    ),
    ("ALTER TABLE item VALIDATE CONSTRAINT c", "", ""),
    (
        "ALTER TABLE item ADD CONSTRAINT u UNIQUE (a, b)",
        "add-unique",
        "CREATE UNIQUE INDEX CONCURRENTLY u ON item (a, b);",
    ),
    ("ALTER TABLE item ADD UNIQUE (a)", "add-unique", "UNIQUE USING INDEX item_a_key;"),
    ("ALTER TABLE item ADD CONSTRAINT u UNIQUE USING INDEX u", "", ""),
    ("ALTER TABLE item ADD a int UNIQUE", "add-unique", "item_a_key ON item (a)"),
    ("ALTER TABLE item ADD PRIMARY KEY (id)", "add-primary-key", "PRIMARY KEY USING INDEX item_id_pkey;"),
    ("ALTER TABLE item ADD id bigint PRIMARY KEY", "add-column-not-null add-primary-key", "DEFAULT|item_pkey"),
    ("ALTER TABLE item ADD CONSTRAINT p PRIMARY KEY USING INDEX i", "", ""),
    ("ALTER TABLE item ADD EXCLUDE USING gist (during WITH &&)", "add-exclusion", "item"),
    # Indexes
    ("CREATE INDEX i ON item (a)", "index-blocks-writes", "CREATE INDEX CONCURRENTLY i ON item (a);"),
    (
        "CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY shop.item USING btree (lower(a)) WHERE b",
        "index-blocks-writes",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY shop.item USING btree (lower(a)) WHERE b;",
    ),
    ("CREATE INDEX ON item (a)", "index-blocks-writes", "CREATE INDEX CONCURRENTLY ON item (a);"),
    ("CREATE INDEX CONCURRENTLY i ON item (a)", "", ""),
    ("CREATE TABLE item (a int); CREATE INDEX i ON item (a); ALTER TABLE item ADD UNIQUE (a), DROP a", "", ""),
    ("CREATE TEMP TABLE item AS SELECT 1 AS a; CREATE INDEX i ON item (a); TRUNCATE item", "", ""),
    ("DROP INDEX i", "drop-index drop-index-locks", "does without it|DROP INDEX CONCURRENTLY i;"),
    ("DROP INDEX CONCURRENTLY IF EXISTS i", "drop-index", "contract"),
    ("REINDEX TABLE item", "reindex", "REINDEX TABLE CONCURRENTLY item;"),
    ("REINDEX (CONCURRENTLY) INDEX i", "", ""),
    # What stands beside tables
    ("DROP VIEW v", "drop-view", "without v"),
    ("DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1", "", ""),
    ("DROP MATERIALIZED VIEW v", "drop-view", "without v"),
    ("ALTER VIEW v RENAME TO w", "rename-view", "second view w"),
    ("REFRESH MATERIALIZED VIEW v", "refresh", "REFRESH MATERIALIZED VIEW CONCURRENTLY v;"),
    ("DROP TYPE mood", "drop-type", "without mood"),
    ("ALTER TYPE mood RENAME TO feeling", "rename-type", "second type feeling"),
    ("ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'", "rename-value", "ALTER TYPE mood ADD VALUE"),
    ("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'fine'", "", ""),
    ("ALTER TYPE pair DROP ATTRIBUTE a", "change-attribute", "second type"),
    ("ALTER DOMAIN money ADD CONSTRAINT c CHECK (VALUE > 0)", "tighten-domain", "VALIDATE CONSTRAINT c;"),
    ("DROP SCHEMA old CASCADE", "drop-schema", "without old"),
    ("DROP FUNCTION f(int, text)", "drop-routine", "without f"),
    ("ALTER FUNCTION f(int) RENAME TO g", "rename-routine", "second routine g"),
    ("DROP TRIGGER t ON item", "drop-trigger", "without t"),
    ("DROP TRIGGER IF EXISTS t ON item; CREATE TRIGGER t BEFORE INSERT ON item EXECUTE FUNCTION f()", "", ""),
    ("DROP SEQUENCE s", "drop-sequence", "without s"),
    # Blocks, comments, and what only looks like it
    (
        "DO $$ BEGIN IF true THEN ALTER TABLE item DROP a; EXECUTE 'DROP TABLE \"Tag\"'; END IF; END $$",
        "drop-column drop-table",
        'COLUMN a SET DEFAULT|"Tag"',
    ),
    ("SELECT 'DROP TABLE item'; INSERT INTO log VALUES ('ALTER TABLE item DROP a; DELETE FROM item')", "", ""),
    ("/* DROP TABLE item; */ -- DROP TABLE item;\nSELECT 1", "", ""),
    ("ALTER /* a /* b */ c */ TABLE item -- DROP b,\n DROP COLUMN a", "drop-column", "COLUMN a"),
    ("CREATE FUNCTION f() RETURNS void AS $$ BEGIN DROP TABLE item; END $$ LANGUAGE plpgsql", "", ""),
    ("GRANT SELECT ON item TO app; COMMENT ON COLUMN item.a IS 'DROP'", "", ""),
]

MYSQL = [
    ("ALTER TABLE `item` DROP COLUMN `price`", "drop-column", "ALTER TABLE `item` ALTER COLUMN `price` SET DEFAULT"),
    ("DROP TABLE item", "drop-table", "without item"),
    ("DROP TEMPORARY TABLE item", "", ""),
    (
        "RENAME TABLE item TO product, tag TO label",
        "rename-table rename-table",
        "CREATE VIEW product|CREATE VIEW label",
    ),
    ("CREATE TABLE n (a int); RENAME TABLE item TO o, n TO item", "rebuild-table", "ALTER TABLE item ADD COLUMN"),
    ("ALTER TABLE item RENAME product", "rename-table", "RENAME TABLE product TO product_view, item TO product;"),
    (
        "RENAME TABLE item TO p; CREATE VIEW item AS SELECT * FROM p",
        "rename-table",
        "CREATE VIEW p AS SELECT * FROM item",
    ),
    ("CREATE OR REPLACE TABLE item (a int)", "drop-table", "without item"),
    ("ALTER TABLE item CHANGE COLUMN price cost int", "rename-column", "ADD COLUMN cost"),
    (
        "ALTER TABLE item CHANGE price price bigint NOT NULL",
        "change-type copies-table",
        "price_new bigint|ALGORITHM=INPLACE",
    ),
    ("ALTER TABLE item MODIFY price bigint", "change-type copies-table", "price_new bigint|LOCK=NONE"),
    ("ALTER TABLE item MODIFY state enum('a', 'b'), ALGORITHM=INSTANT", "", ""),
    (
        "ALTER TABLE item MODIFY price int NOT NULL, ALGORITHM = INPLACE, LOCK = NONE",
        "set-not-null",
        "always fills price",
    ),
    ("ALTER TABLE item ADD COLUMN (a int, b int NOT NULL)", "add-column-not-null", "ADD COLUMN b int NOT NULL DEFAULT"),
    ("ALTER TABLE item ADD n int NOT NULL AUTO_INCREMENT UNIQUE FIRST", "copies-table", "ADD COLUMN n int"),
    ("ALTER TABLE item ADD u char(36) DEFAULT (uuid())", "copies-table", "ADD COLUMN u char(36)"),
    ("ALTER TABLE item ADD t timestamp DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3) AFTER a", "", ""),
    ("ALTER TABLE item ADD s int AS (a * 2) STORED", "add-column-rewrites", "trigger"),
    ("ALTER TABLE item ADD INDEX i (a), ADD UNIQUE KEY u (b)", "", ""),
    ("ALTER TABLE item ADD FULLTEXT INDEX f (a)", "index-blocks-writes", "second table"),
    ("CREATE INDEX i ON item (a) ALGORITHM=COPY", "copies-table", "ALGORITHM=INPLACE"),
    ("CREATE INDEX i ON item (a) LOCK=SHARED", "lock-table", "LOCK=NONE"),
    (
        "ALTER TABLE item ADD CONSTRAINT f FOREIGN KEY (tag) REFERENCES tag (id)",
        "copies-table",
        "ADD CONSTRAINT f FOREIGN KEY (tag) REFERENCES tag (id), ALGORITHM=INPLACE, LOCK=NONE;",
    ),
    ("ALTER TABLE item ADD CONSTRAINT f FOREIGN KEY (tag) REFERENCES tag (id), ALGORITHM=INPLACE", "", ""),
    ("ALTER TABLE item DROP FOREIGN KEY f, DROP KEY i", "drop-constraint drop-index", "without it|without it"),
    ("ALTER TABLE item DROP PRIMARY KEY", "drop-constraint copies-table", "contract|ALGORITHM"),
    ("ALTER TABLE item DROP PARTITION p1", "drop-partition", "contract"),
    ("ALTER TABLE item CONVERT TO CHARACTER SET utf8mb4", "copies-table", "ALTER TABLE item …, ALGORITHM"),
    ("ALTER TABLE item ENGINE=InnoDB", "copies-table", "ALGORITHM"),
    ("ALTER TABLE item ALTER price DROP DEFAULT", "drop-default", "price"),
    ("/*!40000 ALTER TABLE item DROP a */", "drop-column", "COLUMN a"),
    ('# DROP TABLE item\nSELECT "DROP TABLE item"', "", ""),
    ("LOCK TABLES item WRITE", "lock-table", "item"),
    ("DELETE FROM item LIMIT 1000", "", ""),
    ("DROP VIEW v; CREATE VIEW v AS SELECT 1", "drop-view", "without v"),
]

SQLITE = [
    ("ALTER TABLE [item] DROP COLUMN price", "drop-column", "does not read price"),
    ('ALTER TABLE item RENAME COLUMN `a` TO "b"', "rename-column", 'ALTER TABLE item ADD COLUMN "b"'),
    ("ALTER TABLE item RENAME TO product", "rename-table", "uses item"),
    ("ALTER TABLE item ADD a NOT NULL", "add-column-not-null", "item ADD COLUMN a"),
    ("ALTER TABLE item ADD a DEFAULT (1)", "", ""),
    ("CREATE INDEX i ON item (a); UPDATE item SET a = 1", "", ""),
    (
        'CREATE TABLE "new" (a); INSERT INTO new SELECT a FROM item; DROP TABLE item; ALTER TABLE new RENAME TO item',
        "rebuild-table",
        "ALTER TABLE item ADD COLUMN",
    ),
    ("DELETE FROM item", "delete-all", "WHERE"),
]

ALL = [
    *(("postgresql", *row) for row in POSTGRESQL),
    *(("mysql", *row) for row in MYSQL),
    *(("sqlite", *row) for row in SQLITE),
]


@pytest.mark.parametrize(("dialect", "sql", "rules", "recipes"), ALL)
def test_what_it_says_of_a_script(dialect: str, sql: str, rules: str, recipes: str) -> None:
    found = lint(Sources([Text("V1__x.sql", [sql])], dialect, 15)).findings
    assert [one.rule for one in found] == rules.split()
    for one, piece in zip(found, recipes.split("|")):
        assert piece in one.recipe
        assert one.kind == CLASSES[one.rule]
        assert "{" not in one.recipe + one.message


def test_every_rule_stands_in_the_table() -> None:
    told = {rule for _dialect, _sql, rules, _recipes in ALL for rule in rules.split()}
    # Told by the same record as their neighbours.
    assert NAMES - told == {"drop-extension", "rename-schema", "rename-sequence", "rename-trigger"}


def test_the_page_names_every_rule_with_its_class() -> None:
    page = pathlib.Path(__file__).parents[5] / "docs/migrations.md"
    rows = re.findall(r"^\| `(contract|unsafe_lock)` \| (.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {rule: kind for kind, rules in rows for rule in re.findall(r"`([a-z-]+)`", rules)} == CLASSES


def test_lines_are_those_of_the_action() -> None:
    sql = "SELECT 1;\n\nALTER TABLE item\n  ADD a int, -- one\n  /* two\n */ DROP b,\n  RENAME TO c;\nDROP TABLE d;"
    found = lint(Sources([Text("V1__x.sql", [sql])], "postgresql", 15)).findings
    assert [(one.rule, one.line) for one in found] == [("drop-column", 6), ("rename-table", 7), ("drop-table", 8)]
