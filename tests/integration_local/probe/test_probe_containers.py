# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of real containers on this machine's Docker Engine: what went wrong inside is found and named."""

from __future__ import annotations

import io
import os
import shutil
import socket
import tarfile
import typing as t
import uuid

import docker
import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.probe.loop import probe_all
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import Policy, Result, Target
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

PREFIX = f"slipway-probe-test-{uuid.uuid4().hex[:8]}"
IMAGE = f"{PREFIX}:base"
# A long deadline: a cause that is certain must not wait for it.
POLICY = Policy(successes=2, minimum=0.1, interval=0.1, timeout=2.0, deadline=30.0, wrong_port_after=0.5)

Start = t.Callable[..., t.Any]


@pytest.fixture(scope="module")
def engine() -> t.Iterator[t.Any]:
    """The engine, with a network of our own and an image that holds a static busybox and nothing else."""
    client = docker.from_env()
    busybox = shutil.which("busybox")
    assert busybox, "busybox-static is not installed"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(os.path.realpath(busybox), "bin/busybox")
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        tar.addfile(link)
        page = tarfile.TarInfo("www/health")
        page.size = 3
        tar.addfile(page, io.BytesIO(b"ok\n"))
    client.api.import_image_from_data(archive.getvalue(), repository=PREFIX, tag="base")
    network = client.networks.create(PREFIX, driver="bridge")
    yield client
    network.remove()
    client.images.remove(IMAGE, force=True)
    client.close()


@pytest.fixture
def start(engine: t.Any) -> t.Iterator[Start]:
    """Create and start containers of that image; gives the host port published for 8080."""
    made: list[t.Any] = []

    def run(name: str, command: str, *, started: bool = True, **options: t.Any) -> int:
        with socket.create_server(("127.0.0.1", 0)) as spare:
            port = spare.getsockname()[1]
        container = engine.containers.create(
            IMAGE,
            ["/bin/busybox", "sh", "-c", command],
            name=f"{PREFIX}-{name}",
            network=PREFIX,
            ports={"8080/tcp": ("127.0.0.1", port)},
            **options,
        )
        made.append(container)
        if started:
            container.start()
        return port

    yield run
    for container in made:
        container.remove(force=True)


def probed(name: str, port: int, **options: t.Any) -> Result:
    target = Target(
        "http", name=name, url=f"http://127.0.0.1:{port}/health", companion=f"{PREFIX}-{name}", image=IMAGE, **options
    )
    return probe_all([target], system=System(), policy=POLICY)[0]


def test_a_good_one_is_healthy_by_http_tcp_and_its_state(start: Start) -> None:
    port = start("good", "exec /bin/busybox httpd -f -p 8080 -h /www")
    name = f"{PREFIX}-good"
    results = probe_all(
        [
            Target("http", url=f"http://127.0.0.1:{port}/health", contains="ok", companion=name),
            Target("tcp", host="127.0.0.1", port=port, companion=name),
            Target("container", container=name),
            Target("command", argv=["docker", "inspect", name]),
        ],
        system=System(),
        policy=POLICY,
    )
    assert [result.cause for result in results] == [""] * 4


def test_one_that_opens_its_port_late_is_waited_for(start: Start) -> None:
    port = start("late", "/bin/busybox sleep 1; exec /bin/busybox httpd -f -p 8080 -h /www")
    result = probed("late", port)
    assert result.healthy, result
    assert result.attempts > 3


def test_an_exited_one_is_refused_at_once_with_its_last_words(start: Start) -> None:
    port = start("exited", "echo cannot open the database; exit 3")
    result = probed("exited", port)
    assert result.cause == "exited"
    assert "exited with 3" in result.message
    assert result.evidence["logs"] == ["cannot open the database"]
    assert result.evidence["container"]["exit_code"] == 3
    assert result.seconds < 10


def test_one_without_memory_is_named_so(start: Start) -> None:
    port = start("oom", "/bin/busybox tail /dev/zero", mem_limit="16m")
    result = probed("oom", port)
    assert result.cause == "oom", result
    assert "16 MiB" in result.message


def test_one_that_listens_on_another_port_is_told_which(start: Start) -> None:
    port = start("elsewhere", "exec /bin/busybox httpd -f -p 9000 -h /www")
    result = probed("elsewhere", port)
    assert result.cause == "wrong_port", result
    assert "found '9000', wanted 8080" in result.message
    assert [listener.rpartition(":")[2] for listener in result.evidence["listening"]] == ["9000"]
    assert result.attempts >= 2
    assert result.seconds < 10


def test_a_tcp_probe_is_not_fooled_by_the_proxy_of_docker(start: Start) -> None:
    port = start("tcp", "exec /bin/busybox httpd -f -p 9000 -h /www")
    target = Target("tcp", host="127.0.0.1", port=port, companion=f"{PREFIX}-tcp")
    result = probe_all([target], system=System(), policy=POLICY)[0]
    assert result.cause == "wrong_port", result


def test_one_that_listens_on_its_loopback_only_is_told_so(start: Start) -> None:
    port = start("loopback", "exec /bin/busybox httpd -f -p 127.0.0.1:8080 -h /www")
    result = probed("loopback", port)
    assert result.cause == "wrong_address", result
    assert "127.0.0.1:8080 only" in result.message


def test_one_that_cannot_start_says_what_the_engine_said(engine: t.Any, start: Start) -> None:
    port = start("broken", "true", started=False, entrypoint=["/no/such/program"])
    with pytest.raises(docker.errors.APIError):
        engine.containers.get(f"{PREFIX}-broken").start()
    result = probed("broken", port)
    assert result.cause == "start_failed", result
    assert "/no/such/program" in result.message


def test_a_missing_image_is_named(engine: t.Any) -> None:
    target = Target("container", container=f"{PREFIX}-never", image=f"{PREFIX}:missing")
    result = probe_all([target], system=System(), policy=POLICY)[0]
    assert result.cause == "image_missing", result
    assert f"{PREFIX}:missing is not on this machine" in result.message


def test_restarts_and_health_checks_are_waited_for_until_the_deadline(start: Start) -> None:
    start("again", "exit 4", restart_policy={"Name": "always"})
    second = 1_000_000_000
    check = {"test": ["CMD", "/bin/busybox", "false"], "interval": second // 5, "timeout": second, "retries": 1}
    start("sick", "exec /bin/busybox sleep 60", healthcheck=check)
    results = probe_all(
        [Target("container", container=f"{PREFIX}-{name}") for name in ("again", "sick")],
        system=System(),
        policy=POLICY._replace(deadline=8.0),  # an engine that is busy answers late
    )
    # At the very end the restarted one may just run again, which is not for long enough either.
    assert results[0].cause in ("restarting", "unstable"), results[0]
    assert "keeps exiting with 4" in results[0].message
    assert results[1].cause == "unhealthy", results[1]
