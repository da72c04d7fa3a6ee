# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs without containers, released on a machine with a real systemd."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from .process_site import MACHINE, Site


def test_a_secret_is_where_only_its_process_reads_it(site: Site) -> None:
    services = {"web": site.web("1", secrets=["TOKEN"], env_secrets=["ENV_TOKEN"])}
    result = site.run("prepared", "blue", "r1", services)
    assert site.get("blue", "/secret") == site.secrets["TOKEN"]
    unit = f"slipway-{site.platform}.test.web.blue@1.service"
    told = site.sh(
        f"systemctl show {unit}; cat /etc/systemd/system/{unit.replace('1', '', 1)}; ps axeww -o user,args", check=False
    )
    told += site.sh(f"journalctl -u {unit}; cat {site.base}/releases/*/*; find /run/systemd -type f | xargs cat")
    told += json.dumps(result)
    assert "python3 app.py" in told
    assert site.secrets["ENV_TOKEN"] not in told.replace("ENV_TOKEN=" + site.secrets["ENV_TOKEN"], "")
    files = site.sh(f"find {site.base}/secrets {site.base}/environment -type f -printf '%m %u %f\\n'")
    assert sorted(files.splitlines()) == ["400 root TOKEN", "600 root 1"]
    for path in (f"{site.base}/secrets/blue/web/TOKEN", f"{site.base}/environment/*/1"):
        denied = site.sh(f"runuser -u app -- sh -c 'cat {path}' 2>&1", check=False)
        assert "Permission denied" in denied or "No such file" in denied
    site.secrets["TOKEN"] = "s3cret-of-tomorrow"
    assert "define" in " ".join(site.run("prepared", "blue", "r1", services)["actions"])
    assert site.get("blue", "/secret") == "s3cret-of-tomorrow"


@pytest.mark.parametrize(
    ("more", "cause", "found", "log"),
    [
        ({"notify": True, "start_limit": 5}, "exited", "time to start", "version 1"),
        ({"env": {"MODE": "exit"}, "notify": True}, "exited", "exit code 3", "version 1"),
    ],
    ids=["never ready", "ends unready"],
)
def test_what_is_not_ready_is_refused_with_its_cause_and_log(site: Site, more, cause, found, log) -> None:
    error = site.failure("prepared", "blue", "r1", {"web": site.web("1", **{"secrets": ["TOKEN"], **more})})
    assert error["cause"] == cause, error
    assert found in f"{error['actual']} {error['what']}", error
    about = next(iter(error["evidence"]["processes"].values()))
    assert log in "\n".join(about["logs"])
    assert set(site.seen().values()) == {("stopped", False)}


def test_a_program_writes_what_is_shared_and_nothing_of_the_release(site: Site) -> None:
    shared = {"user": "app", "shared": {"directories": ["uploads"], "files": ["site.conf"]}}
    missing = site.failure("prepared", "blue", "r1", {"web": site.web("1", **shared)})
    assert (missing["cause"], missing["object"]) == ("shared_missing", f"{site.base}/shared/web/site.conf")
    site.sh(f"echo kept > {site.base}/shared/web/site.conf")
    for side, release in (("blue", "r1"), ("green", "r2")):
        site.release(side, release, {"web": site.web(release, **shared)})
        assert site.get(side, "/write") == "OSError 30"
        assert site.sh(f"cat {site.base}/current/web/site.conf") == "kept"
    assert site.sh(f"cat {site.base}/shared/web/uploads/here") == "xx"


def test_build_steps_run_as_the_user_of_the_program_and_say_which_failed_and_why(site: Site) -> None:
    made = {"name": "who", "command": ["sh", "-c", "id -un > who; echo $HOME > home; env"], "env": {"A": "b"}}
    services = {"web": site.web("1", user="app", build=[made])}
    site.run("prepared", "blue", "r1", services)
    assert (
        site.sh(f"cat {site.base}/releases/r1/web/who {site.base}/releases/r1/web/home")
        == f"app\n{site.base}/cache/web"
    )
    bad = {"name": "compile", "command": ["sh", "-c", "echo one; echo s3cret-value-of-token >&2; exit 7"]}
    error = site.failure(
        "prepared", "blue", "r2", {"web": site.web("2", user="app", build=[made, bad], secrets=["TOKEN"])}
    )
    assert (error["cause"], error["object"]) == ("build_failed", "services.web.build[1] compile")
    assert error["evidence"]["logs"] == ["one", "********"] and error["evidence"]["exit_code"] == 7
    slow = {"command": ["sh", "-c", "sleep 61 & sleep 62"], "timeout": 1}
    assert (
        site.failure("prepared", "blue", "r2", {"web": site.web("2", user="app", build=[slow])})["cause"]
        == "build_timeout"
    )
    assert site.sh("pgrep -fa '[s]leep 6[12]' || true") == ""


def test_a_release_that_was_cut_off_or_changed_by_hand_is_made_again(site: Site) -> None:
    services = {"web": site.web("1", env={"MODE": "exit"})}
    site.failure("prepared", "blue", "r1", services)
    tree = f"{site.base}/releases/r1/web"
    for harm in (f"rm {tree}.json; rm {tree}/app.py", f"echo '#' >> {tree}/app.py", f"touch {tree}/more"):
        site.sh(harm)
        actions = site.run("prepared", "blue", "r1", {"web": site.web("1")})["actions"]
        assert "fetch directory" in actions[0]
        assert site.sh(f"diff -r /srv/sources/{site.platform}/1 {tree} && echo same") == "same"
    assert site.get("blue") == "1"
    site.run("decided", "blue", "r1", services)
    site.run("settled", "blue", "r1", services)
    site.sh(f"touch {tree}/more")
    again = site.run("prepared", "blue", "r1", {"web": site.web("1")})
    assert site.sh(f"ls {tree}/more")
    assert (again["changed"], "changed by hand" in " ".join(again["warnings"])) == (False, True)


def test_the_retention_keeps_what_is_live_or_linked_to(site: Site) -> None:
    options = {number: {"web": site.web(number)} for number in ("1", "2")}
    site.release("blue", "r1", options["1"], keep=1)
    site.release("green", "r2", options["1"], keep=1)  # the same code: it links to that of r1
    assert site.sh(f"ls {site.base}/releases") == "r1\nr2"
    assert site.seen() == {"web green 1": ("running", True)}
    site.release("blue", "r3", options["2"], keep=1)
    assert site.sh(f"ls {site.base}/releases") == "r3"
    assert (site.get("blue"), site.seen()) == ("2", {"web blue 1": ("running", True)})


def test_a_service_that_is_gone_from_the_platform_is_stopped_and_forgotten(site: Site) -> None:
    site.run("prepared", "blue", "r1", {"web": site.web("1", replicas=2), "job": site.worker()})
    site.run("prepared", "blue", "r2", {"web": site.web("2")})
    assert site.seen() == {"web blue 1": ("running", False)}
    assert site.get("blue", replica=1) == ""
    assert site.sh(f"ls {site.base}/environment/slipway-{site.platform}.test.web.blue") == "1"


def test_directives_of_systemd_count_and_unknown_ones_are_named(site: Site) -> None:
    services = {"web": site.web("1", unit={"MemoryMax": "200M", "LimitNOFILE": 512, "UMask": "0022"})}
    site.run("prepared", "blue", "r1", services)
    unit = f"slipway-{site.platform}.test.web.blue@1.service"
    shown = site.sh(f"systemctl show -p MemoryMax,LimitNOFILE,UMask {unit}").splitlines()
    assert sorted(shown) == ["LimitNOFILE=512", "MemoryMax=209715200", "UMask=0022"]
    for unit, wrong in (({"MemoryMaxx": "1G"}, "unit.MemoryMaxx"), ({"CPUQuota": "much"}, "unit.CPUQuota")):
        error = site.failure("prepared", "blue", "r1", {"web": site.web("1", unit=unit)})
        assert (error["cause"], error["object"]) == ("invalid", f"services.web.{wrong}")
    error = site.failure("prepared", "blue", "r1", {"web": site.web("1", user="nobody-of-this-name")})
    assert (error["cause"], error["object"]) == ("invalid", "services.web.user")
    site.run("prepared", "blue", "r1", services)


PLAYBOOK = """
- hosts: slipway_app
  gather_facts: false
  tasks:
    - slipway.deploy.process_deploy:
        platform: "{{ shop.platform }}"
        environment: test
        state: "{{ item }}"
        side: blue
        version: "1"
        publish: 127.0.0.1
        services: "{{ shop.services }}"
      loop: [prepared, observed]
"""


def test_a_playbook_does_the_same_with_the_secrets_of_the_site(site: Site, tmp_path: pathlib.Path) -> None:
    services = {"web": site.web("1", secrets=["TOKEN"])}
    services["web"]["source"]["from"] = "machine"
    variables = {"shop": {"platform": site.platform, "services": services}, "slipway_secrets": site.secrets}
    inventory = site.lab.write_inventory({"slipway_app": [MACHINE]}, variables)
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")
    argv = [program, "-vv", "-i", inventory, str(tmp_path / "play.yml")]
    for more in (["--check", "--diff"], []):
        done = subprocess.run([*argv, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("changed: [") == 1
        assert "s3cret" not in done.stdout + done.stderr
    assert site.get("blue", "/secret") == site.secrets["TOKEN"]
