# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's answers, parsed; captured from 2.6.12."""

from __future__ import annotations

import csv
import io

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import haproxy_socket
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.haproxy_socket import (
    HaproxySocket,
    ServerState,
    chunks,
    parse_info,
    parse_servers_state,
    parse_stat,
    parse_variable,
    state_file,
)
from hypothesis import given
from hypothesis import strategies as st

STATE = """\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state \
bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr \
srv_agent_port
4 b 1 blue_1 127.0.0.1 2 0 0 100 37 15 3 2 6 0 0 0 - 18992 - 0 0 - - 0
4 b 2 green_1 127.0.0.1 0 1 100 0 35 15 3 2 6 0 0 0 - 18993 - 0 0 - - 0
5 c 1 blue_1 ::1 2 0 7 7 35 15 3 2 6 0 0 0 - 18994 - 0 0 - - 0

"""
COLUMNS = [
    "pxname",
    "svname",
    "qcur",
    "scur",
    "stot",
    "econ",
    "eresp",
    "status",
    "weight",
    "type",
    "check_status",
    "hrsp_5xx",
    "last_chk",
    "check_desc",
    "uweight",
    "",
]


def stat(*rows: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return "# " + text.getvalue() + "\n"


def row(**changes: str) -> dict[str, str]:
    return {
        "pxname": "b",
        "svname": "green_1",
        "qcur": "1",
        "scur": "2",
        "stot": "30",
        "econ": "4",
        "eresp": "5",
        "status": "UP",
        "weight": "100",
        "type": "2",
        "check_status": "L7OK",
        "hrsp_5xx": "6",
        "last_chk": "",
        "check_desc": "Layer7 check passed",
        "uweight": "0",
        **changes,
    }


def test_servers_state_is_read_by_its_own_header() -> None:
    assert parse_servers_state(STATE) == [
        ServerState("b", "blue_1", "127.0.0.1", 18992, 0, 0),
        ServerState("b", "green_1", "127.0.0.1", 18993, 1, 100),
        ServerState("c", "blue_1", "::1", 18994, 0, 7),
    ]


@given(st.integers(0, len(STATE)))
def test_a_cut_answer_gives_only_whole_lines(length: int) -> None:
    assert set(parse_servers_state(STATE[:length])) <= set(parse_servers_state(STATE)) | {
        ServerState("c", "blue_1", "::1", 18994, 0, 7)
    }


@given(st.text())
def test_no_parser_stumbles_over_anything(text: str) -> None:
    parse_servers_state(text)
    parse_servers_state("# " + text)
    parse_stat("# pxname,svname,type\n" + text)
    parse_stat(text)
    parse_info(text)
    state_file(text, "b")
    state_file("# be_name srv_iweight srv_uweight\n" + text, "b")


def test_a_state_file_can_never_contradict_the_configuration() -> None:
    """HAProxy believes a weight where srv_iweight is the configuration's: here both say the same."""
    text = state_file(STATE, "b")
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["1"] and lines[1][0] == "#"
    assert [(line[3], line[7], line[8]) for line in lines[2:]] == [("blue_1", "0", "0"), ("green_1", "100", "100")]
    assert parse_servers_state(text) == parse_servers_state(STATE)[:2]


@pytest.mark.parametrize(
    ("changes", "ready", "down"),
    [
        ({}, True, False),
        ({"status": "DRAIN"}, True, False),
        ({"check_status": "* L7OK"}, True, False),
        ({"status": "UP 1/2"}, False, False),
        ({"status": "DOWN 1/2"}, False, True),
        ({"status": "DOWN", "check_status": "L4CON"}, False, True),
        ({"status": "MAINT", "check_status": ""}, False, False),
        ({"status": "MAINT (via b/x)"}, False, False),
        ({"status": "NOLB"}, False, False),
        ({"status": "no check", "check_status": ""}, False, False),
        ({"check_status": "INI"}, False, False),
        ({"check_status": "L4OK"}, False, False),
        ({"check_status": "L7STS"}, False, False),
    ],
)
def test_only_an_exact_status_with_a_passed_check_is_ready(changes: dict[str, str], ready: bool, down: bool) -> None:
    (found,) = parse_stat(stat(row(**changes)))
    assert (found.ready, found.down) == (ready, down)


def test_stat_gives_servers_with_their_numbers_and_leaves_totals_out() -> None:
    rows = parse_stat(stat(row(type="0"), row(), row(type="1", svname="BACKEND")))
    assert [tuple(one) for one in rows] == [("b", "green_1", "UP", "L7OK", "Layer7 check passed", 2, 1, 0, 30, 6, 4, 5)]


def test_the_weight_at_run_time_counts_also_where_the_column_shows_the_configured_one() -> None:
    (found,) = parse_stat(stat(row(status="MAINT", weight="100", uweight="0")))
    assert found.weight == 0
    (older,) = parse_stat(stat(row(weight="100", uweight="")))
    assert older.weight == 100


def test_info_is_pairs() -> None:
    assert parse_info("Name: HAProxy\nPid: 7\nUptime: 0d 0h00m40s\n")["Uptime"] == "0d 0h00m40s"


@given(st.lists(st.text("ab;", min_size=1, max_size=30).filter(lambda one: ";" not in one)), st.integers(1, 100))
def test_chunks_keep_order_and_fit(commands: list[str], size: int) -> None:
    lines = chunks(commands, size)
    assert ";".join(lines).split(";") == (commands or [""])
    assert all(len(line) <= size or ";" not in line for line in lines)


class Scripted(HaproxySocket):
    """Answers from a list; an exception in it is raised."""

    def __init__(self, *answers: bytes | OSError, clock: System | None = None) -> None:
        super().__init__(clock or System(), "/run/x.sock")
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def _exchange(self, line: bytes) -> bytes:
        self.asked.append(line)
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


class Clock(System):
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_an_order_that_haproxy_refuses_is_told_in_its_words() -> None:
    with pytest.raises(SlipwayError) as refused:
        Scripted(b"\n\nNo such server.\n\n").order(["set server b/x weight 1"])
    assert refused.value.cause == "proxy_refused" and "No such server." in refused.value.message


def test_what_it_says_about_a_new_address_is_no_refusal() -> None:
    said = b"no need to change the addr, port changed from '1' to '2' by 'stats socket command'\n\n"
    Scripted(said, b"no need to change the addr, no need to change the port by 'stats socket command'\n").order(["set"])


def test_many_orders_are_few_round_trips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(haproxy_socket, "COMMAND_BYTES", 20)
    proxy = Scripted(b"\n", b"\n")
    proxy.order(["command one", "two", "command three"])
    assert proxy.asked == [b"command one;two\n", b"command three\n"]


def test_nothing_to_order_is_no_connection() -> None:
    proxy = Scripted()
    proxy.order([])
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (FileNotFoundError(2, "No such file"), "socket_missing"),
        (ConnectionRefusedError(111, "refused"), "socket_refused"),
        (PermissionError(13, "denied"), "socket_not_writable"),
        (TimeoutError("timed out"), "socket"),
    ],
)
def test_a_socket_that_does_not_answer_has_a_cause(error: OSError, cause: str) -> None:
    with pytest.raises(SlipwayError) as failed:
        Scripted(error).ask("show info")
    assert failed.value.cause == cause and "/run/x.sock" in failed.value.message


def test_a_socket_that_a_reload_replaces_is_tried_again() -> None:
    refused = ConnectionRefusedError(111, "refused")
    proxy = Scripted(refused, refused, b"Pid: 7\n", clock=Clock())
    assert proxy.ask("show info", patience=1.0) == "Pid: 7\n"
    with pytest.raises(SlipwayError):
        Scripted(*[refused] * 99, clock=Clock()).ask("show info", patience=1.0)


def test_a_variable_of_the_process_is_read_or_empty() -> None:
    assert parse_variable("proc.slipway_shop.x_production: type=str value=<01ab-23cd>\n") == "01ab-23cd"
    assert parse_variable("Variable not found.\n\n") == ""


@given(st.text())
def test_a_variable_may_be_anything(anything: str) -> None:
    parse_variable(anything)
