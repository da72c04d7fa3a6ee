# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of a live version, and commands that are run once in its code."""

from __future__ import annotations

import json
import re
import typing as t

import pytest

from tests.lab import Lab
from tests.shop import Run

from . import check, settings
from .conftest import fleet_maker
from .fleet import Fleet
from .machines import each, shell

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (app[12]) ([a-z]+\.\d) \| .+")


RUNS = "/var/lib/slipway/shop/production/runs"
# Of a command that was run: its container, its secrets, what it wrote.
LEFT = f"docker ps --all --quiet --filter label=slipway.one_off; ls -d /run/slipway-once-* {RUNS}/* 2>/dev/null; true"
# A program that writes its connection string every second, as it comes and in colour.
TALKER = "while :; do echo \"marked $(cat $DATABASE_URL_FILE)\"; printf '\\033[31mred\\033[0m\\n'; sleep 1; done"


@pytest.fixture(scope="module")
def talking(
    lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory
) -> Fleet:
    """app1, app2 and lb1 with 1.0.0, and beside the shop a service that writes what it must not."""
    return talkative(fleet_maker(lab, machines, facts, tmp_path_factory.mktemp("talking"))())


def talkative(fleet: Fleet) -> Fleet:
    services = settings.services()
    about = {"traffic": False, "stop_grace": 1, "secrets": ["DATABASE_URL"], "image": services["backend"]["image"]}
    fleet.write_variables(slipway_services={**services, "talker": {**about, "command": ["sh", "-c", TALKER]}})
    check.succeeded(fleet.deploy("1.0.0"))
    return fleet


def logs(fleet: Fleet, *args: str) -> Run:
    """``ansible-playbook slipway.deploy.logs -i production …``."""
    return fleet.play("slipway.deploy.logs", *args)


def asked(command: t.Any, **more: str) -> list[str]:
    """What is added to ``ansible-playbook slipway.deploy.run -i production``."""
    return ["-e", json.dumps({"slipway_service": "backend", "slipway_command": command, **more})]


def once(fleet: Fleet, command: t.Any, *args: str, **more: str) -> Run:
    """A command in the code of the backend, to its end."""
    return fleet.play("slipway.deploy.run", *asked(command, **more), *args)


def lasting(snapshot: t.Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Without the engines, and the directory that commands write to, which is empty then and stays."""
    places = (f"{RUNS} ", f"{RUNS.rpartition('/')[0]} ", "/var/lib/slipway/engine")
    return {name: [line for line in lines if not line.startswith(places)] for name, lines in snapshot.items()}


@pytest.mark.sample(2)
def test_logs_of_all_machines_are_shown_by_their_time_and_followed(talking: Fleet) -> None:
    found = logs(talking, "-e", "slipway_service=backend", "-e", "slipway_lines=5")
    check.succeeded(found)
    lines = LINE.findall(found.output)
    assert {(machine, replica) for _stamp, machine, replica in lines} == {
        (machine, f"backend.{number}") for machine in talking.apps for number in (1, 2)
    }
    assert [stamp for stamp, _machine, _replica in lines] == sorted(stamp for stamp, _machine, _replica in lines)
    assert found.changed == 0 and re.search("shop/production: 1.0.0 on (blue|green)", found.said)

    talker = ["-e", "slipway_service=talker", "-e", "slipway_lines=1", "-e", "slipway_grep=marked|red"]
    following = logs(talking, *talker, "-e", "slipway_follow=true", "-e", "slipway_follow_for=10s")
    check.succeeded(following)
    before, _task, rest = following.output.partition("TASK [slipway.deploy.release : Follow them]")
    assert len(LINE.findall(before)) == 2
    followed = LINE.findall(rest)
    for machine in talking.apps:
        stamps = [stamp for stamp, where, _replica in followed if where == machine]
        assert len(stamps) > 6 and stamps == sorted(stamps), rest
        assert f"{machine} talker.1 | marked ********" in rest and f"{machine} talker.1 | red" in rest
    assert talking.facts["vault_database_url"] not in following.output

    check.refused(logs(talking, "-e", "slipway_service=backnd"), "Did you mean backend?")
    check.refused(logs(talking, "-e", "slipway_release=0.9.0"), "nothing stands there", "1.0.0")
    check.refused(logs(talking, "-e", "slipway_grep=("), "slipway_grep", "not a regular expression")


@pytest.mark.sample(2)
def test_a_command_runs_once_in_the_code_of_the_live_version(talking: Fleet) -> None:
    before = talking.snapshot()
    script = "cat $DATABASE_URL_FILE; echo; python3 -c 'import shop; print(2 * 21)'; echo to-stderr >&2; env"
    found = once(talking, ["sh", "-c", script], slipway_machine="app2")
    check.succeeded(found)
    assert re.search(r"in the code of backend 1\.0\.0 \((blue|green)\) on app2", found.said)
    for words in ("\n********\n", "\n42\n", "\nto-stderr\n", "\nLOG_LEVEL=info\n"):
        assert words in found.output, found.output
    assert talking.facts["vault_database_url"] not in found.output
    check.refused(once(talking, "sh -c 'exit 3'"), "the command ended with exit code 3")
    check.refused(once(talking, "sleep 60", slipway_run_timeout="1s"), "it was ended: it had 1 s")
    check.refused(talking.play("slipway.deploy.run", "-e", "slipway_service=backend"), "slipway_command: missing")
    check.succeeded(once(talking, "true", "--check"))
    assert each(talking.apps, lambda machine: shell(talking.lab, machine, LEFT)) == dict.fromkeys(talking.apps, "")
    check.untouched(lasting(before), lasting(talking.snapshot()))


@pytest.mark.sample(2)
def test_a_release_does_not_wait_for_a_command_that_runs(talking: Fleet) -> None:
    running = talking.site.start("slipway.deploy.run", *asked(["sh", "-c", "echo begun; sleep 25; echo done-with-it"]))
    said = ""
    for text in running.stdout or ():
        said += text
        if text.strip() == "begun":  # it is shown while it runs
            break
    assert running.poll() is None, said
    check.succeeded(talking.deploy("1.1.0"))
    rest, _none = running.communicate(timeout=120)
    assert running.returncode == 0 and "done-with-it" in rest, said + rest
    check.all_on(talking, "1.1.0")
