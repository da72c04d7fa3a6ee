# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of MySQL and MariaDB needs no server: where a database is, what a user may see, what a dump says."""

from __future__ import annotations

import sys
import urllib.parse

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup import factory, mysql, mysql_facts, mysql_restore
from ansible_collections.slipway.deploy.plugins.module_utils.backup.mysql_objects import unqualified
from ansible_collections.slipway.deploy.plugins.module_utils.backup.tools import Host
from ansible_collections.slipway.deploy.plugins.module_utils.database.mysql_login import Login, quoted
from ansible_collections.slipway.deploy.plugins.module_utils.database.secrets import secrets_of
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import DATABASE_BACKUP
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from hypothesis import example, given
from hypothesis import strategies as some

WORD = some.text(some.characters(min_codepoint=1, exclude_categories=["Cs"]), min_size=1, max_size=60)


def encoded(text):
    return urllib.parse.quote(text, safe="")


# --- where it is, and as whom


@given(WORD, WORD, WORD, some.integers(1, 65535))
@example("a@b:c/d?e#f", "p@ss: w'\\\"#%/?&", "da/ta b?se", 3306)
def test_a_connection_string_says_what_was_put_into_it(user, password, database, port):
    login = Login(f"mysql://{encoded(user)}:{encoded(password)}@[::1]:{port}/{encoded(database)}")
    assert (login.user, login.password, login.host, login.port) == (user, password, "::1", port)
    assert login.database == database
    assert login.where == {"host": "::1", "database": database}


def test_bytes_that_are_no_text_pass_as_they_are():
    login = Login("mariadb://u:%ff%00@h/d")
    assert login.option_file().splitlines()[2] == b'password="\xff\x00"'


def test_what_is_not_said_has_a_default():
    login = Login("mariadb+pymysql:///shop?socket=/run/a%20b/s&charset=utf8mb4")
    assert (login.user, login.password, login.host, login.port, login.database) == ("", "", "localhost", 3306, "shop")
    assert (login.socket, login.where["host"]) == ("/run/a b/s", "local socket")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "postgresql://u:secret@h/d",
        "mysql://u:secret@h",
        "mysql://u:secret@h/",
        "mysql://u:sec/ret@h/d",
        "mysql://u:secret@h:port/d",
        "mysql://u:secret@h/d/e",
        "mysql://u:secret@h/d#f",
    ],
)
def test_what_is_no_connection_string_is_refused_without_repeating_it(url):
    with pytest.raises(SlipwayError, match="is not a connection string of MySQL or MariaDB") as caught:
        Login(url)
    assert caught.value.cause == "bad_input"
    assert "sec" not in str(caught.value.result()).replace("percent", "")


def test_an_option_that_nobody_knows_is_refused_for_it_may_be_meant_for_safety():
    with pytest.raises(SlipwayError, match="found 'unknown: sslca', wanted 'one of socket, unix-socket, charset, ssl"):
        Login("mysql://u:secret@h/d?sslca=/ca.pem")


def test_tls_is_asked_for_alike_by_the_driver_and_by_the_programs():
    login = Login("mysql://u@h/d?ssl_ca=/ca.pem&ssl-verify-server-cert=true")
    assert login._ssl() == {"ca": "/ca.pem", "check_hostname": True, "verify_mode": True}
    lines = login.option_file().decode().splitlines()
    assert 'loose-ssl-ca="/ca.pem"' in lines and 'loose-ssl-mode="VERIFY_IDENTITY"' in lines
    assert Login("mysql://u@h/d")._ssl() is None
    with pytest.raises(SlipwayError, match="has nothing to verify the server's certificate by"):
        Login("mysql://u@h/d?ssl-verify-server-cert=1")


def test_the_path_of_the_options_is_readable_while_they_are_needed_and_nothing_afterwards():
    with Host(System()).handed(Login("mysql://u:s3cret@h/d").option_file()) as handed:
        with open(handed.path, encoding="utf-8") as options:
            assert 'password="s3cret"' in options.read()
        assert "s3cret" not in handed.path
    with pytest.raises(OSError):
        open(handed.path, encoding="utf-8").close()


def test_a_driver_that_is_missing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(SlipwayError, match="Install python3-pymysql") as caught:
        Login("mysql://u@h/d").connect()
    assert caught.value.cause == "driver_missing"


@pytest.mark.parametrize("name, kind", [("mysql", mysql.MySQL), ("mariadb", mysql.MariaDB)])
def test_each_name_chooses_an_engine_that_says_it(name, kind):
    params = {name: option.get("default") for name, option in DATABASE_BACKUP.options.items()}
    params.update(engine=name, root="/r", name="shop")
    engine = factory.engine(params, f"{name}://u@h/shop", System())
    assert engine.__class__ == kind and engine.name == name and engine.database == "shop"
    assert engine.closed_file == "/r/backups/shop.closed.json"


@given(WORD)
def test_no_form_of_the_password_is_told(password):
    url = f"mysql://u:{encoded(password)}@h/d"
    assert {url, encoded(password), password} <= secrets_of("mariadb", url)


# --- names, programs


def test_a_name_in_backticks():
    assert quoted("a`b", "c") == "`a``b`.`c`"


@given(some.text(some.characters(exclude_categories=["Cs"]), min_size=1, max_size=64))
def test_a_name_with_an_ending_is_not_too_long(database):
    engine = mysql.MySQL.__new__(mysql.MySQL)
    engine.login = Login(f"mysql://u@h/{encoded(database)}")
    name = engine.named("_replaced_20261124_031500")
    assert len(name) <= 64 and name.endswith("_replaced_20261124_031500") and name[0] == database[0]


@pytest.mark.parametrize(
    "said, found",
    [
        ("mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)", ("MariaDB", (10, 11))),
        ("mariadb-dump from 11.4.2-MariaDB, client 10.19 for Linux (x86_64)", ("MariaDB", (11, 4))),
        ("mysqldump  Ver 8.0.36-0ubuntu0.22.04.1 for Linux on x86_64 ((Ubuntu))", ("MySQL", (8, 0))),
        ("mysqldump  Ver 10.13 Distrib 5.7.44, for linux-glibc2.12 (x86_64)", ("MySQL", (5, 7))),
        ("nothing", ("MySQL", (0,))),
    ],
)
def test_the_release_of_a_program(said, found):
    release = mysql.client_of(said)
    assert (release.vendor, release.series) == found


def test_programs_are_looked_for_in_the_directory_that_was_named_alone(tmp_path):
    engine = mysql.MySQL("mysql://u@h/d", System(), bin_dir=str(tmp_path), scratch_dir="/s", closed_file="/c")
    assert engine.program(mysql.DUMP["MariaDB"]) == str(tmp_path / "mariadb-dump")
    (tmp_path / "mysqldump").write_text("#!/bin/sh\n")
    (tmp_path / "mysqldump").chmod(0o755)
    assert engine.program(mysql.DUMP["MariaDB"]) == str(tmp_path / "mysqldump")


@pytest.mark.parametrize("kind", [mysql.MySQL, mysql.MariaDB])
def test_a_server_of_the_other_vendor_is_refused_and_one_of_this_is_not(kind):
    engine = kind("mysql://u@h/d", System(), scratch_dir="/s", closed_file="/c")
    own, other = mysql.Release(kind.vendor, "10.11.1"), {mysql.MYSQL: mysql.MARIADB, mysql.MARIADB: mysql.MYSQL}
    engine._expect_vendor(own)
    with pytest.raises(SlipwayError) as caught:
        engine._expect_vendor(own._replace(vendor=other[kind.vendor]))
    assert (caught.value.cause, caught.value.wanted) == ("other_vendor", f"engine: {other[kind.vendor].lower()}")


# --- what a user may see

ALL = "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"
SEEN = {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"}


@pytest.mark.parametrize(
    "grant, has",
    [
        (ALL, True),
        ("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop_1`.* TO `u`@`%`", True),
        ("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop\\_1`.* TO `u`@`%`", True),
        ("GRANT ALL PRIVILEGES ON `sh%`.* TO `u`@`%`", True),
        ("GRANT ALL PRIVILEGES ON `shop__`.* TO `u`@`%`", True),
        ("GRANT ALL PRIVILEGES ON `shop\\%1`.* TO `u`@`%`", False),
        ("GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%`", False),
        ("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop_1`.`t` TO `u`@`%`", False),
        ("GRANT SELECT (`a, b`), SHOW VIEW, TRIGGER, EVENT ON `shop_1`.* TO `u`@`%`", False),
        ("GRANT `role` TO `u`@`%`", False),
        ("GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*00'", False),
    ],
)
def test_which_grants_hold_for_the_whole_database(grant, has):
    assert (mysql.granted([grant], "shop_1") >= SEEN) == has


def test_what_is_taken_away_from_a_grant_of_everything():
    grants = ["GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO `u`@`%`", "REVOKE SELECT ON `shop`.* FROM `u`@`%`"]
    assert "SELECT" not in mysql.granted(grants, "shop")
    assert "SELECT" in mysql.granted(grants, "other")


def test_who_may_see_routines():
    assert "SELECT ON mysql.proc" in mysql.granted(["GRANT SELECT ON `mysql`.`proc` TO `u`@`%`"], "shop")
    assert "SELECT ON mysql.proc" in mysql.granted(["GRANT SELECT ON `mysql`.* TO `u`@`%`"], "shop")
    assert "SELECT ON *.*" in mysql.granted(["GRANT SELECT ON *.* TO `u`@`%`"], "shop")


# --- dumps

DUMP = b"-- MariaDB dump 10.19\n--\nCREATE TABLE `t` (a int);\n\n-- Dump completed\n"


@given(some.lists(some.integers(1, 9)))
def test_a_whole_dump_passes_in_whatever_pieces(sizes):
    pieces, rest = [], DUMP
    for size in sizes:
        pieces, rest = [*pieces, rest[:size]], rest[size:]
    assert b"".join(mysql.whole([*pieces, rest])) == DUMP


@given(some.integers(0, len(DUMP) - 3))
def test_a_dump_that_is_cut_off_anywhere_is_none(size):
    with pytest.raises(SlipwayError, match="is not a dump from its beginning to its end"):
        list(mysql.whole([DUMP[:size]]))


@given(some.integers(1, len(DUMP) - 1))
def test_a_dump_without_its_beginning_is_none(size):
    with pytest.raises(SlipwayError, match="is not a dump from its beginning to its end"):
        list(mysql.whole([DUMP[size:]]))


LINES = b"""-- MariaDB dump 10.19
CREATE TABLE `t` (
  `id` int(11) NOT NULL DEFAULT nextval(`shop`.`s`),
INSERT INTO `t` VALUES
(1,' nextval(`shop`.`s`) -- Dumping events for database \\n-- Dumping events for database'),
/*!50003 CREATE*/ /*!50017 DEFINER=`u`@`%`*/ /*!50003 TRIGGER shop.g BEFORE INSERT ON `shop`.`t` FOR EACH ROW SET @a = 1
ALTER DATABASE `shop` CHARACTER SET latin1 COLLATE latin1_swedish_ci ;
-- Dumping events for database 'shop'
/*!50106 CREATE*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO SELECT 1 */ ;;
-- Dumping routines for database 'shop'
/*!50001 VIEW `v` AS select `shop`.`f`(1) AS `x` */;
-- Dump completed
"""


@given(some.lists(some.integers(1, 90)))
def test_the_lines_of_a_dump_that_name_its_database_name_the_new_one(sizes):
    pieces, rest = [], LINES
    for size in sizes:
        pieces, rest = [*pieces, rest[:size]], rest[size:]
    renamed = mysql_restore.Renamed("shop", "a`b")
    found = b"".join(renamed.through([*pieces, rest])).decode().splitlines()
    wanted = LINES.decode().splitlines()
    wanted[2] = "  `id` int(11) NOT NULL DEFAULT nextval(`a``b`.`s`),"
    wanted[5] = wanted[5].replace("shop.g", "g").replace("`shop`.", "")
    wanted[6] = wanted[6].replace("`shop`", "`a``b`")
    wanted[10] = wanted[10].replace("`shop`", "`a``b`")
    assert found == wanted[:7] + wanted[9:]
    assert renamed.events.decode().splitlines() == wanted[7:9]


@pytest.mark.parametrize(
    "name, table",
    [
        ("g", "t"),
        ("shop.g", "shop.t"),
        ("`sh``op` . `g`", "`sh``op`.`t`"),
        ('"shop"."g"', '"shop"."t"'),
        ("größe.g", "größe.t"),
    ],
)
def test_a_trigger_says_no_database(name, table):
    rest = " FOR EACH ROW INSERT INTO shop.t SELECT a.b FROM a -- TRIGGER shop.x BEFORE INSERT ON shop.y"
    found = unqualified(f"CREATE DEFINER=`u`@`h` TRIGGER {name} AFTER UPDATE ON {table}{rest}")
    bare = [word.rpartition(".")[2].strip() for word in (name, table)]
    written = bare[1] if bare[1][0] in '`"' else f"`{bare[1]}`"
    assert found == f"CREATE DEFINER=`u`@`h` TRIGGER {bare[0]} AFTER UPDATE ON {written}{rest}"


# --- facts


def test_counters_lie_between_before_and_after():
    facts = mysql_facts.with_counters_after({"counters": {"a": 5, "b": 7, "c": 1}}, {"a": 9, "b": 7})
    assert facts["counters"] == {"a": [5, 9], "b": [7, 7], "c": [1, 1]}
    assert mysql_facts._astray(facts["counters"], {"a": 7, "b": 7, "c": 1}) == []
    assert mysql_facts._astray(facts["counters"], {"a": 10, "b": 6}) == [
        "a: stands at 10, wanted 5 to 9",
        "b: stands at 6, wanted 7 to 7",
        "c: is missing",
    ]


def test_a_definition_is_the_same_in_a_database_of_another_name():
    assert mysql_facts._digest("DEFAULT nextval(`a`.`s`)", "a") == mysql_facts._digest("DEFAULT nextval(`b`.`s`)", "b")
    assert mysql_facts._digest("DEFAULT nextval(`a`.`s`)", "b") != mysql_facts._digest("DEFAULT nextval(`b`.`s`)", "b")
