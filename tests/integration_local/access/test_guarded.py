# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that would lock their author out, on a machine of the lab, over a real SSH connection."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import typing as t

import pytest

from tests.lab import Lab

DROP_IN = "/etc/ssh/sshd_config.d/10-test.conf"
RELOAD = ["systemctl", "reload", "ssh"]
# Lets connections that are open go on and nobody else in, as a wrong rule of a firewall does.
CUT = ["iptables", "-I", "INPUT", "-p", "tcp", "--dport", "22", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP"]
PATIENCE = 30.0  # seconds


@pytest.fixture(scope="module")
def lab() -> t.Iterator[Lab]:
    with Lab("guarded") as lab:
        lab.create(["one"])
        yield lab


def bring(lab: Lab, *more: str, user: str = "deploy", **options: t.Any) -> tuple[int, str]:
    """Run the module as a user that becomes root; exit status and output."""
    inventory = lab.write_inventory({"machines": ["one"]}, {}, user)
    arguments = {"path": DROP_IN, "mode": "0600", "guard": "sshd", "apply": RELOAD, "undo_after": 10, **options}
    argv = [
        sys.executable,
        "-m",
        "ansible",
        "adhoc",
        "one",
        "-i",
        str(inventory),
        "-m",
        "slipway.deploy.guarded_file",
        "-a",
        json.dumps(arguments),
    ]
    done = subprocess.run([*argv, *more], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def content(lab: Lab) -> str:
    return lab.exec("one", ["sh", "-c", f"cat {DROP_IN} 2>/dev/null || true"]).stdout


def pending(lab: Lab) -> str:
    """What waits to be confirmed: directories and timers."""
    look = "ls /run/slipway-guarded 2>/dev/null; systemctl list-units --no-legend 'slipway-undo*'"
    return lab.exec("one", ["sh", "-c", look]).stdout


@pytest.fixture(autouse=True)
def _clean(lab: Lab) -> t.Iterator[None]:
    yield
    lab.exec("one", ["sh", "-c", f"rm -f {DROP_IN}; systemctl reload ssh"])


def test_a_harmless_file_is_kept_and_the_second_run_changes_nothing(lab: Lab) -> None:
    rc, said = bring(lab, "--check", content="MaxSessions 20\n")
    assert rc == 0 and "CHANGED" in said and content(lab) == "", said
    rc, said = bring(lab, content="MaxSessions 20\n")
    assert rc == 0 and "CHANGED" in said, said
    assert content(lab) == "MaxSessions 20\n" and pending(lab) == ""
    assert "maxsessions 20" in lab.exec("one", ["sshd", "-T"]).stdout
    rc, said = bring(lab, content="MaxSessions 20\n")
    assert rc == 0 and "CHANGED" not in said, said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("AllowUsers root\n", "AllowUsers is root"),
        ("PubkeyAuthentication no\n", "PubkeyAuthentication is no"),
        ("AuthorizedKeysFile /etc/ssh/nobody\n", "it has no authorized key"),
        ("Port 2222\n", "sshd would listen on 2222"),
        ("MaxSessionz 20\n", "sshd refuses the file"),
    ],
)
def test_what_would_shut_the_user_out_is_refused_before_anything_is_touched(lab: Lab, text: str, reason: str) -> None:
    rc, said = bring(lab, content=text)
    assert rc != 0 and reason in said and "Nothing was changed" in said, said
    assert (content(lab), pending(lab)) == ("", "")


def test_a_preview_refuses_the_same(lab: Lab) -> None:
    rc, said = bring(lab, "--check", content="AllowUsers root\n")
    assert rc != 0 and "AllowUsers is root" in said, said


def test_what_shuts_out_another_user_only_is_let_through(lab: Lab) -> None:
    assert bring(lab, content="PermitRootLogin no\n")[0] == 0
    lab.exec("one", ["sh", "-c", f"rm {DROP_IN}; systemctl reload ssh"])
    rc, said = bring(lab, user="root", content="PermitRootLogin no\n")
    assert rc != 0 and "PermitRootLogin is no" in said, said


def test_a_machine_that_cannot_be_reached_any_more_takes_the_file_back_by_itself(lab: Lab) -> None:
    """Nobody could have seen this one coming: the file itself is fine, and what brings it into force cuts the machine off."""
    withdraw = ["-D" if word == "-I" else word for word in CUT]
    rc, said = bring(lab, "-T", "2", content="MaxSessions 20\n", apply=CUT, withdraw=withdraw)
    # As the first try that gets through finds it, or none does before the time is up.
    assert rc != 0 and ("was taken back" in said or "could not be reached any more" in said), said
    until = time.monotonic() + PATIENCE
    while content(lab) and time.monotonic() < until:
        time.sleep(0.2)
    assert content(lab) == "" and pending(lab) == ""
    assert bring(lab, "--check", content="MaxSessions 20\n")[0] == 0  # it can be reached again
