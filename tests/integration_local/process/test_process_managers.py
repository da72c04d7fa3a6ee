# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every process manager must do, each for real on one machine."""

from __future__ import annotations

import ast
import contextlib
import json

import pytest

from .process_site import MACHINE, QUICK, Killed, Site, make_machine, wait_for

STATES = ("prepared", "decided", "settled")
STOPPED, LIVE = ("stopped", False), ("running", True)


def test_releases_and_goes_back_and_says_before_what_it_will_do(managed: Site) -> None:
    site = managed
    first = {"web": site.web("1", replicas=2), "job": site.worker()}
    for state in STATES:
        foreseen = site.run(state, "blue", "r1", first, check=True)["actions"]
        if state == "prepared":
            assert site.seen() == {} and site.sh(f"ls {site.base}", check=False) == ""
        assert site.run(state, "blue", "r1", first)["actions"] == foreseen
    assert not any(site.run(state, "blue", "r1", first)["changed"] for state in STATES)
    assert (site.current(), site.get("blue"), site.get("blue", replica=1)) == ("releases/r1", "1", "1")
    second = {"web": site.web("2", replicas=2), "job": site.worker()}
    site.run("prepared", "green", "r2", second)
    assert site.seen()["job green 1"] == STOPPED
    site.run("decided", "green", "r2", second)
    assert (site.seen()["job blue 1"], site.seen()["job green 1"]) == (STOPPED, LIVE)
    assert (site.current(), site.get("blue"), site.get("green")) == ("releases/r2", "1", "2")
    reverted = site.run("reverted", "green", "r2", second, live_side="blue")
    assert not site.run("reverted", "green", "r2", second, live_side="blue")["changed"]
    assert "version 2 token" in "\n".join(reverted["processes"][site.name("green")]["logs"])
    assert site.current() == "releases/r1"
    assert set(site.seen().values()) == {LIVE, STOPPED}
    assert {name.split()[1] for name, (status, _boot) in site.seen().items() if status == "running"} == {"blue"}


@pytest.mark.sample(2, of="reboot")
def test_after_a_reboot_the_live_side_comes_back_and_nothing_else(managed: Site) -> None:
    site = managed
    site.release("blue", "r1", {"web": site.web("1", replicas=2, secrets=["TOKEN"]), "job": site.worker()})
    site.run("prepared", "green", "r2", {"web": site.web("2"), "job": site.worker()})
    assert site.get("green") == "2"
    site.lab.reboot(MACHINE)
    make_machine(site.lab)
    wait_for(lambda: site.get("blue") == "1" and site.get("blue", "/secret", replica=1) == site.secrets["TOKEN"])
    wait_for(lambda: site.seen()["job blue 1"] == LIVE)
    assert site.seen() == {
        "web blue 1": LIVE,
        "web blue 2": LIVE,
        "job blue 1": LIVE,
        "web green 1": STOPPED,
        "job green 1": STOPPED,
    }


HARD = {
    "QUOTES": "a\"b'c`d",
    "DOLLARS": "$HOME ${HOME} $$ %i %% %H %(here)s",
    "BACKSLASHES": "\\ \\\\ \\n \\x41",
    "LINES": "one\ntwo\n#three\n",
    "SPACES": "  leading, trailing\t ",
    "UMLAUTS": "grün 🐟",
    "SEMICOLON": "; echo x # y",
    "EMPTY": "",
}


@pytest.mark.sample(2, of="words")
def test_words_and_variables_arrive_as_they_were_written(managed: Site) -> None:
    site = managed
    words = [*(value for value in HARD.values() if "\n" not in value and value), "-p", "${PORT}", "x${MODE}y", "%n $0"]
    words = [word.replace("${HOME}", "$HOME") for word in words]
    env = {**HARD, "MODE": "m", "FLAG": True, "NUMBER": 1.10}
    services = {"web": site.web("1", env=env, env_secrets=["ENV_TOKEN"], command=["python3", "app.py", *words])}
    site.run("prepared", "blue", "r1", services)
    found = dict(ast.literal_eval(site.get("blue", "/env")))
    assert {name: found[name] for name in HARD} == HARD
    assert (found["FLAG"], found["NUMBER"], found["ENV_TOKEN"]) == ("true", "1.1", site.secrets["ENV_TOKEN"])
    port = str(site.ports["blue"][0])
    expected = [word.replace("${PORT}", port).replace("${MODE}", "m") for word in words]
    assert ast.literal_eval(site.get("blue", "/argv")) == expected
    assert not site.run("prepared", "blue", "r1", services)["changed"]


@pytest.mark.sample(4, of="refused")
@pytest.mark.parametrize(
    ("more", "cause", "found", "log"),
    [
        ({"env": {"MODE": "exit"}}, "exited", "exit code 3", "version 1"),
        ({"env": {"MODE": "later"}, "health": {**QUICK, "deadline": 60}}, "exited", "exit code 4", "version 1"),
        ({"command": ["no-such-program"]}, "", "cannot be executed", ""),
        ({"command": [".venv/bin/python", "app.py"]}, "", "cannot be executed", ""),
        ({"env": {"MODE": "sick"}, "health": {**QUICK, "deadline": 2}}, "status", "500", "version 1"),
    ],
    ids=["ends", "ends later", "no program", "none in the release", "ill"],
)
def test_what_does_not_come_up_is_refused_with_its_cause_and_log(managed: Site, more, cause, found, log) -> None:
    site = managed
    site.release("green", "r0", {"web": site.web("0")})
    before = site.pids("green")
    error = site.failure("prepared", "blue", "r1", {"web": site.web("1", **{"secrets": ["TOKEN"], **more})})
    # systemd tells a program that cannot be executed from one that ended.
    assert error["cause"] == (cause or ("start_failed" if site.manager == "systemd" else "exited")), error
    assert found in f"{error['actual']} {error['what']}", error
    about = next(iter(error["evidence"]["processes"].values()))
    assert log in "\n".join(about["logs"])
    assert site.seen() == {"web green 1": LIVE, "web blue 1": STOPPED}
    assert site.pids("green") == before


@pytest.mark.sample(2, of="loop")
def test_a_crash_loop_is_refused_however_healthy_it_looks_in_between(managed: Site) -> None:
    site = managed
    site.release("green", "r0", {"web": site.web("0")})
    before = site.pids("green")
    loop = {"web": site.web("1", env={"MODE": "loop"}, health={**QUICK, "successes": 2, "minimum": 5, "deadline": 60})}
    error = site.failure("prepared", "blue", "r1", loop)
    assert (error["cause"], "exit code 6" in error["actual"]) == ("exited", True), error
    assert site.seen() == {"web green 1": LIVE, "web blue 1": STOPPED}
    services = {"web": site.web("2")}
    site.run("prepared", "blue", "r2", services)
    site.get("blue", "/end")  # after it was seen to be healthy
    wait_for(lambda: site.get("blue") == "2")
    error = site.failure("decided", "blue", "r2", services, live_side="green")
    assert (error["cause"], "failed after 1 restarts" in error["actual"]) == ("exited", True), error
    site.run("reverted", "blue", "r2", services, live_side="green")
    assert (site.pids("green"), site.seen()) == (before, {"web green 1": LIVE, "web blue 1": STOPPED})


@pytest.mark.sample(1, of="kept")
def test_what_is_kept_starts_again_without_its_source(managed: Site) -> None:
    site = managed
    options = {number: {"web": site.web(number), "job": site.worker()} for number in ("1", "2")}
    site.release("blue", "r1", options["1"])
    site.release("green", "r2", options["2"])
    site.sh(f"rm -r /srv/sources/{site.platform}")
    assert [(item["release"], item["ready"]) for item in site.observed()["releases"]] == [("r1", True), ("r2", True)]
    assert site.failure("prepared", "blue", "r3", options["1"])["cause"] == "source_missing"
    for state in STATES:
        site.run(state, "blue", "r3", options["1"], kept_release="r1")
    assert (site.get("blue"), site.current(), site.get("green")) == ("1", "releases/r3", "")
    assert site.sh(f"readlink -f {site.base}/current/web") == f"{site.base}/releases/r1/web"
    assert {name: about for name, about in site.seen().items() if about == LIVE} == {
        "web blue 1": LIVE,
        "job blue 1": LIVE,
    }


@pytest.mark.sample(1, of="slow")
def test_a_slow_start_is_waited_for(managed: Site) -> None:
    result = managed.run("prepared", "blue", "r1", {"web": managed.web("1", env={"MODE": "slow"})})
    assert result["processes"][managed.name("blue")]["ready_s"] >= 1
    assert managed.get("blue") == "1"


def test_a_process_that_ignores_sigterm_is_killed_and_children_left_behind_are_told(managed: Site) -> None:
    site = managed
    stubborn = {"web": site.web("1", env={"MODE": "stubborn"}, stop_grace=1)}
    site.release("blue", "r1", stubborn)
    children = {"web": site.web("2", env={"MODE": "children"}, stop_grace=1)}
    site.run("prepared", "green", "r2", children)
    site.run("decided", "green", "r2", children)
    settled = site.run("settled", "green", "r2", children)
    assert "did not end within 1 s after SIGTERM and was killed" in settled["warnings"][0]
    third = {"web": site.web("3")}
    site.run("prepared", "blue", "r3", third)
    site.run("decided", "blue", "r3", third)
    settled = site.run("settled", "blue", "r3", third)
    assert settled["processes"][site.name("green")] == {
        "action": "stop",
        "killed": False,
        "left": ["sh", "sleep"],
        "status": "stopped",
        "boot": False,
    }
    assert "left processes behind (sh, sleep), ended with it" in settled["warnings"][0]
    assert site.sh("pgrep -fa \"[t]rap '' TERM\" || true") == ""


@pytest.mark.sample(2, of="worker")
def test_a_worker_that_ends_at_once_is_refused_although_it_is_started_again(managed: Site) -> None:
    site = managed
    site.release("blue", "r1", {"web": site.web("1"), "job": site.worker()})
    services = {"web": site.web("2"), "job": site.worker(env={"MODE": "exit"})}
    site.run("prepared", "green", "r2", services)
    error = site.failure("decided", "green", "r2", services)
    assert (error["cause"], "exit code 3" in error["actual"]) == ("exited", True)
    site.run("reverted", "green", "r2", services, live_side="blue")
    assert (site.seen()["job blue 1"], site.seen()["job green 1"]) == (LIVE, STOPPED)


def test_a_secret_is_in_no_argument_no_configuration_and_no_log(managed: Site) -> None:
    site = managed
    services = {"web": site.web("1", secrets=["TOKEN"], env_secrets=["ENV_TOKEN"])}
    result = site.run("prepared", "blue", "r1", services)
    site.run("decided", "blue", "r1", services)
    assert site.get("blue", "/secret") == site.secrets["TOKEN"]
    told = site.sh("ps axww -o user,args; journalctl --no-pager; cat /var/log/supervisor/*.log", check=False)
    told += site.sh(f"grep -rs s3cret /etc /run/systemd/system {site.base}/pm2 {site.base}/releases", check=False)
    assert "python3 app.py" in told
    assert site.secrets["ENV_TOKEN"] not in told + json.dumps(result)
    files = site.sh(f"find {site.base}/secrets {site.base}/environment -type f -printf '%m %u %f\\n'")
    reader = "root" if site.manager == "systemd" else "app"
    assert sorted(files.splitlines()) == [f"400 {reader} TOKEN", "600 root 1"]
    other = "nobody" if reader == "app" else "app"
    for path in (f"{site.base}/secrets/blue/web/TOKEN", f"{site.base}/environment/*/1"):
        denied = site.sh(f"runuser -u {other} -- sh -c 'cat {path}' 2>&1", check=False)
        assert "Permission denied" in denied or "No such file" in denied
    site.secrets["TOKEN"] = "s3cret-of-tomorrow"
    site.run("prepared", "green", "r2", services)
    assert (site.get("green", "/secret"), site.get("blue", "/secret")) == (
        "s3cret-of-tomorrow",
        "s3cret-value-of-token",
    )


@pytest.mark.sample(2, of="once")
def test_a_command_runs_once_as_a_replica_does_and_nothing_of_it_is_left(managed: Site) -> None:
    site = managed
    more = {"user": "app", "env": HARD, "secrets": ["TOKEN"], "env_secrets": ["ENV_TOKEN"]}
    site.release("blue", "r1", {"web": site.web("1", **more)})
    script = 'id -un; pwd; cat "$TOKEN_FILE"; echo; echo "$ENV_TOKEN" "$REPLICA $QUOTES"; wc -c; sleep 71 & exit 3'
    result, lines = site.once("blue", "sh", "-c", script)
    assert result["exit_code"] == 3, (result, lines)
    tree = f"{site.base}/releases/r1/web"
    assert lines == ["app", tree, "********", f"******** 1 {HARD['QUOTES']}", "0"]
    result, lines = site.once("blue", "sh", "-c", "echo begun; exec sleep 72", timeout=1.0)
    assert (result["error"]["cause"], lines) == ("timeout", ["begun"])
    wait_for(lambda: site.sh("pgrep -fa '[s]leep 7[12]'", check=False) == "")
    wait_for(lambda: site.sh("systemctl list-units --all --no-legend 'slipway-once-*'") == "")
    assert site.get("blue") == "1"


ROTATE = {
    "systemd": "journalctl --quiet --rotate",
    "supervisor": "for log in {0}; do [ ! -e $log ] || mv $log $log.$(date +%N); done; kill -USR2 $(cat /run/supervisord.pid)",
    "pm2": "for log in {0}; do [ ! -e $log ] || mv $log $log.$(date +%N); done",
}


@pytest.mark.sample(2, of="rotated")
def test_logs_that_are_rotated_while_releasing_lose_no_line(managed: Site) -> None:
    site = managed
    services = {"web": site.web("1", env={"MODE": "chatty"})}
    rotate = ROTATE[site.manager].format(f"{site.log('blue')} {site.log('green')}")
    site.release("blue", "r1", services)
    for state in STATES:
        site.sh(rotate)
        site.run(state, "green", "r2", services)
    site.sh(rotate)
    for side in ("blue", "green"):
        if side == "green":
            site.run("reverted", "green", "r2", services, live_side="blue")
        files = f"cat {site.log(side)}*"
        told = site.sh(f"journalctl --output=cat --unit={site.name(side)}" if site.manager == "systemd" else files)
        numbers = sorted(int(line.split()[-1]) for line in told.splitlines() if " line " in line)
        first_run = numbers if side == "green" else numbers[: numbers.index(max(numbers)) + 1]
        assert len(first_run) > 20
        assert first_run == list(range(1, len(first_run) + 1))


@pytest.mark.sample(2, of="killed")
@pytest.mark.parametrize("kill", range(1, 21))
@pytest.mark.parametrize("state", STATES)
def test_a_stage_that_is_killed_is_finished_by_the_next_run(managed: Site, state: str, kill: int) -> None:
    site = managed
    site.release("blue", "r1", {"web": site.web("1"), "job": site.worker()})
    services = {"web": site.web("2", secrets=["TOKEN"], replicas=2), "job": site.worker()}
    for before in STATES[: STATES.index(state)]:
        site.run(before, "green", "r2", services, live_side="blue")
    with contextlib.suppress(Killed):
        site.run(state, "green", "r2", services, live_side="blue", kill=kill)
    assert site.get("blue") == "1" or site.get("green") == "2"
    assert site.sh(f"cat {site.base}/current/web/version") in ("1", "2")
    for again in STATES:
        site.run(again, "green", "r2", services, live_side="blue")
    assert (site.get("green"), site.get("green", "/secret", 1), site.get("blue")) == ("2", site.secrets["TOKEN"], "")
    assert site.seen() == {
        "web green 1": LIVE,
        "web green 2": LIVE,
        "job green 1": LIVE,
        "web blue 1": STOPPED,
        "job blue 1": STOPPED,
    }
    for again in STATES:
        assert not site.run(again, "green", "r2", services, live_side="blue")["changed"]
