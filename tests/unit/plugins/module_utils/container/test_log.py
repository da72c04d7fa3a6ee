# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines out of what an engine sends, and what service_logs makes of them."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.log import Line, read, shown
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages import service_logs
from ansible_collections.slipway.deploy.plugins.module_utils.stages.service_arguments import SERVICE_LOGS
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import ManualSystem
from hypothesis import given
from hypothesis import strategies as st


def stamp(number: int) -> str:
    return f"2026-11-29T06:00:{number:02}.000000000Z"


LINES = [Line(stamp(number), f"line {number}") for number in range(5)]
SENT = b"".join(f"{line.stamp} {line.text}\n".encode() for line in LINES)


@given(st.lists(st.integers(0, len(SENT)), max_size=6))
def test_lines_are_the_same_however_they_are_cut_into_pieces(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(SENT)]
    pieces = [SENT[start:end] for start, end in zip(edges, edges[1:])]
    assert read(pieces, clean=str) == (LINES, stamp(4))


def test_a_last_line_without_an_end_is_one_too() -> None:
    assert read([SENT[:-1]], clean=str).lines == LINES


def test_the_last_ones_are_shown_and_the_first_ones_followed() -> None:
    assert read([SENT], last=2, clean=str) == (LINES[3:], stamp(4))
    assert read([SENT], first=2, clean=str) == (LINES[:2], stamp(1))
    assert read([SENT], after=stamp(1), first=2, clean=str) == (LINES[2:4], stamp(3))
    assert read([SENT], after=stamp(4), clean=str) == ([], stamp(4))


def test_what_is_not_wanted_is_passed_and_not_looked_at_again() -> None:
    odd = read([SENT], last=1, clean=lambda text: text if text[-1] in "13" else None)
    assert odd == ([LINES[3]], stamp(4))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain\ttext\r", "plain\ttext"),
        ("\x1b[31mred\x1b[0m and \x1b]0;title\x07more", "red and more"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("bell\x07 back\x08", "bell\ufffd back\ufffd"),
        ("x" * 9000, "x" * 8192),
    ],
)
def test_a_program_sends_a_terminal_no_commands(text: str, plain: str) -> None:
    assert shown(text) == plain


class FakeEngine:
    """Containers with what they wrote; one more line at each look."""

    def __init__(self, **logs: bytes) -> None:
        self.logs, self.asked = logs, []
        self.later: list[bytes] = []
        self.gone: set[str] = set()

    def log(self, name: str, *, since: int = 0, tail: int = 0) -> list[bytes]:
        self.asked.append((name, since, tail))
        if name not in self.logs:
            raise SlipwayError(
                "cannot read the log", obj=name, actual="configured logging driver does not support reading"
            )
        if self.later:
            self.logs[name] += self.later.pop(0)
        return [self.logs[name]]

    def inspect(self, name: str) -> t.Any:
        return None if name in self.gone else type("Found", (), {"name": name, "running": True})


def run(engine: FakeEngine, root: t.Any = "/nowhere", **options: t.Any) -> dict[str, t.Any]:
    replicas = [{"service": "web", "number": number, "name": name} for number, name in enumerate(engine.logs, start=1)]
    params = {name: option.get("default") for name, option in SERVICE_LOGS.options.items()}
    params.update(platform="shop", environment="production", root=str(root), replicas=replicas)
    return service_logs.run({**params, **options}, ManualSystem(), engine)


def test_no_secret_leaves_the_machine_neither_one_of_the_site_nor_an_old_one(tmp_path: t.Any) -> None:
    kept = tmp_path / "shop" / "production" / "secrets" / "blue" / "web"
    kept.mkdir(parents=True)
    (kept / "TOKEN").write_text("an-older-token")
    text = f"{stamp(1)} new-token an-older-token postgresql://shop:pw-in-a-url@db/shop\n".encode()
    given = base64.b64encode(json.dumps({"TOKEN": "new-token"}).encode()).decode()
    found = run(FakeEngine(a=text), tmp_path, secrets=given)
    assert found["entries"][0]["text"] == "******** ******** postgresql://shop:********@db/shop"
    assert (
        run(FakeEngine(a=text), tmp_path, secrets=given, grep="older-t")["entries"] == []
    )  # nor is it found by guessing


def test_what_is_looked_for_is_looked_for_in_all_and_else_only_the_last_lines_are_asked_for() -> None:
    engine = FakeEngine(a=SENT)
    assert [one["text"] for one in run(engine, lines=2)["entries"]] == ["line 3", "line 4"]
    assert [one["text"] for one in run(engine, lines=2, grep="line [01]")["entries"]] == ["line 0", "line 1"]
    assert engine.asked == [("a", 0, 2), ("a", 0, 0)]


def test_what_is_followed_goes_on_where_it_was_and_waits_for_a_line() -> None:
    engine = FakeEngine(a=SENT, b=b"")
    engine.later = [b"", b"", f"{stamp(9)} at last\n".encode()]
    found = run(engine, cursor={"a": stamp(4), "b": ""}, wait=60.0)
    assert found["entries"] == [{"stamp": stamp(9), "replica": "web.1", "text": "at last"}]
    assert found["cursor"] == {"a": stamp(9), "b": ""}
    assert engine.asked[0][1] == service_logs.seconds_of(stamp(4)) == 1795932004


def test_waiting_ends_and_says_what_runs() -> None:
    engine = FakeEngine(a=SENT, b=SENT)
    engine.gone = {"b"}
    found = run(engine, cursor={"a": stamp(4), "b": stamp(4)}, wait=1.0)
    assert (found["entries"], found["running"]) == ([], ["a"])


def test_a_log_that_nobody_keeps_is_said_to_be_none() -> None:
    engine = FakeEngine(a=SENT)
    with pytest.raises(SlipwayError, match=r"its log cannot be read; found 'configured logging driver") as caught:
        run(engine, replicas=[{"service": "web", "number": 1, "name": "other"}])
    assert caught.value.obj == "other"
