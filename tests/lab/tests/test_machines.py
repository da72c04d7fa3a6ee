# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines as the rest of the project relies on them: real containers, real ssh, real reboots."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t
import urllib.request
import uuid
from pathlib import Path

import pytest

from tests.lab import Lab, LabError, Registry, base_image
from tests.lab.engine import docker, inspect

READ_BOOT_ID = "print(open('/proc/sys/kernel/random/boot_id').read().strip())"
HOST_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def ssh(lab: Lab, name: str, *argv: str, user: str = "root") -> subprocess.CompletedProcess[str]:
    command = [*lab.ssh_argv(name, user), *argv]
    command[1:1] = ["-o", "ConnectTimeout=2", "-o", "BatchMode=yes"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_ssh_verifies_the_host_key_and_opens_root_and_a_user_with_sudo(lab: Lab) -> None:
    assert ssh(lab, "one", "hostname").stdout == "one\n"
    assert ssh(lab, "two", "sudo -n id -un; id -un", user="deploy").stdout == "root\ndeploy\n"
    known = lab.access.known_hosts.read_text(encoding="ascii")
    try:
        lab.access.known_hosts.write_text(known.replace(lab.address("one"), "192.0.2.1").replace("one,", "x,"))
        refused = ssh(lab, "one", "hostname")
    finally:
        lab.access.known_hosts.write_text(known)
    assert refused.returncode == 255 and "verification failed" in refused.stderr


def test_a_machine_has_booted_without_a_failed_unit_and_its_proxies_are_off(lab: Lab) -> None:
    assert lab.exec("one", ["systemctl", "is-system-running"]).stdout == "running\n"
    states = lab.exec("one", ["systemctl", "is-enabled", "docker", "haproxy", "nginx", "postgresql"], check=False)
    assert states.stdout.split() == ["enabled", "disabled", "disabled", "disabled"]
    assert lab.exec("one", ["docker", "info", "--format", "{{.Driver}}"]).stdout == "overlay2\n"


def test_programs_see_a_boot_id_of_the_machine_that_changes_with_every_boot(lab: Lab) -> None:
    seen = [ssh(lab, name, "python3", "-c", f'"{READ_BOOT_ID}"').stdout.strip() for name in ("one", "two")]
    for power_loss in (False, True):
        lab.reboot("one", power_loss=power_loss)
        seen.append(ssh(lab, "one", "python3", "-c", f'"{READ_BOOT_ID}"').stdout.strip())
        assert seen[-1] == lab.boot_id("one")
    assert len({uuid.UUID(one) for one in seen}) == 4
    assert HOST_BOOT_ID.read_text(encoding="ascii").strip() not in seen


def test_a_reboot_keeps_address_files_and_host_key(lab: Lab) -> None:
    lab.exec("two", ["sh", "-c", "echo kept > /root/kept"])
    before = lab.address("two")
    lab.reboot("two")
    assert lab.address("two") == before
    assert ssh(lab, "two", "cat", "/root/kept").stdout == "kept\n"
    assert before in lab.exec("two", ["ip", "-4", "address", "show", "eth0"]).stdout


def test_a_stopped_machine_is_started_by_create(lab: Lab) -> None:
    lab.stop("two")
    assert lab.create(["two"]) == []
    assert ssh(lab, "two", "hostname").stdout == "two\n"


@pytest.mark.parametrize("of", ["controller", "everyone"])
def test_a_partition_cuts_the_controller_off_and_heals(lab: Lab, of: t.Literal["controller", "everyone"]) -> None:
    reach_one = ["curl", "--silent", "--max-time", "1", f"telnet://{lab.address('one')}:22"]
    lab.partition("one", of=of)
    try:
        assert ssh(lab, "one", "true").returncode == 255
        greeting = lab.exec("two", reach_one, stdin="", check=False).stdout
        assert greeting.startswith("SSH-") == (of == "controller")
        assert lab.exec("one", ["hostname"]).stdout == "one\n"
    finally:
        lab.heal("one")
    assert ssh(lab, "one", "true").returncode == 0


def test_an_open_connection_hangs_in_a_partition_and_goes_on_afterwards(lab: Lab) -> None:
    command = [*lab.ssh_argv("one"), "while sleep 0.1; do date +%N; done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline()
            lab.partition("one")
            time.sleep(1)  # long enough that the session, were it cut, would be gone
            assert child.poll() is None
            lab.heal("one")
            assert child.stdout.readline()
        finally:
            lab.heal("one")
            child.kill()


def test_a_shifted_wall_clock_fools_one_interpreter_and_no_other_clock(lab: Lab) -> None:
    code = "import time; print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME))"
    read = ["python3-faketime", "-c", code]
    true = [float(one) for one in lab.exec("one", read).stdout.split()]
    lab.exec("one", ["sh", "-c", "echo +2h > /etc/slipway-lab-faketime"])
    try:
        shifted = [float(one) for one in lab.exec("one", read).stdout.split()]
        plain = [float(one) for one in lab.exec("one", ["python3", "-c", code]).stdout.split()]
    finally:
        lab.exec("one", ["rm", "/etc/slipway-lab-faketime"])
    moved = [round((after - before) / 3600) for before, after in zip(true, shifted, strict=True)]
    assert moved == [2, 0, 0]
    assert round((plain[0] - true[0]) / 3600) == 0


def test_an_image_from_the_registry_runs_inside_and_its_port_is_reached_from_here(lab: Lab, pushed_base: str) -> None:
    argv = ["docker", "run", "--detach", "--name=web", "--publish=20000:8000", "--memory=64m", pushed_base]
    lab.exec("one", [*argv, "python3", "-m", "http.server", "8000"])
    try:
        get = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/').status)"
        retried = ["sh", "-c", f'for i in 1 2 3 4 5 6 7 8 9; do python3 -c "{get}" && exit; sleep 0.3; done']
        assert lab.exec("one", ["docker", "exec", "web", *retried]).stdout == "200\n"
        with urllib.request.urlopen(f"http://{lab.address('one')}:20000/", timeout=5) as reply:
            assert reply.status == 200
        inner = lab.exec("one", ["docker", "inspect", "--format", "{{.Id}}", "web"]).stdout.strip()
        outer = docker("inspect", "--format", "{{.Id}}", lab.container("one"))
        groups = lab.exec("one", ["docker", "exec", "web", "cat", "/proc/self/cgroup"]).stdout
        assert f"{outer}/engine/{inner}" in groups
    finally:
        lab.exec("one", ["docker", "rm", "--force", "web"])


def test_the_base_image_has_what_the_applications_import(lab: Lab, pushed_base: str) -> None:
    code = "import aiohttp, asyncpg, ssl, sqlite3, asyncio; print(asyncpg.__version__ > '0.2')"
    script = f'python3 -c "{code}" && nginx -t 2>&1 | tail -n 1 && id -un www-data'
    said = lab.exec("two", ["docker", "run", "--rm", pushed_base, "sh", "-c", script]).stdout
    assert said.splitlines() == [
        "True",
        "nginx: configuration file /etc/nginx/nginx.conf test is successful",
        "www-data",
    ]


def test_a_stopped_registry_is_gone_and_keeps_what_was_pushed(lab: Lab, registry: Registry, pushed_base: str) -> None:
    ask = ["curl", "--silent", "--max-time", "1", f"http://{registry.address}/v2/"]
    assert lab.exec("two", ask).stdout == "{}"
    registry.stop()
    try:
        assert lab.exec("two", ask, check=False).returncode != 0
        with pytest.raises(LabError, match="does not run"):
            registry.push(base_image())
    finally:
        registry.start()
    lab.exec("two", ["docker", "pull", pushed_base])


def test_the_database_answers_from_another_machine_and_from_a_container(lab: Lab, pushed_base: str) -> None:
    url = lab.setup_database("two", "shop", "shop")
    assert lab.setup_database("two", "shop", "shop") == url
    assert lab.exec("one", ["psql", url, "-Atc", "SELECT current_database()"]).stdout == "shop\n"
    code = (
        "import asyncio, asyncpg, os\n"
        "async def main():\n"
        "    c = await asyncpg.connect(os.environ['URL'])\n"
        "    print(await c.fetchval('SELECT current_user'))\n"
        "asyncio.run(main())"
    )
    argv = ["docker", "run", "--rm", f"--env=URL={url}", pushed_base, "python3", "-c", code]
    assert lab.exec("two", argv).stdout == "shop\n"
    lab.reboot("two", power_loss=True)
    wait = ["sh", "-c", f"for i in $(seq 50); do psql '{url}' -Atc 'SELECT 1' && exit; sleep 0.2; done"]
    assert lab.exec("one", wait).stdout == "1\n"


def test_ansible_reaches_the_inventory_as_root_and_as_a_user(lab: Lab) -> None:
    for user in ("root", "deploy"):
        path = lab.write_inventory({"slipway_app": ["one", "two"], "slipway_proxy": ["two"]}, {"colour": "blue"}, user)
        argv = [sys.executable, "-m", "ansible", "adhoc", "slipway_app", "-i", str(path), "-a", "id -un"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        assert done.stdout.count("CHANGED | rc=0 >>\nroot") == 2, done.stdout + done.stderr
    content = json.loads(path.read_text(encoding="utf-8"))["all"]
    assert content["vars"]["colour"] == "blue"
    assert content["children"]["slipway_proxy"]["hosts"] == {"two": {}}


def test_a_bare_machine_has_no_engine_and_apt_can_install_on_it(lab: Lab) -> None:
    lab.create(["fresh"], image="bare")
    try:
        assert ssh(lab, "fresh", "command -v docker haproxy iptables").returncode != 0
        with pytest.raises(LabError, match="no iptables"):
            lab.partition("fresh")
        script = "(apt-get update && apt-get install -y --no-install-recommends tree) >/dev/null && tree --version"
        assert "tree v" in lab.exec("fresh", ["sh", "-c", script]).stdout
    finally:
        lab.destroy(["fresh"])
    assert "fresh" not in lab.machines()
    assert inspect("volume", lab.container("fresh")) is None


def test_down_removes_everything_of_one_lab_and_nothing_of_another(lab: Lab) -> None:
    with Lab("labtest-2") as other:
        other.create(["one"])
        Registry(other).start()
        assert other.address("one") != lab.address("one")
        assert ssh(other, "one", "hostname").stdout == "one\n"
    for listing in (["ps", "--all", "--quiet"], ["volume", "ls", "--quiet"], ["network", "ls", "--quiet"]):
        assert docker(*listing, "--filter", f"label={other.label}") == ""
    assert not other.access.key.exists()
    assert list(lab.machines(running=True)) == ["one", "two"]


def test_machines_that_another_checkout_left_behind_are_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.lab.machines.STATE", tmp_path / "left")
    Lab("labtest-left").create(["left1", "left2"], image="bare")
    monkeypatch.setattr("tests.lab.machines.STATE", tmp_path / "new")
    with Lab("labtest-left") as lab:
        assert lab.create(["left1"], image="bare") == ["left1"]
        assert list(lab.machines()) == ["left1"]
        assert (
            subprocess.run([*lab.ssh_argv("left1"), "hostname"], check=False, capture_output=True, text=True).stdout
            == "left1\n"
        )


def test_errors_name_the_machine_and_what_there_is(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"no machine three in the lab labtest; it has: one, two"):
        lab.address("three")
    with pytest.raises(LabError, match="has no machine three"):
        lab.write_inventory({"slipway_app": ["three"]})
    with pytest.raises(LabError, match=r"'Not a name' cannot name a machine"):
        lab.create(["Not a name"])


def test_too_many_machines_are_refused_with_the_limit_and_the_remedy(lab: Lab) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text(encoding="ascii"))
    with pytest.raises(LabError, match=rf"max_user_instances is {limit} .*sysctl -w"):
        lab.create([f"m{number}" for number in range(limit // 8 + 1)])
    assert list(lab.machines()) == ["one", "two"]
