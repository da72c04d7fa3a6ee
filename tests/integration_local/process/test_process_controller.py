# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code that the controller has, released on a machine over ssh."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tarfile
import typing as t

import pytest

from .process_site import MACHINE, PROGRAM, Site

PLAYBOOK = """
- hosts: slipway_app
  gather_facts: false
  tasks:
    - slipway.deploy.process_deploy:
        platform: "{{ shop.platform }}"
        environment: test
        state: "{{ item }}"
        side: "{{ side }}"
        version: "{{ version }}"
        identity: "id-{{ version }}"
        keep: 1
        kept_release: "{{ kept | default('') }}"
        publish: 127.0.0.1
        services: "{{ shop.services }}"
      loop: [prepared, decided, settled]
"""


class Release:
    """Runs the playbook in a site of its own."""

    def __init__(self, site: Site, tmp_path: pathlib.Path) -> None:
        self.site, self.tmp = site, tmp_path
        self.source: dict[str, t.Any] = {"kind": "directory", "path": "app", "exclude": ["*.log", "tmp"]}
        (tmp_path / "play.yml").write_text(PLAYBOOK)
        self.write("1")

    def write(self, version: str) -> None:
        for name, text in {"app.py": PROGRAM, "version": version, "app.log": "x", "tmp/x": "x"}.items():
            path = self.tmp / "app" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def run(self, version: str, side: str, *words: str, user: str = "root", rc: int = 0) -> tuple[str, int]:
        """What it printed, and how many files went to the machine."""
        services = {"web": self.site.web("", source=self.source)}
        shop = {"platform": self.site.platform, "services": services}
        inventory = self.site.lab.write_inventory({"slipway_app": [MACHINE]}, {"shop": shop}, user=user)
        about = json.dumps({"version": version, "side": side})
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        argv = [program, "-vvvv", "-i", inventory, "play.yml", "-e", about, *words]
        env = {**os.environ, "ANSIBLE_PIPELINING": "1"}
        done = subprocess.run(argv, cwd=self.tmp, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == rc, done.stdout[-5000:] + done.stderr
        sent = [line for line in done.stdout.splitlines() if " PUT " in line and "slipway-package" in line]
        return done.stdout, len(sent)

    def packages(self) -> list[str]:
        return self.site.sh(f"ls {self.site.base}/packages", check=False).split()


@pytest.fixture
def release(site: Site, tmp_path: pathlib.Path) -> Release:
    return Release(site, tmp_path)


def test_a_directory_of_the_controller_is_handed_over_once_and_only_when_the_machine_needs_it(release: Release) -> None:
    site = release.site
    everything = "find /srv ~ /tmp /var/lib/slipway -path ~/.ansible -prune -o -print 2>/dev/null | sort"
    before = site.sh(everything)
    assert release.run("1", "blue", "--check")[1] == 0
    assert site.sh(everything) == before
    assert release.run("1", "blue", user="deploy")[1] == 1
    assert (site.get("blue"), site.sh(f"ls {site.base}/releases/*/web")) == ("1", "app.py\nversion")
    said, sent = release.run("1", "blue")
    assert ("changed=0" in said, sent) == (True, 0)
    site.sh(f"rm -r {site.base}/releases")  # it makes the code anew out of what it has
    assert release.run("1", "blue", "-e", '{"side": "green"}')[1] == 0
    first = release.packages()
    release.write("2")
    assert release.run("2", "blue")[1] == 1
    assert (site.get("blue"), len(release.packages()), release.packages() != first) == ("2", 1, True)
    assert site.sh("ls -A ~/.ansible/tmp /home/deploy/.ansible/tmp 2>/dev/null | grep ansible-tmp", check=False) == ""


def test_a_release_goes_back_from_a_controller_that_has_no_code(release: Release) -> None:
    release.run("1", "blue")
    identity = release.site.observed()["current"]
    (release.tmp / "app").rename(release.tmp / "away")
    said, sent = release.run("1", "green", rc=2)
    assert ("no such directory on the controller" in said, sent) == (True, 0)
    said, sent = release.run("1-again", "green", "-e", json.dumps({"kept": identity}))
    assert (release.site.get("green"), sent) == ("1", 0)


def test_an_archive_of_the_controller_is_handed_over_as_it_is(release: Release) -> None:
    with tarfile.open(release.tmp / "app.tgz", "w:gz") as archive:
        archive.add(release.tmp / "app", "shop-1")
    release.source = {"kind": "archive", "path": "app.tgz", "strip": 1}
    release.run("1", "blue")
    assert release.site.get("blue") == "1" and len(release.packages()) == 1
    said, _sent = release.run("1", "blue")
    assert "changed=0" in said


def test_a_link_out_of_the_directory_stops_the_release_before_the_machine_is_touched(release: Release) -> None:
    (release.tmp / "app" / "keys").symlink_to("/etc/ssl/private")
    said, sent = release.run("1", "blue", rc=2)
    assert ("a link that leads out of the directory cannot be released" in said, sent) == (True, 0)
    assert release.site.sh(f"ls {release.site.base}", check=False) == ""


CONFIG = """
- hosts: slipway_app
  gather_facts: false
  tasks:
    - slipway.deploy.config:
        goal: "{{ goal }}"
      register: found
    - ansible.builtin.debug:
        msg: "identity {{ found.config.identity }} content {{ found.config.services.web.source.content | default('none') }}"
"""
VARIABLES = {
    "slipway_platform": "shop",
    "slipway_environment": "test",
    "slipway_model": "process",
    "slipway_traffic": None,
    "slipway_services": {"web": {"source": {"kind": "directory", "path": "app"}, "command": ["./app.py"], "port": 80}},
}


def test_code_that_changed_under_the_same_version_is_a_release_and_only_a_release_looks_at_it(
    tmp_path: pathlib.Path,
) -> None:
    hosts = {"slipway_app": {"hosts": {"app1": {"ansible_host": "192.0.2.1"}}}}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"children": hosts, "vars": VARIABLES}}))
    (tmp_path / "play.yml").write_text(CONFIG)
    (tmp_path / "app").mkdir()

    def said(goal: str, rc: int = 0) -> str:
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        argv = [program, "-i", "hosts.yml", "play.yml", "-e", f"goal={goal} slipway_version=1.0.0"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == rc, done.stdout + done.stderr
        return next((line for line in done.stdout.splitlines() if "identity" in line or "controller" in line), "")

    (tmp_path / "app" / "version").write_text("1")
    first, again = said("deploy"), said("deploy")
    (tmp_path / "app" / "version").write_text("2")
    assert first == again != said("deploy") and "content none" not in first
    (tmp_path / "app").rename(tmp_path / "away")
    assert "no such directory on the controller" in said("deploy", rc=2)
    assert "content none" in said("rollback")
