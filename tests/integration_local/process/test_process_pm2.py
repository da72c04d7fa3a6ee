# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of PM2: cluster mode, readiness, a daemon of their own, and those of other people."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.lab import Lab

from .conftest import NUMBERS
from .process_site import QUICK, Site, wait_for

# What it is asked for, it answers; "ready" is sent when it listens, or never.
NODE = """
const http = require('http'), fs = require('fs');
const version = fs.readFileSync('version', 'utf8').trim();
console.log('version', version, 'speaks');
const says = { '/': () => version, '/env': () => JSON.stringify(process.env), '/argv': () => JSON.stringify(process.argv.slice(2)),
  '/who': () => [process.getuid(), process.cwd(), require('cluster').isWorker].join(' '),
  '/secret': () => fs.readFileSync(process.env.TOKEN_FILE, 'utf8') };
http.createServer((q, a) => a.end((says[q.url] || says['/'])())).listen(process.env.PORT, () => {
  if (process.send && process.env.READY !== 'never') setTimeout(() => process.send('ready'), 300);
});
process.on('SIGTERM', () => process.exit(0));
"""
LIVE, STOPPED = ("running", True), ("stopped", False)


@pytest.fixture
def site(lab: Lab) -> Site:
    return Site(lab, next(NUMBERS), "pm2")


def node(site: Site, version: str, **more: t.Any) -> dict[str, t.Any]:
    source = {"kind": "directory", "path": site.put(version, **{"server.js": NODE})}
    return {
        **site.web(version, source=source),
        "command": ["node", "server.js"],
        "health": {**QUICK, "path": "/"},
        **more,
    }


@pytest.mark.parametrize("mode", ["fork", "cluster"])
def test_a_program_of_node_says_that_it_is_ready_in_either_mode(site: Site, mode: str) -> None:
    more = {
        "notify": True,
        "unit": {"exec_mode": mode},
        "replicas": 2,
        "secrets": ["TOKEN"],
        "env_secrets": ["ENV_TOKEN"],
        "env": {"HARD": "a'b\"$c\n\\"},
        "command": ["node", "server.js", "--port", "${PORT}", "a b"],
    }
    result = site.run("prepared", "blue", "r1", {"web": node(site, "1", **more)})
    assert result["processes"][site.name("blue")]["start_s"] >= 0.3
    found = json.loads(site.get("blue", "/env"))
    assert (found["HARD"], found["ENV_TOKEN"]) == ("a'b\"$c\n\\", site.secrets["ENV_TOKEN"])
    assert not [name for name in found if name.startswith(("pm_", "pm2", "PM2", "SSH", "axm"))]
    assert json.loads(site.get("blue", "/argv", 1)) == ["--port", str(site.ports["blue"][1]), "a b"]
    uid = site.sh("id -u app")
    assert site.get("blue", "/who") == f"{uid} {site.base}/releases/r1/web {str(mode == 'cluster').lower()}"
    assert site.get("blue", "/secret", 1) == site.secrets["TOKEN"]
    told = site.sh(f"ps axww -o args; cat {site.base}/pm2/programs/* {site.base}/pm2/*.log {site.log('blue')}")
    assert "version 1 speaks" in told and "s3cret" not in told
    for state in ("decided", "settled"):
        site.run(state, "blue", "r1", {"web": node(site, "1", **more)})
    assert "s3cret" not in site.sh(f"cat {site.base}/pm2/boot.json")
    assert site.seen() == {"web blue 1": LIVE, "web blue 2": LIVE}


@pytest.mark.parametrize("mode", ["fork", "cluster"])
def test_one_that_never_says_so_is_refused_although_it_answers(site: Site, mode: str) -> None:
    more = {"notify": True, "unit": {"exec_mode": mode}, "env": {"READY": "never"}, "start_limit": 1.5}
    error = site.failure("prepared", "blue", "r1", {"web": node(site, "1", **more)})
    assert (error["cause"], "its time to start was over" in error["actual"]) == ("exited", True)
    assert site.seen() == {"web blue 1": STOPPED}


def test_an_orderly_shutdown_brings_back_what_was_decided_on_and_not_what_ran(site: Site) -> None:
    site.release("blue", "r1", {"web": site.web("1"), "job": site.worker()})
    site.run("prepared", "green", "r2", {"web": site.web("2"), "job": site.worker()})
    site.sh(f"systemctl restart slipway-pm2-{site.platform}.test")
    wait_for(lambda: site.get("blue") == "1" and site.seen()["job blue 1"] == LIVE)
    assert site.get("green") == ""
    assert {name for name, about in site.seen().items() if about == STOPPED} == {"web green 1", "job green 1"}


def test_a_daemon_that_dies_comes_back_with_the_live_side(site: Site) -> None:
    site.release("blue", "r1", {"web": site.web("1")})
    before = site.pids("blue")
    site.sh(f"kill -KILL $(cat {site.base}/pm2/pm2.pid)")
    wait_for(lambda: site.get("blue") == "1" and bool(site.pids("blue")) and site.pids("blue") != before)
    assert site.seen() == {"web blue 1": LIVE}


def test_daemons_of_other_people_and_platforms_are_left_alone(site: Site, lab: Lab) -> None:
    home = "/root/.pm2"
    site.sh("cd / && HOME=/root pm2 start --name foreign sleep -- 1000")
    other = Site(lab, next(NUMBERS), "pm2")
    other.release("blue", "r1", {"web": other.web("1")})
    before, pid = other.pids("blue"), site.sh(f"cat {home}/pm2.pid {home}/pids/foreign-0.pid")
    site.release("blue", "r1", {"web": site.web("1")})
    site.release("green", "r2", {"web": site.web("2")})
    assert (other.pids("blue"), site.sh(f"cat {home}/pm2.pid {home}/pids/foreign-0.pid")) == (before, pid)
    site.sh("HOME=/root pm2 kill")
    assert (site.get("green"), other.get("blue")) == ("2", "1")


def test_what_pm2_cannot_do_is_refused_before_anything_is_touched(site: Site) -> None:
    for more, wrong in (
        ({"unit": {"MemoryMax": "1G"}}, "unit.MemoryMax"),
        ({"unit": {"max_memory_restart": "much"}}, "unit.max_memory_restart"),
        ({"unit": {"exec_mode": "cluster"}}, "command"),
        ({"user": ""}, "user"),
    ):
        error = site.failure("prepared", "blue", "r1", {"web": site.web("1", **more)})
        assert (error["cause"], error["object"]) == ("invalid", f"services.web.{wrong}")
    site.sh("mv /usr/local/bin/pm2 /usr/local/bin/pm2.away")
    try:
        error = site.failure("prepared", "blue", "r1", {"web": site.web("1")})
        assert (error["cause"], "npm install --global pm2" in error["remedy"]) == ("manager_missing", True)
        assert site.observed()["manager"]["ok"] is False
    finally:
        site.sh("mv /usr/local/bin/pm2.away /usr/local/bin/pm2")
    assert site.sh(f"ls {site.base} 2>/dev/null || true") == ""
