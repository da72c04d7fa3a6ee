# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a machine: the parsers, and one look at the machine that runs the tests."""

from __future__ import annotations

import os
import socket
import sys

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.facts import (
    LISTEN,
    disk,
    gather,
    memory_of,
    parse_address,
    parse_anonymous,
    parse_meminfo,
    parse_os_release,
    parse_tcp,
    ports_in_use,
    synchronized,
)
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed, System
from hypothesis import given
from hypothesis import strategies as st

REST = "00000000:00000000 00:00000000 00000000     0        0"


def line(address, port, state, inode):
    """A line as Debian 12 prints it."""
    return f"   0: {address}:{port:04X} 00000000:0000 {state} {REST} {inode} 1 0000000000000000 100 0 0 10 0"


HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
TCP = "\n".join([HEADER, line("0100007F", 20000, "0A", 31337), line("0100007F", 50000, "01", 31338), ""])
TCP6 = "\n".join([HEADER, line("0" * 32, 80, "0A", 777), line("0" * 24 + "01000000", 81, "0A", 778), ""])


def as_kernel(address, family):
    raw = socket.inet_pton(family, address)
    if sys.byteorder == "little":
        raw = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    return raw.hex().upper()


def test_only_listening_sockets_count():
    assert [(found.address, found.port, found.inode) for found in parse_tcp(TCP)] == [("127.0.0.1", 20000, 31337)]


def test_addresses_of_the_sixth_version_are_read():
    assert [(found.address, found.port, found.inode) for found in parse_tcp(TCP6)] == [
        ("::", 80, 777),
        ("::1", 81, 778),
    ]


ADDRESSES = st.ip_addresses(v=4).map(lambda ip: (str(ip), socket.AF_INET)) | st.ip_addresses(v=6).map(
    lambda ip: (str(ip), socket.AF_INET6)
)


@given(ADDRESSES, st.integers(0, 65535), st.integers(0, 2**63), st.sampled_from(["01", "06", LISTEN]))
def test_any_socket_is_read_as_the_kernel_prints_it(address, port, inode, state):
    text, family = address
    found = parse_tcp(line(as_kernel(text, family), port, state, inode))
    if state != LISTEN:
        assert found == []
    else:
        assert [(one.port, one.inode) for one in found] == [(port, inode)]
        assert socket.inet_pton(family, found[0].address) == socket.inet_pton(family, text)


@given(st.text())
def test_any_other_text_is_passed_over(text):
    parse_tcp(text)
    parse_meminfo(text)
    parse_os_release(text)


@given(st.text(alphabet="0123456789ABCDEFx: ", max_size=40), st.text(max_size=5), st.text(max_size=5))
def test_a_mangled_line_is_passed_over(address, state, inode):
    parse_tcp(f"0: {address} x {state} a b c d e {inode}")
    parse_tcp(f"0: {address} x {LISTEN} a b c d e 12")


@pytest.mark.parametrize("text", ["", "00", "0100007F00", "xyz"])
def test_an_address_of_another_length_is_refused(text):
    with pytest.raises(ValueError):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "available", "total"),
    [
        ("MemTotal:  100 kB\nMemFree: 10 kB\nMemAvailable:     50 kB\n", 51200, 102400),
        ("MemTotal: 100 kB\n", None, 102400),
        ("MemAvailable: many kB\nMemTotal: 5 MB\n", None, None),
        ("", None, None),
    ],
)
def test_memory_is_told_in_bytes_or_not_at_all(text, available, total):
    assert parse_meminfo(text) == {"available": available, "total": total}


@pytest.mark.parametrize(("error", "answer"), [(500, True), (15_999_999, True), (16_000_000, False), (None, None)])
def test_a_clock_is_synchronized_unsynchronized_or_unknown(error, answer):
    assert synchronized(error) is answer


def test_the_distribution_is_read_with_and_without_quotes():
    assert parse_os_release('NAME=x\nID=debian\nVERSION_ID="12"\n') == {"ID": "debian", "VERSION_ID": "12"}


def test_the_room_of_a_directory_that_is_not_there_yet_is_that_of_its_parent(tmp_path):
    found = disk(str(tmp_path / "not" / "yet"))
    assert found["path"] == str(tmp_path)
    assert 0 < found["free"] <= found["total"]


@pytest.fixture
def proc(tmp_path):
    """A /proc of two sockets, one process in sight, and one that ends under our hands."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TCP)
    (tmp_path / "net" / "tcp6").write_text(TCP6)
    (tmp_path / "42" / "fd").mkdir(parents=True)
    (tmp_path / "42" / "comm").write_text("nginx\n")
    (tmp_path / "42" / "fd" / "3").symlink_to("socket:[777]")
    (tmp_path / "42" / "fd" / "4").symlink_to("/dev/null")
    (tmp_path / "43").mkdir()
    (tmp_path / "meminfo").write_text("MemTotal: 4 kB\n")
    return str(tmp_path)


def test_a_taken_port_names_its_process_where_that_is_in_sight(proc):
    assert ports_in_use([80, 20000, 50000], proc) == [
        {"port": 80, "address": "::", "pid": 42, "process": "nginx"},
        {"port": 20000, "address": "127.0.0.1", "pid": 0, "process": ""},
    ]


def test_no_port_asked_for_is_none_taken(proc):
    assert ports_in_use([], proc) == []


def test_this_machine_tells_all_facts_and_finds_our_own_socket():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        facts = gather(System(), directories={"state": "/var/lib/slipway/x"}, ports=[port])
    assert facts["ports"] == [
        {"port": port, "address": "127.0.0.1", "pid": os.getpid(), "process": facts["ports"][0]["process"]}
    ]
    assert facts["memory"]["available"] > 0
    assert facts["disk"]["state"]["free"] > 0
    assert facts["time"]["synchronized"] in (True, False, None)
    assert facts["uid"] == os.geteuid()
    assert facts["platform"]["system"] == "Linux"


# Memory of containers -----------------------------------------------------------------------------------------


def process(proc, pid, groups, anonymous):
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cgroup").write_text(groups)
    (proc / str(pid) / "status").write_text(f"Name:\tpython\nRssAnon:\t  {anonymous} kB\nRssFile:\t 9000 kB\n")


def test_a_container_holds_what_all_its_processes_hold_in_both_versions_of_control_groups(tmp_path):
    process(tmp_path, 10, f"12:memory:/docker/{'a' * 64}\n1:name=systemd:/docker/{'a' * 64}\n", 1000)
    process(tmp_path, 11, f"12:memory:/docker/{'a' * 64}\n", 24)
    process(tmp_path, 12, f"0::/system.slice/docker-{'b' * 64}.scope\n", 7)
    process(tmp_path, 13, "0::/init.scope\n", 5000)
    (tmp_path / "self").mkdir()
    containers = {"backend-1": "a" * 64, "backend-2": "b" * 64, "ended": "c" * 64}
    assert memory_of(containers, str(tmp_path)) == {"backend-1": 1024 * 1024, "backend-2": 7 * 1024, "ended": 0}


def test_a_process_holds_what_the_control_group_of_its_unit_holds(tmp_path):
    unit = "slipway-shop.production.web.blue@1.service"
    process(tmp_path, 11, f"0::/system.slice/system-slipway.slice/{unit}\n", 40)
    process(tmp_path, 12, f"0::/system.slice/system-slipway.slice/{unit.replace('@1', '@11')}\n", 7)
    assert memory_of({unit: unit}, str(tmp_path)) == {unit: 40 * 1024}


def test_programs_tell_their_versions_and_a_missing_one_tells_nothing():
    class Machine(System):
        def run(self, argv, **_options):
            if argv[0] == "git":
                return Completed(0, "git version 2.39.5 (Debian)\n", "")
            raise SlipwayError("no such program", obj=argv[0], cause="command_missing")

    found = gather(Machine(), directories={}, programs=["git", "none"], users=["root", "nobody-here"])
    assert found["programs"] == {"git": "2.39.5", "none": ""}
    assert found["users"] == {"root": True, "nobody-here": False}


def test_without_containers_no_process_is_looked_at():
    assert memory_of({}, "/nowhere") == {}


@given(st.text())
def test_any_text_of_a_process_is_read_as_some_memory_or_none(text):
    assert parse_anonymous(text) >= 0
