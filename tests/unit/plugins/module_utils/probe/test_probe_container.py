# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inspected container and its /proc tell about why it does not answer."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.probe.container import (
    Container,
    ContainerProbe,
    Listener,
    parse_listeners,
    port_trouble,
    wanted_port,
)
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import CERTAIN, Clean, Policy, Target
from ansible_collections.slipway.deploy.plugins.module_utils.system import Completed
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.probe.fakes import (
    CONNECTED,
    DOCKER_DNS,
    ID,
    ON_8080,
    ON_9000,
    ON_LOOPBACK_8080,
    PID,
    FakeDocker,
    FakeSystem,
    inspected,
    proc_files,
)
from hypothesis import given
from hypothesis import strategies as st

HTTP = Target("http", url="http://127.0.0.1:20000/", image="shop:1")


def container(docker: FakeDocker, system: FakeSystem | None = None, secrets: t.Sequence[str] = ()) -> Container:
    return Container(
        "backend",
        HTTP,
        policy=Policy(wrong_port_after=0.0),
        system=system or FakeSystem(),
        clean=Clean(secrets),
        connect=t.cast(t.Any, lambda: docker),
    )


@pytest.mark.parametrize(
    ("found", "cause", "message"),
    [
        (inspected("exited", ExitCode=3), "exited", "exited with 3"),
        (inspected("exited", ExitCode=0), "exited", "exited with 0"),
        (inspected("exited", ExitCode=139), "exited", r"exited with 139 \(SIGSEGV\)"),
        (inspected("exited", ExitCode=255), "exited", "exited with 255"),
        (inspected("exited", ExitCode=137, OOMKilled=True), "oom", "out of memory; found 'a limit of 16 MiB'"),
        (
            inspected("exited", ExitCode=127, Error='exec: "x": not found'),
            "start_failed",
            "cannot be started .*not found",
        ),
        (inspected("created", Error="port is already allocated"), "start_failed", "port is already allocated"),
        (inspected("created"), "not_running", "is created"),
        (inspected("paused"), "not_running", "is paused"),
        (inspected("restarting", ExitCode=1), "restarting", "keeps exiting with 1"),
        (None, "image_missing", "its image shop:1 is not on this machine"),
    ],
)
def test_a_container_that_does_not_run_says_why(found: dict[str, t.Any] | None, cause: str, message: str) -> None:
    with pytest.raises(SlipwayError, match=message) as caught:
        container(FakeDocker(found)).inspect()
    assert caught.value.cause == cause
    assert caught.value.remedy
    assert (cause in CERTAIN) == (cause in ("exited", "oom", "start_failed", "image_missing"))


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        (
            Completed(0, f"[1.0] oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/docker/{ID},task=python3,pid=9\n", ""),
            "oom",
        ),
        (
            Completed(0, f"[1.0] oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/docker/{'f' * 60},pid=9\n", ""),
            "exited",
        ),
        (Completed(1, "", "dmesg: read kernel buffer failed: Operation not permitted"), "exited"),
        (SlipwayError("no such program", cause="command_missing"), "exited"),
    ],
)
def test_the_kernel_log_tells_of_a_kill_that_docker_missed(log: Completed | Exception, cause: str) -> None:
    system = FakeSystem()
    system.answers = [log]
    with pytest.raises(SlipwayError) as caught:
        container(FakeDocker(inspected("exited", ExitCode=137)), system).inspect()
    assert caught.value.cause == cause


def test_a_container_that_vanished_may_come_back_while_its_image_is_there() -> None:
    with pytest.raises(SlipwayError, match="there is no container backend") as caught:
        container(FakeDocker(None, images=["shop:1"])).inspect()
    assert caught.value.cause == "not_running"


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        ([ON_9000], "wrong_port"),
        ([ON_9000, DOCKER_DNS], "wrong_port"),
        ([ON_LOOPBACK_8080, ON_9000], "wrong_address"),
        ([ON_9000, ON_8080], None),
        ([ON_8080, ON_LOOPBACK_8080], None),
        ([DOCKER_DNS, CONNECTED], None),
        ([], None),
    ],
)
def test_listening_elsewhere_is_decided_at_the_second_look(lines: list[str], cause: str | None) -> None:
    watched = container(FakeDocker(inspected()), FakeSystem(proc_files(*lines)))
    watched.check()
    if cause is None:
        watched.check()
        return
    with pytest.raises(SlipwayError) as caught:
        watched.check()
    assert caught.value.cause == cause


def test_ports_that_still_change_are_not_judged() -> None:
    system = FakeSystem(proc_files(ON_9000))
    watched = container(FakeDocker(inspected()), system)
    watched.check()
    system.files.update(proc_files(ON_9000, ON_9000.replace("2328", "2329")))
    watched.check()
    system.files.update(proc_files())
    watched.check()
    system.files.update(proc_files(ON_9000))
    watched.check()


@pytest.mark.parametrize("mode", ["host", "container:abc"])
def test_a_shared_network_namespace_proves_nothing(mode: str) -> None:
    watched = container(FakeDocker(inspected(mode=mode)), FakeSystem(proc_files(ON_9000)))
    watched.check()
    watched.check()
    assert "listening" not in watched.facts()


def test_a_process_that_is_not_in_the_container_is_not_looked_at() -> None:
    files = {**proc_files(ON_9000), f"/proc/{PID}/cgroup": b"0::/system.slice/sshd.service\n"}
    watched = container(FakeDocker(inspected()), FakeSystem(files))
    watched.check()
    watched.check()


@pytest.mark.parametrize(
    ("host", "port", "wanted"),
    [
        ("127.0.0.1", 20000, 8080),
        ("app1", 20000, 8080),
        ("172.17.0.2", 8081, 8081),
        ("127.0.0.1", 8081, None),
        ("", 0, None),
    ],
)
def test_the_port_inside_is_found_by_the_published_one(host: str, port: int, wanted: int | None) -> None:
    assert wanted_port(inspected(), host, port) == wanted


def test_a_wrong_port_says_which_one_and_what_to_do() -> None:
    trouble = port_trouble("backend", 8080, frozenset([Listener("::", 9000), Listener("127.0.0.1", 9001)]))
    assert trouble is not None
    assert trouble.message == (
        "the program in container backend listens on another port; found '9000', wanted 8080."
        " Set the port of the service to 9000, or let the program listen on 8080;"
        " if it opens that one later, raise wrong_port_after."
    )


def test_facts_hold_the_last_masked_lines_of_the_log() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----"
    lines = "".join(f"line {number}\n" for number in range(30)) + key + "\n" + "x" * 600 + "\x1b[31m\n"
    docker = FakeDocker(inspected(), logs=lines.encode())
    facts = container(docker, FakeSystem(proc_files(ON_8080)), [key]).facts()
    assert facts["container"]["state"] == "running"
    assert facts["listening"] == ["0.0.0.0:8080"]
    assert facts["logs"][-2] == "********"
    assert facts["logs"][-1] == "x" * 500 + "…"
    assert "MIIE" not in str(facts)
    assert "line 29" in facts["logs"]


def test_a_secret_of_short_lines_is_masked_in_the_log() -> None:
    docker = FakeDocker(inspected(), logs=b"grid: ab\ncd\nready\n")
    assert container(docker, secrets=["ab\ncd"]).facts()["logs"] == ["grid: ********", "ready"]


def test_facts_say_when_there_is_nothing_to_look_at() -> None:
    assert container(FakeDocker(None)).facts()["container"]["state"] == "missing"
    docker = FakeDocker(inspected())
    docker.broken = SlipwayError("the Docker Engine gives no answer", cause="docker")
    assert container(docker).facts()["container"]["state"] == "unknown"


@pytest.mark.parametrize(
    ("health", "cause"),
    [
        (None, None),
        ({"Status": "healthy"}, None),
        ({"Status": "none"}, None),
        ({"Status": "starting", "Log": []}, "starting"),
        ({"Status": "unhealthy", "Log": [{"ExitCode": 1, "Output": "no answer\n"}]}, "unhealthy"),
        ({"Status": "unhealthy", "Log": None}, "unhealthy"),
    ],
)
def test_a_health_check_of_its_own_counts(health: dict[str, t.Any] | None, cause: str | None) -> None:
    docker = FakeDocker(inspected(Health=health, StartedAt="2026-01-01T00:00:00Z"))
    probe = ContainerProbe(Target("container", container="backend"), FakeSystem(), Clean(), container(docker))
    if cause is None:
        assert probe.attempt(1.0).run == f"{PID} 2026-01-01T00:00:00Z"
        return
    with pytest.raises(SlipwayError) as caught:
        probe.attempt(1.0)
    assert caught.value.cause == cause


# The parser -------------------------------------------------------------------------------------------------

REST = "0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n"
NOBODY = "00000000000000000000000000000000:0000"
TCP6 = (
    f"   0: 00000000000000000000000000000000:1F90 {NOBODY} {REST}"
    f"   1: 00000000000000000000000001000000:2328 {NOBODY} {REST}"
    f"   2: 0000000000000000FFFF00000100007F:2329 {NOBODY} {REST}"
)


def test_captured_tables_are_read() -> None:
    table = "\n".join([ON_9000, ON_8080, ON_LOOPBACK_8080, DOCKER_DNS, CONNECTED]) + "\n" + TCP6
    assert {str(listener) for listener in parse_listeners(table)} == {
        "0.0.0.0:9000",
        "0.0.0.0:8080",
        "127.0.0.1:8080",
        "[::]:8080",
        "[::1]:9000",
        "[::ffff:127.0.0.1]:9001",
    }
    assert {listener.port for listener in parse_listeners(table) if not listener.local} == {8080, 9000}


addresses = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 65535), st.sampled_from(["01", "06", "0A"]))


@given(st.lists(addresses, max_size=10))
def test_every_listener_and_nothing_else_is_found(entries: list[tuple[int, int, str]]) -> None:
    table = "".join(
        f"   {index}: {address:08X}:{port:04X} 00000000:0000 {state} rest\n"
        for index, (address, port, state) in enumerate(entries)
    )
    listening = [port for address, port, state in entries if state == "0A" and address != 0x0B00007F]
    assert {listener.port for listener in parse_listeners(table)} == set(listening)


@given(st.text(st.sampled_from("0123456789ABCDEFG: \n-+_"), max_size=200))
def test_no_table_makes_the_parser_fail(table: str) -> None:
    assert all(isinstance(listener, Listener) for listener in parse_listeners(table))
