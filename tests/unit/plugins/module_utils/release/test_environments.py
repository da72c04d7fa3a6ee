# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations of several environments side by side: the table, and the result that machines read."""

from __future__ import annotations

import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.release.environments import Place, compare, lines, unread


def migration(version: str, state: str, **more: t.Any) -> dict[str, t.Any]:
    about = {"kind": "versioned", "version": version, "description": f"step {version}", "phase": "expand"}
    applied = {"installed_on": "2026-11-20 08:12:44"} if state in ("success", "dirty", "ahead") else {}
    return {**about, "script": f"V{version}__step.sql", "state": state, **applied, **more}


def place(environment: str, *migrations: dict[str, t.Any], inventory: str = "", **more: t.Any) -> Place:
    """An environment that was read."""
    by_state = {name: [one for one in migrations if one["state"] == name] for name in ("pending", "ahead", "dirty")}
    current = max((one["version"] for one in migrations if one["state"] in ("success", "ahead")), default="")
    status = {"migrations": list(migrations), "current_after": current, "problems": [], **by_state, **more}
    config = {"platform": "shop", "environment": environment, "migrations": {"host": "db1"}}
    return Place({"inventory": inventory, "config": config}, {"stage": {"ok": True}, **status})


def rows(*places: Place) -> list[str]:
    """The lines of the table, without its head."""
    text = lines(compare(places))
    return [line.strip() for line in text[2 : len(text) - len(places)]]


PRODUCTION = place("production", migration("1", "success"), migration("1.2", "pending"), migration("1.10", "pending"))
STAGING = place("staging", migration("1", "success"), migration("1.2", "dirty"), migration("1.10", "ahead"))


def test_each_migration_has_a_line_and_each_environment_a_column() -> None:
    assert lines(compare([PRODUCTION, STAGING])) == [
        "shop: 3 migrations in 2 environments",
        "  version  description  production          staging",
        "  1        step 1       applied 2026-11-20  applied 2026-11-20",
        "  1.2      step 1.2     pending             ! dirty",
        "  1.10     step 1.10    pending             ahead",
        "  production: at 1, 2 pending",
        "  staging: at 1.10, 1 ahead, 1 dirty",
    ]


def test_a_machine_reads_the_same_in_the_modules_own_words() -> None:
    found = compare([PRODUCTION, STAGING])
    assert [one["states"] for one in found["migrations"]] == [
        {"production": "success", "staging": "success"},
        {"production": "pending", "staging": "dirty"},
        {"production": "pending", "staging": "ahead"},
    ]
    staging = found["environments"]["staging"]
    assert (staging["current"], staging["pending"], staging["ahead"], staging["dirty"]) == (
        "1.10",
        [],
        ["1.10"],
        ["1.2"],
    )
    assert unread(found) == []


def test_an_environment_that_cannot_be_read_is_named_and_hides_no_other() -> None:
    away = Place(
        {"inventory": "qa", "error": "The configuration has 1 problem:\n  1. slipway_platform: missing."}, None
    )
    silent = Place(STAGING.site, {"stage": {"ok": False, "message": "unreachable: refused"}})
    found = compare([PRODUCTION, away, silent])
    assert unread(found) == [
        "qa: The configuration has 1 problem:\n  1. slipway_platform: missing.",
        "staging: unreachable: refused",
    ]
    assert found["migrations"][0]["states"] == {"production": "success", "qa": None, "staging": None}
    text = "\n".join(lines(found))
    assert "applied 2026-11-20  ?   ?" in text
    assert "  ! qa: not known: The configuration has 1 problem:\n        1. slipway_platform: missing." in text
    assert unread(compare([Place(STAGING.site, None)])) == ["staging: it gave no answer"]


def test_what_an_environment_does_not_have_is_no_state_of_it() -> None:
    known = compare(
        [place("a", migration("1", "success"), migration("2", "ahead")), place("b", migration("1", "success"))]
    )
    assert known["migrations"][1]["states"] == {"a": "ahead", "b": ""}
    assert lines(known)[3].split() == ["2", "step", "2", "ahead", "-"]


def test_repeatable_ones_come_last_and_what_waits_says_for_what() -> None:
    names = migration("", "outdated", kind="repeatable", script="R__names.sql", description="names")
    drop = migration("3", "pending", phase="contract")
    assert [row.split()[0] for row in rows(place("a", names, drop), place("b", drop))] == ["3", "R"]
    assert rows(place("a", names, drop), place("b", drop))[0].endswith("pending, contract  pending, contract")


def test_earlier_lines_of_a_history_do_not_stand_for_the_last_one() -> None:
    repeated = [migration("", state, kind="repeatable", script="R__n.sql") for state in ("superseded", "success")]
    again = [migration("2", "undone"), migration("2", "pending"), migration("2", "available", kind="undo")]
    baseline = [
        migration("1", "baseline", script="", description="<< Flyway Baseline >>"),
        migration("1", "below_baseline"),
    ]
    (states,) = [[one["states"]["a"] for one in compare([place("a", *baseline, *again, *repeated)])["migrations"]]]
    assert states == ["baseline", "pending", "success"]
    assert compare([place("a", *baseline)])["migrations"][0]["description"] == "<< Flyway Baseline >>"
    other = compare([place("a", *baseline), place("b", migration("1", "success"))])
    assert other["migrations"][0]["description"] == "step 1"


def test_a_long_history_is_shown_from_where_it_becomes_interesting() -> None:
    many = [migration(str(number), "success") for number in range(1, 201)]
    found = compare([place("a", *many, migration("201", "pending")), place("b", *many)])
    text = lines(found)
    assert text[1] == "  the first 197, up to 197, are applied everywhere"
    assert [line.split()[0] for line in text[3:7]] == ["198", "199", "200", "201"]
    assert len(found["migrations"]) == 201


def test_versions_that_are_no_numbers_keep_the_order_in_which_they_are_applied() -> None:
    a = place("a", migration("f00", "success"), migration("0ba", "success"), migration("c3d", "pending"))
    b = place("b", migration("f00", "success"), migration("9e9", "ahead"))
    assert [one["version"] for one in compare([b, a])["migrations"]] == ["f00", "9e9", "0ba", "c3d"]


def test_environments_of_one_name_are_told_apart_by_what_differs() -> None:
    one = Place({**PRODUCTION.site, "config": {**PRODUCTION.config, "platform": "bank"}}, PRODUCTION.status)
    assert list(compare([PRODUCTION, one])["environments"]) == ["shop/production", "bank/production"]
    same = place("production", migration("1", "success"), inventory="copy")
    assert list(compare([PRODUCTION, same])["environments"]) == [
        "shop/production (this inventory)",
        "shop/production (copy)",
    ]
